#include "proxy/http/http1_parser.h"

#include <algorithm>
#include <cstring>

#include "proxy/http/characters.h"
#include "proxy/http/field_block.h"
#include "proxy/http/request_check.h"

namespace hybridge::http {

namespace {

// What a request line holds beside its target: a method, two spaces, the version, CRLF.
constexpr std::size_t kRequestLineRest = 64 + 1 + 1 + 8 + 2;
constexpr std::string_view kVersionPrefix = "HTTP/";

Error bad_line(std::string detail) {
  return make_error(Reason::kBadRequestLine, std::move(detail));
}
Error bad_framing(std::string detail) {
  return make_error(Reason::kBadFraming, std::move(detail));
}
Error malformed(std::string detail) {
  return make_error(Reason::kUpstreamMalformed, std::move(detail));
}
Error too_long(const HeadLimits& limits) {
  return make_error(Reason::kTargetTooLong, "the request target is longer than limits.target_bytes (" +
                                                std::to_string(limits.target_bytes) + " bytes)");
}
Error too_large(const HeadLimits& limits) {
  return make_error(Reason::kHeaderTooLarge,
                    "the head is larger than limits.header_bytes (" + std::to_string(limits.head_bytes) + " bytes)");
}

bool is_version(std::string_view text) {  // RFC 9112 2.3: case-sensitive, one digit each
  return text.size() == 8 && text.starts_with(kVersionPrefix) && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

// `GET /path HTTP/1.1` without its line end; fills method, target (as sent), version.
Result<void> parse_request_line(RequestHead& head, std::string_view line, const HeadLimits& limits) {
  const auto method_end = line.find(' ');
  if (method_end == std::string_view::npos) {
    return bad_line("the request line has no spaces; it is METHOD TARGET HTTP/1.1");
  }
  head.method_name = line.substr(0, method_end);
  head.method = to_method(head.method_name);
  line.remove_prefix(method_end + 1);
  const auto target_end = line.find(' ');
  head.target = line.substr(0, target_end);
  if (head.target.size() > limits.target_bytes) return too_long(limits);
  if (target_end == std::string_view::npos) return bad_line("the request line has no version; it ends with HTTP/1.1");
  const auto version = line.substr(target_end + 1);
  if (head.target.empty() || !is_version(version)) {
    return bad_line("the request line is not METHOD TARGET HTTP/1.1 with one space between: version " +
                    excerpt(version));
  }
  if (version[5] == '0') return bad_line("HTTP/0.9 is not spoken here");
  if (version[5] != '1') {
    return make_error(Reason::kVersionNotSupported,
                      std::string(version) + " is not spoken here; HTTP/1.1 and HTTP/1.0 are");
  }
  head.version = version[7] == '0' ? Version::kHttp10 : Version::kHttp11;  // RFC 9110 2.5: a higher minor is ours
  return check_method(head.method_name, head.method);
}

// Of an absolute-form target (RFC 9112 3.2.2): the authority; head.target becomes the rest. Works in head.bytes,
// where a target without a path gets its slash by moving the authority over one of the scheme's.
Result<std::string_view> split_absolute(RequestHead& head) {
  const bool is_https = head.target.size() > 8 && equal_ignoring_case(head.target.substr(0, 8), "https://");
  const bool is_http = head.target.size() > 7 && equal_ignoring_case(head.target.substr(0, 7), "http://");
  if (!is_https && !is_http) {
    return make_error(Reason::kBadTarget,
                      "the target " + excerpt(head.target) + " is neither a path nor an http or https URL");
  }
  const auto begin = static_cast<std::size_t>(head.target.data() - head.bytes.data()) + (is_https ? 8 : 7);
  const auto end = begin + head.target.size() - (is_https ? 8 : 7);
  const auto authority_end = std::min(end, head.bytes.find_first_of("/?", begin));
  char* bytes = head.bytes.data();
  if (authority_end != end && bytes[authority_end] == '/') {
    head.target = {bytes + authority_end, end - authority_end};
    return std::string_view(bytes + begin, authority_end - begin);
  }
  std::memmove(bytes + begin - 1, bytes + begin, authority_end - begin);
  bytes[authority_end - 1] = '/';
  head.target = {bytes + authority_end - 1, end - authority_end + 1};
  // RFC 9112 3.2.4: OPTIONS of a URL without path or query is about the server.
  if (head.method == Method::kOptions && head.target == "/") head.target = "*";
  return std::string_view(bytes + begin - 1, authority_end - begin);
}

Result<void> check_host(RequestHead& head, std::string_view absolute_authority, bool is_https,
                        const FieldFacts& facts) {
  if (facts.hosts == 0) return make_error(Reason::kBadHost, "the Host field is missing");
  if (facts.hosts > 1) return make_error(Reason::kBadHost, "there is more than one Host field");
  const auto host_field = head.headers.value(HeaderId::kHost);
  if (auto set = set_authority(head, host_field); !set) return set;
  if (absolute_authority.data() == nullptr) return {};
  const auto is_same = is_same_authority(host_field, absolute_authority, is_https);
  if (!is_same) return make_error(Reason::kBadTarget, "in the target: " + is_same.error().detail);
  if (!*is_same) {
    return make_error(Reason::kBadHost, "Host is " + excerpt(host_field) + " but the target says " +
                                            excerpt(absolute_authority) + "; they must agree");
  }
  head.authority = absolute_authority;
  return {};
}

// RFC 9112 6.3, without the repairs it permits.
Result<void> check_request_framing(RequestHead& head, const FieldFacts& facts) {
  if (facts.transfer_encodings != 0) {
    if (facts.content_lengths != 0) {
      return bad_framing("there are both Content-Length and Transfer-Encoding; only one may say where the body ends");
    }
    if (head.version == Version::kHttp10) return bad_framing("HTTP/1.0 has no Transfer-Encoding");
    const auto coding = head.headers.value(HeaderId::kTransferEncoding);
    if (facts.transfer_encodings != 1 || !equal_ignoring_case(coding, "chunked")) {
      return bad_framing("Transfer-Encoding " + excerpt(coding) + " is not accepted; it is exactly one `chunked`");
    }
    head.framing = {Framing::Kind::kChunked, 0};
  } else if (facts.content_lengths != 0) {
    if (facts.content_lengths != 1) return bad_framing("there is more than one Content-Length field");
    auto length = parse_content_length(head.headers.value(HeaderId::kContentLength));
    if (!length) return bad_framing(length.error().detail);
    head.framing = {Framing::Kind::kLength, *length};
  }
  return {};
}

bool is_protocol_list(std::string_view list) {  // 1#( token [ "/" token ] ), and none that begins HTTP/2 in cleartext
  bool good = !trim(list).empty();
  for_each_member(list, [&](std::string_view protocol) {
    const auto slash = protocol.find('/');
    good = good && is_token(protocol.substr(0, slash)) &&
           (slash == std::string_view::npos || is_token(protocol.substr(slash + 1))) &&
           !equal_ignoring_case(protocol, "h2c") && !equal_ignoring_case(protocol.substr(0, slash), "h2c");
  });
  return good;
}

// An Upgrade that may become a tunnel; any other is ignored, as RFC 9110 7.8 lets a server do. A request with a body
// is none: where its body ends and the other protocol begins would be a second framing to agree on.
void find_upgrade(RequestHead& head, const FieldFacts& facts) {
  if (!facts.names_upgrade || facts.upgrades != 1 || head.version != Version::kHttp11) return;
  const auto protocol = head.headers.value(HeaderId::kUpgrade);
  if (is_protocol_list(protocol) && !head.framing.has_body()) head.upgrade = protocol;
}

}  // namespace

Result<std::size_t> HeadScanner::scan(std::string_view bytes, const HeadLimits& limits) {
  const auto fault = [&](std::string detail) {
    return make_error(lines_ == 0 ? Reason::kBadRequestLine : Reason::kBadHeader, std::move(detail));
  };
  // Nothing beyond the limit is looked at, so that the verdict does not depend on how the bytes were cut.
  const auto first_line_limit = std::min(limits.head_bytes, limits.target_bytes + kRequestLineRest);
  const char* const begin = bytes.data();
  for (;;) {
    const auto limit = lines_ == 0 ? first_line_limit : limits.head_bytes;
    const char* const end = begin + std::min(bytes.size(), limit);
    const char* const at = find_control(begin + scanned_, end);
    scanned_ = static_cast<std::size_t>(at - begin);
    if (at != end && *at == '\n') return fault("a line ends with LF alone; it ends with CR LF");
    if (at != end && *at != '\r') return fault("the head has the control byte " + excerpt(*at));
    if (end - at < 2) {  // the line has no end here: nothing, or a CR whose LF is still to come
      if (bytes.size() < limit) return std::size_t{0};
      return lines_ == 0 ? too_long(limits) : too_large(limits);
    }
    if (at[1] != '\n') return fault("a CR stands without its LF");
    const bool is_empty = scanned_ == line_begin_;
    scanned_ += 2;
    if (is_empty && lines_ > 0) return scanned_;
    if (is_empty) return fault("the first line is empty");
    line_begin_ = scanned_;
    if (lines_++ > limits.headers) {
      return make_error(Reason::kTooManyHeaders,
                        "there are more fields than limits.headers (" + std::to_string(limits.headers) + ")");
    }
  }
}

Result<void> parse_request_head(RequestHead& head, std::string_view bytes, const HeadLimits& limits) {
  head.clear();
  const bool is_too_large = bytes.size() > limits.head_bytes;
  head.bytes.assign(bytes.substr(0, limits.head_bytes));
  const std::string_view all = head.bytes;
  const auto line_end = static_cast<std::size_t>(find_control(all.data(), all.data() + all.size()) - all.data());
  if (!all.substr(line_end).starts_with("\r\n")) {
    if (is_too_large) return too_large(limits);
    if (line_end == all.size()) return bad_line("the request line does not end");
    return bad_line("the request line has the control byte " + excerpt(all[line_end]));
  }
  if (auto parsed = parse_request_line(head, all.substr(0, line_end), limits); !parsed) return parsed;
  if (is_too_large) return too_large(limits);

  const bool is_https = (head.target.front() | 0x20) == 'h' && head.target.size() > 4 && (head.target[4] | 0x20) == 's';
  std::string_view absolute_authority;
  if (head.target.front() != '/' && head.target != "*") {
    auto authority = split_absolute(head);
    if (!authority) return authority.error();
    absolute_authority = *authority;
  }
  if (auto checked = check_target(head.target, head.method); !checked) return checked;

  FieldFacts facts;
  const FieldRules rules{Reason::kBadHeader, Reason::kTooManyHeaders, limits.headers};
  if (auto parsed = parse_fields(head.headers, facts, all.substr(line_end + 2), rules); !parsed) return parsed;
  head.keep_alive =
      head.version == Version::kHttp11 ? !facts.names_close : facts.names_keep_alive && !facts.names_close;
  if (auto checked = check_host(head, absolute_authority, is_https, facts); !checked) return checked;
  if (auto checked = check_request_framing(head, facts); !checked) return checked;
  if (facts.expects != 0) {
    if (auto checked = check_expect(head); !checked) return checked;
  }
  if (facts.upgrades != 0) find_upgrade(head, facts);
  return {};
}

namespace {

Result<void> parse_status_line(ResponseHead& head, std::string_view line) {
  if (line.size() < 12 || !is_version(line.substr(0, 8)) || line[5] != '1' || line[8] != ' ') {
    return malformed("the status line " + excerpt(line) + " does not begin with HTTP/1.1 and a status");
  }
  head.version = line[7] == '0' ? Version::kHttp10 : Version::kHttp11;
  const auto digits = line.substr(9, 3);
  if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]) || digits[0] == '0') {
    return malformed("the status " + excerpt(digits) + " is not three digits from 100 to 999");
  }
  if (line.size() > 12 && line[12] != ' ') return malformed("the status has more than three digits");
  head.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  // The grammar wants a space even before an empty phrase; servers exist that leave both away.
  if (line.size() > 13) head.phrase = line.substr(13);
  return {};
}

Result<void> check_response_framing(ResponseHead& head, Method method, const FieldFacts& facts) {
  if (facts.transfer_encodings != 0 && facts.content_lengths != 0) {
    return malformed("there are both Content-Length and Transfer-Encoding");
  }
  if (facts.transfer_encodings != 0) {
    const auto coding = head.headers.value(HeaderId::kTransferEncoding);
    if (head.version == Version::kHttp10) return malformed("HTTP/1.0 has no Transfer-Encoding");
    if (facts.transfer_encodings != 1 || !equal_ignoring_case(coding, "chunked")) {
      return malformed("Transfer-Encoding " + excerpt(coding) + " is not exactly one `chunked`");
    }
  }
  if (facts.content_lengths > 1) return malformed("there is more than one Content-Length field");
  if (facts.content_lengths == 1) {
    auto length = parse_content_length(head.headers.value(HeaderId::kContentLength));
    if (!length) return malformed(length.error().detail);
    head.content_length = *length;
  }
  const bool has_framing = facts.transfer_encodings != 0 || head.content_length.value_or(0) != 0;
  if (head.is_informational()) {
    // RFC 9110 8.6, RFC 9112 6.1: neither may be sent. Here it would shift where the final response begins.
    if (has_framing) return malformed("an informational response declares a body");
    return {};
  }
  if (method == Method::kHead || head.status == 204 || head.status == 304) {
    // A 204 that declares a body may be followed by one: its connection cannot be used again.
    if (head.status == 204 && has_framing) head.keep_alive = false;
    return {};
  }
  if (facts.transfer_encodings != 0) {
    head.framing = {Framing::Kind::kChunked, 0};
  } else if (head.content_length) {
    head.framing = {Framing::Kind::kLength, *head.content_length};
  } else {
    head.framing = {Framing::Kind::kUntilClose, 0};
    head.keep_alive = false;
  }
  return {};
}

// The number after `timeout=` in Keep-Alive; 0: none that can be read.
std::uint32_t keep_alive_timeout(std::string_view value) {
  std::uint32_t seconds = 0;
  for_each_member(value, [&](std::string_view parameter) {
    constexpr std::string_view kName = "timeout=";
    if (parameter.size() <= kName.size() || !equal_ignoring_case(parameter.substr(0, kName.size()), kName)) return;
    const auto digits = parameter.substr(kName.size());
    if (digits.size() > 9) return;
    std::uint32_t number = 0;
    for (const char c : digits) {
      if (!is_digit(c)) return;
      number = number * 10 + static_cast<std::uint32_t>(c - '0');
    }
    seconds = number;
  });
  return seconds;
}

}  // namespace

Result<void> parse_response_head(ResponseHead& head, std::string_view bytes, Method method, const HeadLimits& limits) {
  head.clear();
  if (bytes.size() > limits.head_bytes) return as_upstream_fault(too_large(limits));
  head.bytes.assign(bytes);
  const std::string_view all = head.bytes;
  const auto line_end = static_cast<std::size_t>(find_control(all.data(), all.data() + all.size()) - all.data());
  if (!all.substr(line_end).starts_with("\r\n")) return malformed("the status line does not end with CR LF");
  if (auto parsed = parse_status_line(head, all.substr(0, line_end)); !parsed) return parsed;

  FieldFacts facts;
  const FieldRules rules{Reason::kUpstreamMalformed, Reason::kUpstreamHeadTooLarge, limits.headers};
  if (auto parsed = parse_fields(head.headers, facts, all.substr(line_end + 2), rules); !parsed) return parsed;
  head.keep_alive =
      head.version == Version::kHttp11 ? !facts.names_close : facts.names_keep_alive && !facts.names_close;
  head.keep_alive_seconds = keep_alive_timeout(head.headers.value(HeaderId::kKeepAlive));
  return check_response_framing(head, method, facts);
}

Error as_upstream_fault(Error error) {
  const bool is_large = error.reason == Reason::kTargetTooLong || error.reason == Reason::kHeaderTooLarge ||
                        error.reason == Reason::kTooManyHeaders || error.reason == Reason::kUpstreamHeadTooLarge;
  error.reason = is_large ? Reason::kUpstreamHeadTooLarge : Reason::kUpstreamMalformed;
  if (is_large) error.detail = "the server's head is larger than limits.upstream_header_bytes, or has too many fields";
  return error;
}

}  // namespace hybridge::http
