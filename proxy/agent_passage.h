// A call to a server's agent on its way through: whoever keeps windows is told of it before it is forwarded, and of its
// answer (holds.md, trigger B; decisions.md 32).
#pragma once

#include "base/error.h"
#include "base/task.h"
#include "proxy/exchange.h"

namespace hybridge {

// forward() for an exchange whose `onward` is set. A call that stops a site waits, a few seconds at most, until the
// site's requests are held and its own have ended. Errors: forward()'s, and those of the body of a call that has to be
// read.
Task<Result<void>> forward_agent_call(Exchange& exchange);

}  // namespace hybridge
