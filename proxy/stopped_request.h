// What becomes of a request that its site's server answered 503: it is sent again, from the gate, where the site is in
// maintenance and nothing of the request can have been done; else its answer passes (decisions.md 31).
#pragma once

#include <string>

#include "base/error.h"
#include "base/task.h"
#include "proxy/exchange.h"
#include "proxy/in_band.h"
#include "proxy/upstream/connection.h"

namespace hybridge {

// Whether 503s of this request's site are looked into at all.
bool is_watched(const Exchange& exchange);

struct StoppedRequest {
  InBand::Question question;
  std::string taken;  // of the answer's body: read already, in front of what is still to come
  bool goes_again = false;
};

// Reads of the 503's body as much as is inspected, and where it may be maintenance asks the site and waits for what it
// says. Nothing has been sent to the client yet. Errors: those of read_body().
Task<Result<void>> look_into(Exchange& exchange, UpstreamConnection& upstream, const http::ResponseHead& head,
                             StoppedRequest& stopped);

}  // namespace hybridge
