#include "base/host_name.h"

#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <optional>

namespace hybridge {

namespace {
constexpr std::string_view kAllowed = "letters, digits and hyphen between dots";

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool parses_as(int family, std::string_view text) {
  std::array<char, 64> terminated{};  // inet_pton wants a C string
  if (text.empty() || text.size() >= terminated.size()) return false;
  if (text.find('\0') != std::string_view::npos) return false;
  std::memcpy(terminated.data(), text.data(), text.size());
  std::array<unsigned char, 16> address;
  return ::inet_pton(family, terminated.data(), address.data()) == 1;
}

// What is wrong with a lower-case name; nothing: it is one.
std::optional<std::string> fault_of(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > kMaxHostName) return "it has " + std::to_string(name.size()) + " bytes, the most is 253";
  std::size_t label = 0;  // begin of the label under way
  for (std::size_t at = 0; at <= name.size(); ++at) {
    if (at < name.size() && name[at] != '.') {
      const char c = name[at];
      if (is_name_char(c)) continue;
      if (static_cast<unsigned char>(c) >= 0x80) return "it is not ASCII (write the xn-- form)";
      if (c == '*') return "a star stands only first, before a dot";
      if (c == ':') return "a port or an IPv6 address does not belong here";
      return in_quotes(name.substr(at, 1)) + " does not belong in it (" + std::string(kAllowed) + ")";
    }
    const auto length = at - label;
    if (length == 0) return "a label is empty (" + std::string(kAllowed) + ")";
    if (length > kMaxLabel) return "a label has " + std::to_string(length) + " bytes, the most is 63";
    if (name[label] == '-' || name[at - 1] == '-') return "a label begins or ends with a hyphen";
    label = at + 1;
  }
  // RFC 1123 2.1: what ends in a number is an address; a wrong one must not pass as a name.
  const auto last = name.substr(name.rfind('.') == std::string_view::npos ? 0 : name.rfind('.') + 1);
  if (last.find_first_not_of("0123456789") == std::string_view::npos && !is_ipv4_literal(name)) {
    return "it ends in a number but is no IPv4 address";
  }
  return std::nullopt;
}

std::string lowered(std::string_view text) {
  std::string name(text);
  for (auto& c : name) c = to_lower(c);
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

Error not_a(std::string_view what, std::string_view text, const std::string& fault) {
  return make_error(Reason::kInvalid, in_quotes(text) + " is not a " + std::string(what) + ": " + fault);
}
}  // namespace

Result<std::string> normalize_host_name(std::string_view text) {
  auto name = lowered(text);
  if (auto fault = fault_of(name)) return not_a("host name", text, *fault);
  return name;
}

Result<std::string> normalize_host_pattern(std::string_view text) {
  if (!is_host_pattern(text)) return normalize_host_name(text);
  const auto suffix = lowered(text.substr(2));
  const auto name = "*." + suffix;
  if (auto fault = fault_of(suffix)) return not_a("host pattern", text, *fault);
  if (is_ipv4_literal(suffix)) return not_a("host pattern", text, "an address has no names below it");
  if (name.size() > kMaxHostName) return not_a("host pattern", text, "it has more than 253 bytes");
  return name;
}

Result<std::string> normalize_endpoint_address(std::string_view text) {
  auto bare = text;
  if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') bare = bare.substr(1, bare.size() - 2);
  if (is_ipv6_literal(bare)) return lowered(bare);
  auto name = lowered(text);
  if (auto fault = fault_of(name)) return not_a("host name or IP address", text, *fault);
  return name;
}

bool is_normal_host_name(std::string_view text) {
  for (const char c : text) {
    if (c != to_lower(c)) return false;
  }
  return !fault_of(text);
}

bool is_host_pattern(std::string_view text) {
  return text.starts_with("*.");
}

bool is_ipv4_literal(std::string_view text) {
  return parses_as(AF_INET, text);
}

bool is_ipv6_literal(std::string_view text) {
  return parses_as(AF_INET6, text);
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += text.size() > kShown ? "…\"" : "\"";
  return out;
}

}  // namespace hybridge
