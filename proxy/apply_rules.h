// What the operator's rules do with a request, between its route and its site's server (routing/rule.h).
//
// Rules hold for every host but this proxy's own, whatever its site's status. The first that ends the request decides;
// of classes the first; of header fields all. No rules: no cost.
#pragma once

#include "base/error.h"
#include "proxy/exchange.h"

namespace hybridge {

// kOk: the request goes on, with what the rules say of it in `exchange.ruled`.
Result<void> apply_rules(Exchange& exchange);

}  // namespace hybridge
