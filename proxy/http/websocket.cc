#include "proxy/http/websocket.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <span>

namespace hybridge::http {

namespace {
std::string base64(std::span<const unsigned char> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}
}  // namespace

std::string make_websocket_key() {
  std::array<unsigned char, 16> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return base64(bytes);
}

std::string websocket_accept(std::string_view key) {
  constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
  const auto text = std::string(key).append(kGuid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  return base64(std::span(digest).first(length));
}

bool is_websocket_accepted(const RequestHead& request, const ResponseHead& response) {
  const auto wanted = websocket_accept(request.headers.value(HeaderId::kSecWebsocketKey));
  std::size_t count = 0;
  bool is_right = false;
  for (const auto& header : response.headers) {
    if (!equal_ignoring_case(header.name, "sec-websocket-accept")) continue;
    ++count;
    is_right = header.value == wanted;
  }
  return count == 1 && is_right;
}

}  // namespace hybridge::http
