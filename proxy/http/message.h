// The heads of requests and responses, as values: version-neutral, so that HTTP/1 and HTTP/2 fill the same ones.
//
// A head owns the bytes its views point into and is reused from request to request, so that a warm connection
// allocates nothing. Views are valid until the head is parsed into again or cleared. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/header_id.h"

namespace hybridge::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kPatch, kConnect, kTrace, kOther };

// RFC 9110 9.2.1, as far as requests are repeated or dropped for it: GET, HEAD, OPTIONS.
constexpr bool is_safe(Method method) {
  return method == Method::kGet || method == Method::kHead || method == Method::kOptions;
}
Method to_method(std::string_view name);

enum class Version : std::uint8_t { kHttp10, kHttp11, kHttp2 };
std::string_view to_string(Version version);  // "HTTP/1.1", as access logs print it

struct Header {
  std::string_view name;   // as received
  std::string_view value;  // without surrounding white space
  HeaderId id = HeaderId::kOther;
};

// Fields in the order received; the first of each known name is found without a search.
class Headers {
 public:
  Headers() { first_.fill(kNone); }
  void add(std::string_view name, std::string_view value) { add(Header{name, value, to_header_id(name)}); }
  void add(const Header& header) {
    auto& first = first_[static_cast<std::size_t>(header.id)];
    if (first == kNone) first = static_cast<std::uint16_t>(fields_.size());
    fields_.push_back(header);
  }
  void clear();

  const Header* find(HeaderId id) const {  // the first; nullptr: none
    const auto at = first_[static_cast<std::size_t>(id)];
    return at == kNone ? nullptr : &fields_[at];
  }
  std::string_view value(HeaderId id) const {  // of the first; empty: none
    const auto* header = find(id);
    return header ? header->value : std::string_view{};
  }
  bool has(HeaderId id) const { return find(id) != nullptr; }
  std::size_t count(HeaderId id) const;
  // Removes every field for which the predicate is true; keeps the order of the rest.
  template <class Predicate>
  void remove_if(Predicate predicate) {
    std::erase_if(fields_, predicate);
    index();
  }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  void index();

  std::vector<Header> fields_;
  std::array<std::uint16_t, static_cast<std::size_t>(HeaderId::kCount_)> first_;
};

// How the end of a body is known. RFC 9112 6.3.
struct Framing {
  enum class Kind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  // of kLength, bytes

  bool has_body() const { return kind != Kind::kNone && !(kind == Kind::kLength && length == 0); }
  friend bool operator==(const Framing&, const Framing&) = default;
};

struct RequestHead {
  Method method = Method::kOther;
  Version version = Version::kHttp11;
  std::string_view method_name;  // as sent: methods are case-sensitive
  std::string_view target;       // as sent, but origin-form: of an absolute-form target only path and query
  std::string_view authority;    // Host as sent, with port (of an absolute-form target: its authority)
  std::string_view host;         // lower-case, without port, without trailing dot; IPv6 in brackets
  Headers headers;
  Framing framing;
  std::string_view upgrade;       // the protocol of an Upgrade that Connection names; empty: none
  bool keep_alive = true;         // the client's wish, by version and Connection
  bool expects_continue = false;  // Expect: 100-continue, and HTTP/1.1 or later

  std::string_view path() const { return target.substr(0, target.find('?')); }

  void clear();
  std::string bytes;       // what the views above point into
  std::string lower_host;  // what `host` points into
};

struct ResponseHead {
  int status = 0;
  Version version = Version::kHttp11;
  std::string_view phrase;
  Headers headers;
  Framing framing;
  // As declared, also where no body follows (HEAD, 304), so that it can be passed on.
  std::optional<std::uint64_t> content_length;
  bool keep_alive = true;                // the upstream's wish, by version and Connection
  std::uint32_t keep_alive_seconds = 0;  // Keep-Alive: timeout=; 0: not said

  bool is_informational() const { return status >= 100 && status < 200; }

  void clear();
  std::string bytes;
};

// The standard phrase of a status (RFC 9110 15); "" when unknown.
std::string_view status_phrase(int status);

// Does a comma-separated list (Connection, Transfer-Encoding, …) hold the token? Case-blind.
bool list_contains(std::string_view list, std::string_view token);
bool equal_ignoring_case_of_same_size(std::string_view a, std::string_view b);  // only of two that are as long
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {       // mostly the sizes tell
  return a.size() == b.size() && equal_ignoring_case_of_same_size(a, b);
}

}  // namespace hybridge::http
