// The story of a request, from its checked head to its log line; and the answers that are ours.
#pragma once

#include "base/error.h"
#include "base/task.h"
#include "proxy/exchange.h"

namespace hybridge {

// Answers the request, whatever becomes of it, and accounts for it: exactly one log line and one set of counters.
Task<void> serve(Worker& worker, Stream& stream, const Entrance& entrance);

// Tells the client how its request ended, when nobody has told it anything yet: a redirect, a page, problem+json. When
// a response has already begun, the stream is reset, so that nobody takes it for complete.
Task<void> answer(Exchange& exchange, const Error& error);

}  // namespace hybridge
