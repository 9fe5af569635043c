#include "proxy/http/message.h"

#include <algorithm>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

}  // namespace

Method to_method(std::string_view name) {
  switch (name.size()) {
    case 3:
      if (name == "GET") return Method::kGet;
      if (name == "PUT") return Method::kPut;
      break;
    case 4:
      if (name == "POST") return Method::kPost;
      if (name == "HEAD") return Method::kHead;
      break;
    case 5:
      if (name == "PATCH") return Method::kPatch;
      if (name == "TRACE") return Method::kTrace;
      break;
    case 6:
      if (name == "DELETE") return Method::kDelete;
      break;
    case 7:
      if (name == "OPTIONS") return Method::kOptions;
      if (name == "CONNECT") return Method::kConnect;
      break;
    default:
      break;
  }
  return Method::kOther;
}

std::string_view to_string(Version version) {
  switch (version) {
    case Version::kHttp10:
      return "HTTP/1.0";
    case Version::kHttp2:
      return "HTTP/2.0";
    case Version::kHttp11:
      break;
  }
  return "HTTP/1.1";
}

void Headers::clear() {
  fields_.clear();
  first_.fill(kNone);
}

std::size_t Headers::count(HeaderId id) const {
  const auto at = first_[static_cast<std::size_t>(id)];
  if (at == kNone) return 0;
  return static_cast<std::size_t>(
      std::count_if(fields_.begin() + at, fields_.end(), [id](const Header& header) { return header.id == id; }));
}

void Headers::index() {
  first_.fill(kNone);
  for (std::size_t i = fields_.size(); i-- > 0;) {
    first_[static_cast<std::size_t>(fields_[i].id)] = static_cast<std::uint16_t>(i);
  }
}

void RequestHead::clear() {
  method = Method::kOther;
  version = Version::kHttp11;
  method_name = target = authority = host = upgrade = {};
  headers.clear();
  framing = {};
  keep_alive = true;
  expects_continue = false;
  bytes.clear();
  lower_host.clear();
}

void ResponseHead::clear() {
  status = 0;
  version = Version::kHttp11;
  phrase = {};
  headers.clear();
  framing = {};
  content_length.reset();
  keep_alive = true;
  keep_alive_seconds = 0;
  bytes.clear();
}

bool equal_ignoring_case_of_same_size(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool list_contains(std::string_view list, std::string_view token) {
  bool found = false;
  for_each_member(list, [&](std::string_view member) { found = found || equal_ignoring_case(member, token); });
  return found;
}

}  // namespace hybridge::http
