// An IP address and port as a value, and networks in CIDR notation.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hybridge {

class Address {
 public:
  Address() = default;                                                      // unspecified
  static Address from_sockaddr(const sockaddr* address, socklen_t length);  // IPv4-mapped IPv6 becomes IPv4
  // `203.0.113.7`, `2001:db8::1` or `[2001:db8::1]`; kInvalid: not an address.
  static Result<Address> parse(std::string_view ip, std::uint16_t port);
  // `203.0.113.7:80`, `[::1]:80`.
  static Result<Address> parse_with_port(std::string_view text);
  static Address unix_peer();  // of a Unix socket: has no address to speak of

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.generic.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;
  bool is_any() const;         // 0.0.0.0 or [::]: all addresses of the machine
  std::uint16_t port() const;  // 0: none
  Address with_port(std::uint16_t port) const;

  std::string ip() const;         // textual, without port or brackets; "unix:" of a Unix socket
  std::string to_string() const;  // with port
  // The address's 16 bytes (IPv4 as ::ffff:a.b.c.d), for comparing and hashing; IPv6 cut to /64 when asked, because
  // one client owns that much.
  std::array<std::uint8_t, 16> key(bool cut_to_64 = false) const;

  friend bool operator==(const Address& a, const Address& b);

 private:
  union {
    sockaddr generic{};
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
  socklen_t size_ = 0;
};

// `203.0.113.0/24`, `2001:db8::/32`, or a single address.
class Network {
 public:
  static Result<Network> parse(std::string_view text);
  bool contains(const Address& address) const;

  friend bool operator==(const Network&, const Network&) = default;

 private:
  std::array<std::uint8_t, 16> base_{};
  unsigned bits_ = 0;  // of the 128
};

}  // namespace hybridge
