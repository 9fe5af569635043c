// Base64 (RFC 4648 section 4), with its padding. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hybridge {

std::string encode_base64(std::span<const std::uint8_t> bytes);
std::optional<std::string> decode_base64(std::string_view text);  // nullopt: it is none

}  // namespace hybridge
