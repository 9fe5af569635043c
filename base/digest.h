// Digests, over OpenSSL: of names that dashboards know by their hash, of tokens, of certificates. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hybridge {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
std::string sha512_hex(std::string_view bytes);  // 128 lower-case digits

std::string to_hex(std::span<const std::uint8_t> bytes);  // lower-case

}  // namespace hybridge
