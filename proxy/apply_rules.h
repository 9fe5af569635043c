// What the operator's rules (routing/rule.h), and then the configuration's rate limits, do with a request, between its
// route and its site's server.
//
// Rules hold for every host but this proxy's own, whatever its site's status. The first that ends the request decides;
// of classes the first; of header fields all. Without rules and limits: no cost.
#pragma once

#include <span>

#include "base/error.h"
#include "proxy/exchange.h"
#include "proxy/http/forwarded.h"

namespace hybridge {

// kOk: the request goes on, with what the rules say of it in `exchange.ruled`.
Result<void> apply_rules(Exchange& exchange);

// The fields that they want in the request as the server sees it, and in the answer, where limits have theirs, too. In
// memory of the worker's: until the next call of either for any exchange.
std::span<const http::ExtraHeader> extra_request_headers(Exchange& exchange);
std::span<const http::ExtraHeader> extra_response_headers(Exchange& exchange);

}  // namespace hybridge
