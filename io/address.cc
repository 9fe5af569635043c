#include "io/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hybridge {

namespace {
constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_v4_mapped(const in6_addr& address) {
  return std::memcmp(&address, kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}
}  // namespace

Address Address::from_sockaddr(const sockaddr* address, socklen_t length) {
  Address result;
  if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    if (is_v4_mapped(v6.sin6_addr)) {
      result.storage_.v4 = sockaddr_in{};
      result.storage_.v4.sin_family = AF_INET;
      result.storage_.v4.sin_port = v6.sin6_port;
      std::memcpy(&result.storage_.v4.sin_addr, v6.sin6_addr.s6_addr + 12, 4);
      result.size_ = sizeof(sockaddr_in);
    } else {
      result.storage_.v6 = v6;
      result.size_ = sizeof(sockaddr_in6);
    }
  } else if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    std::memcpy(&result.storage_.v4, address, sizeof(sockaddr_in));
    result.size_ = sizeof(sockaddr_in);
  } else {
    result.storage_.generic.sa_family = address->sa_family;
    result.size_ = sizeof(sa_family_t);
  }
  return result;
}

Result<Address> Address::parse(std::string_view ip, std::uint16_t port) {
  std::string text(ip);
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  Address result;
  if (text.find(':') != std::string::npos) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
      return from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
  } else {
    result.storage_.v4 = sockaddr_in{};
    result.storage_.v4.sin_family = AF_INET;
    result.storage_.v4.sin_port = htons(port);
    result.size_ = sizeof(sockaddr_in);
    if (inet_pton(AF_INET, text.c_str(), &result.storage_.v4.sin_addr) == 1) return result;
  }
  return make_error(Reason::kInvalid, "\"" + text + "\" is not an IP address (203.0.113.7 or 2001:db8::1)");
}

Result<Address> Address::parse_with_port(std::string_view text) {
  const auto colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && (text.front() != '[' || text[colon - 1] == ']');
  std::uint16_t port = 0;
  if (has_port) {
    const auto digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error == std::errc{} && end == digits.data() + digits.size()) return parse(text.substr(0, colon), port);
  }
  return make_error(Reason::kInvalid,
                    "\"" + std::string(text) + "\" is not an address with port (203.0.113.7:80 or [2001:db8::1]:80)");
}

Address Address::unix_peer() {
  Address result;
  result.storage_.generic.sa_family = AF_UNIX;
  result.size_ = sizeof(sa_family_t);
  return result;
}

bool Address::is_loopback() const {
  if (family() == AF_INET) return (ntohl(storage_.v4.sin_addr.s_addr) >> 24) == 127;
  if (family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&storage_.v6.sin6_addr);
  return is_unix();
}

bool Address::is_any() const {
  if (family() == AF_INET) return storage_.v4.sin_addr.s_addr == htonl(INADDR_ANY);
  return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&storage_.v6.sin6_addr);
}

std::uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  if (family() == AF_INET6) return ntohs(storage_.v6.sin6_port);
  return 0;
}

Address Address::with_port(std::uint16_t port) const {
  Address result = *this;
  if (family() == AF_INET) result.storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) result.storage_.v6.sin6_port = htons(port);
  return result;
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  if (family() == AF_INET6) inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  if (is_unix()) return "unix:";
  return text;
}

std::string Address::to_string() const {
  if (is_unix()) return "unix:";
  if (family() == AF_INET6) return "[" + ip() + "]:" + std::to_string(port());
  return ip() + ":" + std::to_string(port());
}

std::array<std::uint8_t, 16> Address::key(bool cut_to_64) const {
  std::array<std::uint8_t, 16> result{};
  if (family() == AF_INET) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), result.begin());
    std::memcpy(result.data() + 12, &storage_.v4.sin_addr, 4);
  } else if (family() == AF_INET6) {
    std::memcpy(result.data(), &storage_.v6.sin6_addr, cut_to_64 ? 8 : 16);
  }
  return result;
}

bool operator==(const Address& a, const Address& b) {
  return a.family() == b.family() && a.port() == b.port() && a.key() == b.key();
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto ip = text.substr(0, slash);
  auto address = Address::parse(ip, 0);
  Network network;
  unsigned bits = 0;
  bool is_valid = address.has_value();
  if (is_valid) {
    const bool v4 = address->family() == AF_INET;
    const unsigned width = v4 ? 32 : 128;
    bits = width;
    if (slash != std::string_view::npos) {
      const auto digits = text.substr(slash + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      is_valid = error == std::errc{} && end == digits.data() + digits.size() && bits <= width;
    }
    network.bits_ = bits + (v4 ? 96 : 0);
    network.base_ = address->key();
  }
  if (!is_valid) {
    return make_error(Reason::kInvalid,
                      "\"" + std::string(text) + "\" is not a network (203.0.113.0/24 or 2001:db8::/32)");
  }
  return network;
}

bool Network::contains(const Address& address) const {
  if (address.family() != AF_INET && address.family() != AF_INET6) return false;
  const auto key = address.key();
  const auto whole = bits_ / 8;
  if (!std::equal(key.begin(), key.begin() + whole, base_.begin())) return false;
  const auto rest = bits_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (key[whole] & mask) == (base_[whole] & mask);
}

}  // namespace hybridge
