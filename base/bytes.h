// Views of raw bytes, and of text as bytes: what codecs, transports and streams pass to each other.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hybridge {

using Bytes = std::span<const std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace hybridge
