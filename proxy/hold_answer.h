// What a request is told that does not go on while its site is held: a page that reloads itself, or a problem that
// Frappe's desk understands, too; and when to come again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "proxy/http/error_page.h"
#include "proxy/http/message.h"

namespace hybridge {

bool is_hold_answer(Reason reason);

// Spread, so that those who were told at the same time do not come back at the same time. `left`: until the work is
// expected to be done.
std::chrono::seconds retry_after(std::optional<std::chrono::milliseconds> left, std::uint64_t random);

http::Answer make_hold_answer(const http::Pages& pages, const Error& error, bool html, std::string_view request_id,
                              std::chrono::seconds retry_after);

}  // namespace hybridge
