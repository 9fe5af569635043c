// What the operator's rules (routing/rule.h), and then the configuration's rate limits, do with a request, between its
// route and its site's server.
//
// Rules hold for every host but this proxy's own, whatever its site's status. The first that ends the request decides;
// of classes the first; of header fields all. Without rules and limits: no cost.
#pragma once

#include "base/error.h"
#include "proxy/exchange.h"

namespace hybridge {

// kOk: the request goes on, with what the rules say of it in `exchange.ruled`.
Result<void> apply_rules(Exchange& exchange);

}  // namespace hybridge
