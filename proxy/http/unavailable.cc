#include "proxy/http/unavailable.h"

#include <boost/json.hpp>

#include <algorithm>
#include <optional>
#include <string>

#include "proxy/http/content_decoder.h"

namespace hybridge::http {

namespace {
constexpr std::string_view kSessionStopped = "SessionStopped";
constexpr std::string_view kInReadOnlyMode = "InReadOnlyMode";

// RFC 6838 4.2.8: a suffix of +json is JSON too.
bool is_json(std::string_view content_type) {
  auto type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  constexpr std::string_view kSuffix = "+json";
  return equal_ignoring_case(type, "application/json") ||
         (type.size() > kSuffix.size() && equal_ignoring_case(type.substr(type.size() - kSuffix.size()), kSuffix));
}

// The object that the body is; null where it is none.
boost::json::value parse_object(const ResponseHead& head, std::string_view body) {
  if (!is_json(head.headers.value(HeaderId::kContentType)) || head.headers.count(HeaderId::kContentEncoding) > 1) {
    return nullptr;
  }
  const auto plain = decode_content(head.headers.value(HeaderId::kContentEncoding), body, kInspectedBytes);
  if (!plain) return nullptr;
  boost::system::error_code fault;
  auto value = boost::json::parse(*plain, fault);
  if (fault || !value.is_object()) return nullptr;
  return value;
}

std::string_view text_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view{};
}

Unavailable of_type(std::string_view type) {
  if (type == kSessionStopped) return Unavailable::kSessionStopped;
  return type == kInReadOnlyMode ? Unavailable::kReadOnly : Unavailable::kOther;
}
}  // namespace

Unavailable read_unavailable(const ResponseHead& head, std::string_view body) {
  const auto document = parse_object(head, body);
  if (!document.is_object()) return Unavailable::kOther;
  const auto& object = document.get_object();
  if (object.contains("exc_type")) return of_type(text_of(object, "exc_type"));
  const auto* list = object.if_contains("errors");
  const auto* errors = list ? list->if_array() : nullptr;
  if (!errors || errors->empty()) return Unavailable::kOther;
  // One that is something else means that something else has happened, too.
  std::optional<Unavailable> all;
  for (const auto& error : *errors) {
    const auto* one = error.if_object();
    const auto kind = one ? of_type(text_of(*one, "type")) : Unavailable::kOther;
    if (kind == Unavailable::kReadOnly) return kind;
    all = all && *all != kind ? Unavailable::kOther : kind;
  }
  return *all;
}

Ping read_ping(const ResponseHead& head, std::string_view body) {
  switch (head.status) {
    case 200: {
      const auto document = parse_object(head, body);
      const bool is_pong = document.is_object() && text_of(document.get_object(), "message") == "pong";
      return is_pong ? Ping::kPong : Ping::kOtherwise;
    }
    case 503:
      return read_unavailable(head, body) == Unavailable::kSessionStopped ? Ping::kStopped : Ping::kOtherwise;
    case 404:
    case 502:
    case 504:
      return Ping::kNoAnswer;
    default:
      return Ping::kOtherwise;
  }
}

}  // namespace hybridge::http
