// What a Frappe site's answer says of the site's state: that it is in maintenance, read-only, or well. Read from the
// body's JSON, never from words that a translation changes. Bytes in, a value out.
//
// In maintenance Frappe raises SessionStopped before it reads a form, authenticates or writes: a request that was
// refused so may be sent again. InReadOnlyMode is raised in the middle of a request, and says no such thing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/http/message.h"

namespace hybridge::http {

inline constexpr std::size_t kInspectedBytes = 64 * 1024;  // of a body, before and after its content coding

enum class Unavailable : std::uint8_t { kOther, kSessionStopped, kReadOnly };

// Of a 503 and its whole body: `exc_type` (version 1 of Frappe's API) or the `type` of every one of `errors` (version
// 2). kOther: says nothing of it, is no JSON, is longer than kInspectedBytes, or in a coding that we do not read.
Unavailable read_unavailable(const ResponseHead& head, std::string_view body);

// What a site answered to `GET /api/method/ping`.
enum class Ping : std::uint8_t {
  kPong,       // 200 and {"message":"pong"}: it works
  kStopped,    // 503 and SessionStopped: it is in maintenance
  kOtherwise,  // it answers, but neither this nor that
  kNoAnswer,   // nobody could be asked: no connection, no answer in time, a gateway's 502 or 504, a 404
};
Ping read_ping(const ResponseHead& head, std::string_view body);

}  // namespace hybridge::http
