#include "proxy/http/request_check.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

constexpr std::size_t kMethodBytes = 64;
constexpr std::size_t kHostBytes = 253;  // RFC 1035 2.3.4, as text without the root's dot

Error bad_target(std::string detail) {
  return make_error(Reason::kBadTarget, std::move(detail));
}
Error bad_host(std::string detail) {
  return make_error(Reason::kBadHost, std::move(detail));
}

// Follows a path's segments as the strictest upstream would: escapes decoded, empty segments passed over.
class PathWalk {
 public:
  bool take(char c) {  // false: above the root
    if (c == '/') return end_segment();
    ++(c == '.' ? dots_ : others_);
    return true;
  }
  bool end_segment() {
    const bool up = dots_ == 2 && others_ == 0;
    const bool stay = others_ == 0 && dots_ < 2;
    dots_ = others_ = 0;
    if (up) return --depth_ >= 0;
    if (!stay) ++depth_;
    return true;
  }

 private:
  int depth_ = 0;
  std::size_t dots_ = 0;
  std::size_t others_ = 0;
};

Result<void> check_path(std::string_view path) {
  PathWalk walk;
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      if (path.size() - i < 3 || !is_a(path[i + 1], kHexDigit) || !is_a(path[i + 2], kHexDigit)) {
        return bad_target("the path has " + excerpt(path.substr(i, 3)) + "; % is followed by two hexadecimal digits");
      }
      c = static_cast<char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
      if (c == '\0') return bad_target("the path has %00; an escaped NUL is not allowed");
      i += 2;
    }
    if (!walk.take(c)) return bad_target("the path climbs above its root with '..'");
  }
  if (!walk.end_segment()) return bad_target("the path climbs above its root with '..'");
  return {};
}

bool is_ipv6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  in6_addr address;
  if (text.empty() || text.size() >= copy.size()) return false;
  text.copy(copy.data(), text.size());
  // A NUL inside would end the copy early; no such byte is hexadecimal, ':' or '.'.
  if (text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
  return inet_pton(AF_INET6, copy.data(), &address) == 1;
}

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  for (const char c : text.substr(0, 5)) {
    if (!is_digit(c)) return bad_host("the port " + excerpt(text) + " is not a number");
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (text.empty() || text.size() > 5 || text.front() == '0' || port > 65535) {
    return bad_host("the port " + excerpt(text) + " is not one of 1 to 65535");
  }
  return static_cast<std::uint16_t>(port);
}

Result<void> check_name(std::string_view name) {
  if (name.empty()) return bad_host("the host is empty");
  if (name.size() > kHostBytes) return bad_host("the host has more than 253 bytes");
  char before = '.';
  for (const char c : name) {
    if (!is_a(c, kHostCharacter)) {
      return bad_host("the host has " + excerpt(c) + "; a host name has letters, digits, hyphens and dots");
    }
    if (c == '.' && before == '.') return bad_host("the host " + excerpt(name) + " has an empty label");
    before = c;
  }
  if (before == '.') return bad_host("the host " + excerpt(name) + " has an empty label");
  return {};
}

}  // namespace

Result<void> check_method(std::string_view name, Method method) {
  if (method == Method::kConnect || method == Method::kTrace) {
    return make_error(Reason::kMethodNotAllowed, std::string(name) + " is not allowed here");
  }
  if (method != Method::kOther) return {};
  if (!is_token(name)) {
    return make_error(Reason::kBadRequestLine,
                      "the method " + excerpt(name) + " is not a token (letters, digits, !#$%&'*+-.^_`|~)");
  }
  if (name.size() > kMethodBytes) return make_error(Reason::kBadRequestLine, "the method has more than 64 bytes");
  return {};
}

Result<void> check_target(std::string_view target, Method method) {
  if (target == "*") {
    if (method == Method::kOptions) return {};
    return bad_target("the target * is for OPTIONS only");
  }
  if (target.empty() || target.front() != '/') {
    return bad_target("the target " + excerpt(target) + " does not begin with a slash");
  }
  std::uint8_t shared = kTargetCharacter;
  for (const char c : target) shared &= kCharacters[static_cast<unsigned char>(c)];
  if (shared == 0) {
    const auto* bad = std::find_if_not(target.begin(), target.end(), [](char c) { return is_a(c, kTargetCharacter); });
    return bad_target("the target has the byte " + excerpt(*bad));
  }
  const auto path = target.substr(0, target.find('?'));
  // Only an escape or a segment that begins with a dot can hide something.
  const bool is_plain = path.find('%') == std::string_view::npos && path.find("/.") == std::string_view::npos;
  return is_plain ? Result<void>{} : check_path(path);
}

Result<Authority> parse_authority(std::string_view text) {
  Authority authority;
  if (text.empty()) return bad_host("the host is empty");
  if (text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) {
      return bad_host("the host " + excerpt(text) + " is not an IPv6 address in brackets");
    }
    authority.host = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return bad_host("after the host's bracket only :port may follow");
  } else {
    const auto colon = text.find(':');
    authority.host = text.substr(0, colon);
    text.remove_prefix(authority.host.size());
    if (authority.host.size() > 1 && authority.host.back() == '.') authority.host.remove_suffix(1);
    if (auto checked = check_name(authority.host); !checked) return checked.error();
  }
  if (!text.empty()) {
    auto port = parse_port(text.substr(1));
    if (!port) return port.error();
    authority.port = *port;
  }
  return authority;
}

Result<void> set_authority(RequestHead& head, std::string_view text) {
  auto authority = parse_authority(text);
  if (!authority) return authority.error();
  head.authority = text;
  head.lower_host.assign(authority->host);
  for (char& c : head.lower_host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  head.host = head.lower_host;
  return {};
}

Result<bool> is_same_authority(std::string_view one, std::string_view other, bool is_https) {
  const auto first = parse_authority(one);
  if (!first) return first.error();
  const auto second = parse_authority(other);
  if (!second) return second.error();
  const std::uint16_t usual = is_https ? 443 : 80;
  const auto port = [usual](const Authority& authority) { return authority.port != 0 ? authority.port : usual; };
  return equal_ignoring_case(first->host, second->host) && port(*first) == port(*second);
}

Result<void> check_expect(RequestHead& head) {
  if (head.version == Version::kHttp10) return {};  // RFC 9110 10.1.1: ignored
  for (const auto& header : head.headers) {
    if (header.id == HeaderId::kExpect && !equal_ignoring_case(header.value, "100-continue")) {
      return make_error(Reason::kExpectationFailed,
                        "Expect " + excerpt(header.value) + " cannot be met; only 100-continue can");
    }
  }
  head.expects_continue = head.framing.has_body();  // without a body there is nothing to continue with
  return {};
}

}  // namespace hybridge::http
