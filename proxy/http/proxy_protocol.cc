#include "proxy/http/proxy_protocol.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

constexpr std::string_view kPrefix1 = "PROXY";
constexpr std::size_t kMost1 = 107;
constexpr std::string_view kPrefix2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixed2 = 16;
constexpr std::size_t kMost2 = 4096;

Error bad(std::string detail) {
  return make_error(Reason::kBadProxyHeader, "PROXY header: " + std::move(detail));
}

bool parse_address(std::string_view text, int family, sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.empty() || text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  text.copy(copy.data(), text.size());
  address = {};
  address.ss_family = static_cast<sa_family_t>(family);
  void* bytes = family == AF_INET ? static_cast<void*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr)
                                  : static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr);
  return inet_pton(family, copy.data(), bytes) == 1;
}

void set_port(sockaddr_storage& address, std::uint16_t port) {
  if (address.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  }
}

bool parse_port(std::string_view text, sockaddr_storage& address) {
  unsigned port = 0;
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return false;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port > 65535) return false;
  set_port(address, static_cast<std::uint16_t>(port));
  return true;
}

std::string_view take_word(std::string_view& line) {
  const auto space = line.find(' ');
  const auto word = line.substr(0, space);
  line = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
  return word;
}

// `PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n`
Result<ProxyHeader> parse_version1(std::string_view bytes) {
  ProxyHeader header;
  const auto cr = bytes.substr(0, kMost1).find('\r');
  const auto known = bytes.substr(0, std::min(cr, kMost1));
  if (known.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) return bad("a line without CR LF");
  if (cr == std::string_view::npos) {
    if (bytes.size() >= kMost1) return bad("longer than 107 bytes");
    return header;
  }
  if (cr + 1 == kMost1) return bad("longer than 107 bytes");
  if (cr + 1 == bytes.size()) return header;
  if (bytes[cr + 1] != '\n') return bad("a CR without its LF");
  header.state = ProxyHeader::State::kComplete;
  header.bytes = cr + 2;
  auto line = bytes.substr(0, cr);
  if (take_word(line) != kPrefix1) return bad("the first word is not PROXY");
  const auto protocol = take_word(line);
  if (protocol == "UNKNOWN") return header;  // the rest of the line is to be ignored
  if (protocol != "TCP4" && protocol != "TCP6") return bad("protocol " + excerpt(protocol));
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const auto source = take_word(line);
  const auto destination = take_word(line);
  if (!parse_address(source, family, header.source) || !parse_address(destination, family, header.destination)) {
    return bad("addresses " + excerpt(source) + " and " + excerpt(destination) + " are not two of " +
               std::string(protocol));
  }
  const auto source_port = take_word(line);
  if (!parse_port(source_port, header.source) || !parse_port(line, header.destination)) {
    return bad("ports " + excerpt(source_port) + " and " + excerpt(line) + " are not two numbers up to 65535");
  }
  header.has_addresses = true;
  return header;
}

std::uint16_t read_be16(const char* at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(at[0]) << 8 | static_cast<unsigned char>(at[1]));
}

void read_address(const char* at, int family, const char* port, sockaddr_storage& address) {
  address = {};
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    std::memcpy(&reinterpret_cast<sockaddr_in&>(address).sin_addr, at, 4);
  } else {
    std::memcpy(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr, at, 16);
  }
  set_port(address, read_be16(port));
}

// Type, length, value after the addresses: not used here, but a header whose pieces do not fit is not believed.
bool are_extensions_whole(std::string_view rest) {
  while (!rest.empty()) {
    if (rest.size() < 3) return false;
    const std::size_t length = read_be16(rest.data() + 1);
    if (rest.size() - 3 < length) return false;
    rest.remove_prefix(3 + length);
  }
  return true;
}

Result<ProxyHeader> parse_version2(std::string_view bytes) {
  ProxyHeader header;
  if (bytes.size() > 12) {
    const auto version = static_cast<unsigned char>(bytes[12]);
    if (version >> 4 != 2) return bad("version " + std::to_string(version >> 4) + " in a binary header; 2 is known");
    if ((version & 15) > 1) return bad("command " + std::to_string(version & 15) + "; LOCAL and PROXY are known");
  }
  if (bytes.size() < kFixed2) return header;
  const std::size_t length = read_be16(bytes.data() + 14);
  if (kFixed2 + length > kMost2) return bad("longer than 4 KiB");
  if (bytes.size() < kFixed2 + length) return header;
  header.state = ProxyHeader::State::kComplete;
  header.bytes = kFixed2 + length;
  if ((bytes[12] & 15) == 0) return header;  // LOCAL: a health check of the balancer
  const auto kind = static_cast<unsigned char>(bytes[13]);
  const auto rest = bytes.substr(kFixed2, length);
  if (kind == 0x00 || kind == 0x31) return header;  // UNSPEC, and Unix stream sockets, which have no port
  if (kind != 0x11 && kind != 0x21) return bad("family and transport " + std::to_string(kind) + "; TCP is known");
  const int family = kind == 0x11 ? AF_INET : AF_INET6;
  const std::size_t address_bytes = family == AF_INET ? 4 : 16;
  const std::size_t block = 2 * address_bytes + 4;
  if (length < block) return bad("too short for its addresses");
  read_address(rest.data(), family, rest.data() + 2 * address_bytes, header.source);
  read_address(rest.data() + address_bytes, family, rest.data() + 2 * address_bytes + 2, header.destination);
  if (!are_extensions_whole(rest.substr(block))) return bad("its extensions do not fit its length");
  header.has_addresses = true;
  return header;
}

// Do the bytes and the prefix agree as far as both go?
bool may_begin_with(std::string_view bytes, std::string_view prefix) {
  const auto both = std::min(bytes.size(), prefix.size());
  return bytes.substr(0, both) == prefix.substr(0, both);
}

}  // namespace

Result<ProxyHeader> parse_proxy_header(std::string_view bytes) {
  if (may_begin_with(bytes, kPrefix1)) {
    return bytes.size() > kPrefix1.size() ? parse_version1(bytes) : Result<ProxyHeader>{ProxyHeader{}};
  }
  if (may_begin_with(bytes, kPrefix2)) {
    return bytes.size() > kPrefix2.size() ? parse_version2(bytes) : Result<ProxyHeader>{ProxyHeader{}};
  }
  ProxyHeader absent;
  absent.state = ProxyHeader::State::kAbsent;
  return absent;
}

}  // namespace hybridge::http
