// Any bytes as a PROXY header. What must hold: the verdict does not depend on how the bytes came; what is accepted says
// the same when it is written again from what was understood; a header is told from a request at its first byte.
#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/proxy_protocol.h"
#include "tests/fuzz/demand.h"

namespace hybridge::http {
namespace {

using test::demand;

std::string ip_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = address.ss_family == AF_INET
                          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(address).sin_addr)
                          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  inet_ntop(address.ss_family, bytes, text.data(), text.size());
  return text.data();
}

std::string port_of(const sockaddr_storage& address) {
  return std::to_string(ntohs(address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                                                           : reinterpret_cast<const sockaddr_in6&>(address).sin6_port));
}

// As version 1, the one that a human could check.
std::string written(const ProxyHeader& header) {
  return std::string("PROXY ") + (header.source.ss_family == AF_INET ? "TCP4 " : "TCP6 ") + ip_of(header.source) + ' ' +
         ip_of(header.destination) + ' ' + port_of(header.source) + ' ' + port_of(header.destination) + "\r\n";
}

void check_pieces(std::string_view bytes, const Result<ProxyHeader>& whole) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = parse_proxy_header(bytes.substr(0, size));
    if (part && part->state == ProxyHeader::State::kIncomplete) continue;
    // Decided on a part: more bytes change nothing.
    demand(part.has_value() == whole.has_value(), "a verdict on a part is the verdict");
    if (!part) return;
    demand(part->state == whole->state && part->bytes == whole->bytes, "and says the same");
    return;
  }
}

void check(std::string_view bytes) {
  const auto header = parse_proxy_header(bytes);
  check_pieces(bytes, header);
  if (!header) return;
  if (header->state == ProxyHeader::State::kAbsent) {
    demand(!bytes.starts_with("PROXY ") && !bytes.starts_with(std::string_view("\r\n\r\n\0\r\nQUIT\n", 12)),
           "what begins as a header is not absent");
    return;
  }
  if (header->state != ProxyHeader::State::kComplete) return;
  demand(header->bytes > 0 && header->bytes <= bytes.size(), "a header is within its bytes");
  const auto more = parse_proxy_header(std::string(bytes.substr(0, header->bytes)) + "GET / HTTP/1.1\r\n");
  demand(more && more->state == ProxyHeader::State::kComplete && more->bytes == header->bytes,
         "what follows is not the header's");
  if (!header->has_addresses) return;
  const auto text = written(*header);
  const auto again = parse_proxy_header(text);
  demand(again && again->state == ProxyHeader::State::kComplete && again->bytes == text.size(), "it can be written");
  demand(written(*again) == text, "and read again");
}

}  // namespace
}  // namespace hybridge::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hybridge::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
