// Who passes a closed gate to try the site before others do: by address, or by a token that the owner of the window
// gave out, in a cookie or a header field. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/hold_terms.h"

namespace hybridge {

class Exchange;

inline constexpr std::string_view kPreviewCookie = "hybridge_preview";
inline constexpr std::string_view kPreviewHeader = "X-Hybridge-Preview";

bool is_preview(const Exchange& exchange, const HoldTerms& terms);

// `<id>.<expires>.<HMAC-SHA256 of both, hexadecimal>`: opens the gates of that window until then (Unix seconds).
std::string make_preview_token(std::string_view secret, std::string_view hold_id, std::int64_t expires);
bool is_preview_token(std::string_view secret, std::string_view token, std::string_view hold_id, std::int64_t now);

}  // namespace hybridge
