// What nghttp2 calls while it reads and writes for an Http2Session (its user data). Nothing of ours is run from there
// but the writing of output: what happened is noted, and told when nghttp2 has returned. For the codec of this folder.
#pragma once

#include <nghttp2/nghttp2.h>

#include "proxy/http/http2_session.h"

namespace hybridge::http {

inline constexpr std::string_view kOfEnded = "frames of streams that have ended";

const nghttp2_session_callbacks* http2_callbacks();
const nghttp2_option* http2_options();

// The body of an answer, as far as its stream has it at hand.
nghttp2_data_provider http2_body(Http2SessionStream& stream);

}  // namespace hybridge::http
