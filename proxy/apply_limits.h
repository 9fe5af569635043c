// Rate limits, those of rules and those of the configuration: whether a request is one too many, what its answer says
// of it, and what a dry run would have said.
//
// Addresses are those that a trusted proxy is believed; loopback, and trusted proxies for themselves, are never limited
// by address.
#pragma once

#include <vector>

#include "base/error.h"
#include "proxy/exchange.h"
#include "proxy/http/forwarded.h"
#include "routing/rule.h"

namespace hybridge {

// Of a rule: kRuleLimited. The answer, whatever it is, tells how much is left.
Result<void> apply_limit(Exchange& exchange, const Rule& rule, const RuleLimit& limit);

// Of the configuration (rate_limits): kRateLimited.
Result<void> apply_configured_limits(Exchange& exchange);

// Adds to the answer's fields what the limits said: RateLimit-Policy (what is allowed) and RateLimit (how much of it is
// left, and for how long), of draft-ietf-httpapi-ratelimit-headers-10. Views into the worker's limit_scratch().
void tell_limit(Exchange& exchange, std::vector<http::ExtraHeader>& headers);

}  // namespace hybridge
