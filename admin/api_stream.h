// Between a stream and the answer of an API: reads the call's body, has work done on a background thread while the
// stream's loop turns on, writes the answer. On the loop of the stream; what the call means is not its affair.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "base/error.h"
#include "base/task.h"
#include "proxy/downstream/stream.h"

namespace hybridge {

using ApiWork = std::function<void(Answered)>;

std::string_view field_of(const http::RequestHead& head, std::string_view name);  // "": it is not there

// kBodyTooLarge beyond the limit, else what the stream says.
Task<Result<std::string>> read_body(Stream& stream, std::size_t limit);
Task<void> write_answer(Stream& stream, const ApiAnswer& answer);

// The answer of nobody who refuses: its status is 0.
ApiAnswer admitted();

// Waits, on the stream's loop, for what `work` answers elsewhere.
Task<ApiAnswer> run_on(Executor& executor, ApiWork work, const LoopPost& post);

}  // namespace hybridge
