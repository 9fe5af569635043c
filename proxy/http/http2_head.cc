#include "proxy/http/http2_head.h"

#include <array>
#include <utility>

#include "proxy/http/characters.h"
#include "proxy/http/field_block.h"
#include "proxy/http/request_check.h"
#include "proxy/http/websocket.h"

namespace hybridge::http {

namespace {

// What a field costs on an HTTP/1.1 line besides its name and value: the same head shall meet the same limit.
constexpr std::size_t kFieldRest = 4;

constexpr std::array<std::string_view, 5> kPseudoNames = {":method", ":scheme", ":authority", ":path", ":protocol"};

Error bad_line(std::string detail) {
  return make_error(Reason::kBadRequestLine, std::move(detail));
}
Error bad_header(std::string detail) {
  return make_error(Reason::kBadHeader, std::move(detail));
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

// RFC 9113 8.2.1; kOk of a name is ready when nothing is said.
std::string fault_of_name(std::string_view name) {
  for (const char c : name) {
    if (is_upper(c)) return "the field name " + excerpt(name) + " has upper-case letters; in HTTP/2 it has none";
  }
  if (is_token(name)) return {};
  return "the field name " + excerpt(name) + " is not a token (letters, digits, !#$%&'*+-.^_`|~)";
}

std::string fault_of_value(std::string_view name, std::string_view value) {
  const auto* end = value.data() + value.size();
  if (const auto* bad = find_control(value.data(), end); bad != end) {
    return "the field " + excerpt(name) + " has the control byte " + excerpt(*bad);
  }
  if (trim(value).size() != value.size()) return "the value of " + excerpt(name) + " has white space around it";
  return {};
}

// RFC 9113 8.2.2.
bool is_allowed(HeaderId id, std::string_view value) {
  if (id == HeaderId::kTe) return value == "trailers";
  return id == HeaderId::kContentLength || !is_connections_own(id);
}

bool is_websocket_handshake(std::string_view name) {
  return name == "sec-websocket-key" || name == "sec-websocket-accept";
}

}  // namespace

Http2Priority parse_priority(std::string_view value) {
  Http2Priority priority;
  for_each_member(value, [&](std::string_view member) {
    member = member.substr(0, member.find(';'));  // of parameters none are known
    if (member.size() == 3 && member.starts_with("u=") && member[2] >= '0' && member[2] <= '7') {
      priority.urgency = static_cast<std::uint8_t>(member[2] - '0');
    } else if (member == "i" || member == "i=?1") {
      priority.is_incremental = true;
    } else if (member == "i=?0") {
      priority.is_incremental = false;
    }
  });
  return priority;
}

void Http2HeadReader::begin(RequestHead& head, const HeadLimits& limits) {
  head.clear();
  head.version = Version::kHttp2;
  head_ = &head;
  limits_ = &limits;
  fields_.clear();
  for (auto& span : pseudo_) span = {};
  websocket_key_ = {};
  seen_ = 0;
  is_behind_pseudo_ = false;
  bytes_ = 0;
  fault_.reset();
  priority_ = {};
}

void Http2HeadReader::fail(Reason reason, std::string detail) {
  if (!fault_) fault_ = make_error(reason, std::move(detail));
}

bool Http2HeadReader::is_within_limits(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldRest;
  if (fault_) return false;
  if (name == ":path" && value.size() > limits_->target_bytes) {
    fault_ = make_error(Reason::kTargetTooLong, "the request target is longer than limits.target_bytes (" +
                                                    std::to_string(limits_->target_bytes) + " bytes)");
  } else if (bytes_ > limits_->head_bytes) {
    fault_ = make_error(Reason::kHeaderTooLarge, "the head is larger than limits.header_bytes (" +
                                                     std::to_string(limits_->head_bytes) + " bytes)");
  } else if (fields_.size() >= limits_->headers && !name.starts_with(':')) {
    fault_ = make_error(Reason::kTooManyHeaders,
                        "there are more fields than limits.headers (" + std::to_string(limits_->headers) + ")");
  }
  return !fault_;
}

void Http2HeadReader::add(std::string_view name, std::string_view value) {
  if (!is_within_limits(name, value)) return;
  if (name.starts_with(':')) {
    add_pseudo(name, value);
  } else {
    is_behind_pseudo_ = true;
    add_regular(name, value);
  }
}

void Http2HeadReader::add_pseudo(std::string_view name, std::string_view value) {
  std::size_t which = 0;
  while (which < kPseudoNames.size() && kPseudoNames[which] != name) ++which;
  if (which == kPseudoNames.size()) {
    return fail(Reason::kBadRequestLine, "the pseudo-header field " + excerpt(name) + " is none of a request");
  }
  if (is_behind_pseudo_) return fail(Reason::kBadRequestLine, std::string(name) + " comes behind a field");
  if (has(static_cast<Pseudo>(which))) {
    return fail(Reason::kBadRequestLine, "there is more than one " + std::string(name));
  }
  if (auto fault = fault_of_value(name, value); !fault.empty()) return fail(Reason::kBadRequestLine, std::move(fault));
  seen_ = static_cast<std::uint8_t>(seen_ | 1u << which);
  pseudo_[which] = keep(value);
}

void Http2HeadReader::add_regular(std::string_view name, std::string_view value) {
  if (auto fault = fault_of_name(name); !fault.empty()) return fail(Reason::kBadHeader, std::move(fault));
  if (auto fault = fault_of_value(name, value); !fault.empty()) return fail(Reason::kBadHeader, std::move(fault));
  if (!is_allowed(to_header_id(name), value)) {
    return fail(Reason::kBadHeader, "the field " + excerpt(name) + " (" + excerpt(value) +
                                        ") is of a connection of HTTP/1.1; HTTP/2 has none of these");
  }
  if (name == "priority") priority_ = parse_priority(value);
  fields_.push_back({keep(name), keep(value)});
}

Http2HeadReader::Span Http2HeadReader::keep(std::string_view text) {
  auto& bytes = head_->bytes;
  const Span span{static_cast<std::uint32_t>(bytes.size()), static_cast<std::uint32_t>(text.size())};
  bytes.append(text);
  return span;
}

std::string_view Http2HeadReader::text_of(Span span) const {
  return std::string_view(head_->bytes).substr(span.begin, span.size);
}

Result<void> Http2HeadReader::finish(bool ends_stream) {
  // What is appended below moves the bytes: first all of it, then the views.
  const bool is_websocket = !fault_ && has(kProtocol) && pseudo(kMethod) == "CONNECT";
  if (is_websocket) websocket_key_ = keep(make_websocket_key());
  give_fields();
  head_->method_name = pseudo(kMethod);
  head_->method = to_method(head_->method_name);
  head_->target = pseudo(kPath);
  head_->authority = pseudo(kAuthority);
  if (fault_) return *fault_;
  if (auto checked = check_request_line(); !checked) return checked;
  if (auto checked = check_host(); !checked) return checked;
  if (auto checked = check_framing(ends_stream); !checked) return checked;
  if (is_websocket) return begin_websocket();
  return head_->headers.has(HeaderId::kExpect) ? check_expect(*head_) : Result<void>{};
}

// RFC 9113 8.2.3: a cookie may come in pieces; for everybody behind it is one field.
void Http2HeadReader::give_fields() {
  const auto is_cookie = [this](const Field& field) { return text_of(field.name) == "cookie"; };
  Span cookie;
  std::size_t cookies = 0;
  std::size_t cookie_bytes = 0;
  for (const auto& field : fields_) {
    if (!is_cookie(field)) continue;
    ++cookies;
    cookie_bytes += field.value.size + 2;
  }
  if (cookies > 1) {
    auto& bytes = head_->bytes;
    bytes.reserve(bytes.size() + cookie_bytes);  // what is appended comes from the same bytes
    cookie.begin = static_cast<std::uint32_t>(bytes.size());
    for (const auto& field : fields_) {
      if (!is_cookie(field)) continue;
      if (bytes.size() > cookie.begin) bytes.append("; ");
      bytes.append(bytes, field.value.begin, field.value.size);
    }
    cookie.size = static_cast<std::uint32_t>(bytes.size()) - cookie.begin;
  }
  bool has_cookie = false;
  for (const auto& field : fields_) {
    if (cookies > 1 && is_cookie(field)) {
      if (!std::exchange(has_cookie, true)) head_->headers.add(text_of(field.name), text_of(cookie));
    } else if (websocket_key_.size == 0 || !is_websocket_handshake(text_of(field.name))) {
      head_->headers.add(text_of(field.name), text_of(field.value));
    }
  }
  if (websocket_key_.size != 0) head_->headers.add("Sec-WebSocket-Key", text_of(websocket_key_));
}

Result<void> Http2HeadReader::check_request_line() {
  if (!has(kMethod)) return bad_line(":method is missing");
  const bool is_connect = head_->method == Method::kConnect;
  if (is_connect && !has(kProtocol)) return check_method(head_->method_name, head_->method);
  if (!is_connect && has(kProtocol)) return bad_line(":protocol is for CONNECT only");
  for (const auto which : {kScheme, kPath}) {
    if (!has(which) || pseudo(which).empty())
      return bad_line(std::string(kPseudoNames[which]) + " is missing or empty");
  }
  if (pseudo(kScheme) != "https" && pseudo(kScheme) != "http") {
    return bad_line("the :scheme " + excerpt(pseudo(kScheme)) + " is neither https nor http");
  }
  if (!is_connect) {
    if (auto checked = check_method(head_->method_name, head_->method); !checked) return checked;
  }
  return check_target(head_->target, head_->method);
}

// RFC 9113 8.3.1.
Result<void> Http2HeadReader::check_host() {
  const auto hosts = head_->headers.count(HeaderId::kHost);
  if (hosts > 1) return make_error(Reason::kBadHost, "there is more than one host field");
  const auto host = head_->headers.value(HeaderId::kHost);
  if (!has(kAuthority)) {
    if (hosts == 0) return make_error(Reason::kBadHost, "there is neither :authority nor a host field");
    return set_authority(*head_, host);
  }
  if (auto set = set_authority(*head_, pseudo(kAuthority)); !set) return set;
  if (hosts == 0) return {};
  const auto is_same = is_same_authority(host, pseudo(kAuthority), pseudo(kScheme) == "https");
  if (!is_same) return is_same.error();
  if (!*is_same) {
    return make_error(Reason::kBadHost, "host is " + excerpt(host) + " but :authority says " +
                                            excerpt(pseudo(kAuthority)) + "; they must agree");
  }
  return {};
}

Result<void> Http2HeadReader::check_framing(bool ends_stream) {
  const auto lengths = head_->headers.count(HeaderId::kContentLength);
  if (lengths > 1) return make_error(Reason::kBadFraming, "there is more than one content-length field");
  if (lengths == 1) {
    const auto length = parse_content_length(head_->headers.value(HeaderId::kContentLength));
    if (!length) return length.error();
    if (ends_stream && *length != 0) {
      return make_error(Reason::kBadFraming,
                        "the stream ends without a body, but content-length is " + std::to_string(*length));
    }
    head_->framing = {Framing::Kind::kLength, *length};
  } else if (!ends_stream) {
    head_->framing = {Framing::Kind::kChunked, 0};  // its end is the stream's
  }
  return {};
}

// RFC 8441 5.
Result<void> Http2HeadReader::begin_websocket() {
  if (!equal_ignoring_case(pseudo(kProtocol), "websocket")) {
    return make_error(Reason::kMethodNotAllowed,
                      "CONNECT is for the :protocol websocket only, not for " + excerpt(pseudo(kProtocol)));
  }
  if (head_->headers.has(HeaderId::kContentLength)) return bad_header("CONNECT has no content-length");
  head_->method = Method::kGet;
  head_->method_name = "GET";
  head_->framing = {};
  head_->upgrade = "websocket";
  return {};
}

}  // namespace hybridge::http
