// Carries a request to its site's server and the answer back: lease, send, pump both ways, and the retry rule, which is
// decided here and nowhere else.
#pragma once

#include "base/error.h"
#include "base/task.h"
#include "proxy/exchange.h"

namespace hybridge {

// The route leads to an active site. An error: nothing of an answer was sent, unless stream.is_head_sent(). After a 101
// exchange.tunnel_to is the connection that it came by: what follows is no request's any more.
Task<Result<void>> forward(Exchange& exchange);

}  // namespace hybridge
