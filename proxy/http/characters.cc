#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kExcerptBytes = 64;
}  // namespace

std::string excerpt(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kExcerptBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += text.size() > kExcerptBytes ? "\"..." : "\"";
  return out;
}

std::string excerpt(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte > 0x20 && byte < 0x7f) return {'\'', c, '\''};
  return {'0', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

}  // namespace hybridge::http
