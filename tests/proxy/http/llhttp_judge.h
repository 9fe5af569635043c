// llhttp in strict mode as the judge of our parser: what ours accepts, llhttp must accept with the same meaning. The
// other way round nothing is asked, ours is the stricter one. For the differential test and the fuzz target.
//
// Where llhttp knows less than RFC 9110 and 9112 it is given an equivalent head: a method it does not know becomes GET,
// bytes above 0x7f in a target become x, a minor version above 1 becomes 1, tabs in fields
// become spaces (white space alike in RFC 9110 5.6.3, but llhttp takes it for part of a length, coding or option);
// chunk extensions are left out, as llhttp 8 cannot read two of which the first has a value.
#pragma once

#include <llhttp.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/http/body_decoder.h"
#include "proxy/http/characters.h"
#include "proxy/http/http1_parser.h"

namespace hybridge::http::test {

class Judge {
 public:
  Judge(llhttp_type_t type, bool has_no_body) : has_no_body_(has_no_body) {
    llhttp_settings_init(&settings_);
    settings_.on_url = [](llhttp_t* p, const char* at, std::size_t n) { return self(p).append(self(p).url, at, n); };
    settings_.on_header_field = [](llhttp_t* p, const char* at, std::size_t n) {
      return self(p).append(self(p).name_, at, n);
    };
    settings_.on_header_value = [](llhttp_t* p, const char* at, std::size_t n) {
      return self(p).append(self(p).value_, at, n);
    };
    settings_.on_header_value_complete = [](llhttp_t* p) { return self(p).end_field(); };
    settings_.on_headers_complete = [](llhttp_t* p) { return self(p).end_head(); };
    settings_.on_body = [](llhttp_t* p, const char* at, std::size_t n) { return self(p).append(self(p).body, at, n); };
    settings_.on_message_complete = [](llhttp_t* p) {
      self(p).is_message_complete = true;
      return static_cast<int>(HPE_PAUSED);
    };
    llhttp_init(&parser_, type, &settings_);
    parser_.data = this;
  }
  Judge(const Judge&) = delete;

  // "" or what llhttp says against the bytes.
  std::string feed(std::string_view bytes) {
    const auto outcome = llhttp_execute(&parser_, bytes.data(), bytes.size());
    if (outcome == HPE_OK || outcome == HPE_PAUSED || outcome == HPE_PAUSED_UPGRADE) return {};
    return std::string(llhttp_errno_name(outcome)) + ": " + llhttp_get_error_reason(&parser_);
  }

  const llhttp_t& parser() const { return parser_; }

  std::string url;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  bool is_head_complete = false;
  bool is_message_complete = false;
  bool keeps_alive = false;
  bool is_chunked = false;
  bool has_length = false;
  bool is_upgrade = false;
  std::uint64_t length = 0;

 private:
  static Judge& self(llhttp_t* parser) { return *static_cast<Judge*>(parser->data); }
  int append(std::string& to, const char* at, std::size_t bytes) {
    to.append(at, bytes);
    return 0;
  }
  int end_field() {
    fields.emplace_back(name_, trim(value_));
    name_.clear();
    value_.clear();
    return 0;
  }
  int end_head() {
    is_head_complete = true;
    keeps_alive = llhttp_should_keep_alive(&parser_) != 0;
    is_chunked = (parser_.flags & F_CHUNKED) != 0;
    has_length = (parser_.flags & F_CONTENT_LENGTH) != 0;
    length = parser_.content_length;  // counts down from here on
    is_upgrade = parser_.upgrade != 0;
    return has_no_body_ ? 1 : 0;
  }

  llhttp_t parser_;
  llhttp_settings_t settings_;
  bool has_no_body_;
  std::string name_;
  std::string value_;
};

inline std::string without_tabs(std::string_view bytes) {
  std::string copy(bytes);
  std::replace(copy.begin(), copy.end(), '\t', ' ');
  return copy;
}

inline std::string in_ascii(std::string_view bytes) {
  std::string copy(bytes);
  for (char& c : copy) {
    if (static_cast<unsigned char>(c) >= 0x80) c = 'x';
  }
  return copy;
}

inline std::string compare_fields(const Headers& headers, const Judge& judge) {
  if (headers.size() != judge.fields.size()) return "another number of fields";
  std::size_t i = 0;
  for (const auto& header : headers) {
    const auto& [name, value] = judge.fields[i++];
    if (header.name != name) return "field " + std::string(header.name) + " is " + name + " for llhttp";
    if (without_tabs(header.value) != value) return "value of " + name + " is " + value + " for llhttp";
  }
  return {};
}

inline std::string compare_framing(const Framing& framing, const Judge& judge) {
  const bool is_chunked = framing.kind == Framing::Kind::kChunked;
  const bool has_length = framing.kind == Framing::Kind::kLength;
  if (is_chunked != judge.is_chunked) return "chunked for one of both";
  if (has_length != judge.has_length) return "a length for one of both";
  if (has_length && framing.length != judge.length) return "length " + std::to_string(judge.length) + " for llhttp";
  return {};
}

// "" or how llhttp reads the request otherwise than `head`, which our parser made of `bytes`.
inline std::string disagreement(const RequestHead& head, std::string_view bytes) {
  std::string target(bytes.substr(head.method_name.size() + 1));
  target.resize(target.find(' '));
  target = in_ascii(target);
  const auto line_end = bytes.find("\r\n");
  const auto method = head.method == Method::kOther ? std::string("GET") : std::string(head.method_name);
  const auto* version = head.version == Version::kHttp10 ? " HTTP/1.0" : " HTTP/1.1";
  Judge judge(HTTP_REQUEST, false);
  const auto fields = without_tabs(bytes.substr(line_end));
  if (auto fault = judge.feed(method + " " + target + version + fields); !fault.empty()) return fault;
  if (!judge.is_head_complete) return "the head is not complete for llhttp";
  if (llhttp_method_name(static_cast<llhttp_method_t>(judge.parser().method)) != method) return "another method";
  if (judge.url != target) return "target " + judge.url + " for llhttp";
  if (auto fault = compare_fields(head.headers, judge); !fault.empty()) return fault;
  if (auto fault = compare_framing(head.framing, judge); !fault.empty()) return fault;
  if (head.keep_alive && !judge.keeps_alive) return "kept alive by us alone";
  if (!head.upgrade.empty() && !judge.is_upgrade) return "an upgrade for us alone";
  return {};
}

inline std::string disagreement(const ResponseHead& head, std::string_view bytes) {
  const bool has_no_body = head.framing.kind == Framing::Kind::kNone;
  auto copy = without_tabs(bytes);
  if (copy[7] > '1') copy[7] = '1';
  Judge judge(HTTP_RESPONSE, has_no_body && !head.is_informational());  // llhttp leaves HEAD, 204, 304 to its user
  if (auto fault = judge.feed(copy); !fault.empty()) return fault;
  if (!judge.is_head_complete) return "the head is not complete for llhttp";
  if (judge.parser().status_code != head.status) return "another status";
  if (auto fault = compare_fields(head.headers, judge); !fault.empty()) return fault;
  if (has_no_body && !judge.is_message_complete && !judge.is_upgrade) return "no body for us alone";
  if (!has_no_body) {
    if (auto fault = compare_framing(head.framing, judge); !fault.empty()) return fault;
  }
  if (head.keep_alive && !judge.keeps_alive && !has_no_body) return "kept alive by us alone";
  return {};
}

// Decodes `bytes` after a head that says chunked: "" or how llhttp reads them otherwise. What our decoder refuses or
// waits for is not compared, nor are trailer fields: ours end here, llhttp refuses those that speak of framing.
inline std::string chunked_disagreement(std::string_view bytes) {
  BodyDecoder decoder;
  decoder.start({Framing::Kind::kChunked, 0});
  std::string body;
  std::string copy;
  std::size_t data_end = 0;
  bool is_extension = false;  // for our decoder no CR is part of one
  const auto add_framing = [&](std::string_view framing) {
    for (const char c : framing) {
      if (c == ';' || c == '\r') is_extension = c == ';';
      if (!is_extension) copy += c;
    }
  };
  while (!decoder.is_done()) {
    const auto step = decoder.next(bytes);
    if (!step || step->consumed == 0) return {};
    const auto taken = bytes.substr(0, step->consumed);
    bytes.remove_prefix(step->consumed);
    const auto at = step->data.empty() ? taken.size() : static_cast<std::size_t>(step->data.data() - taken.data());
    add_framing(taken.substr(0, at));
    if (step->data.empty()) continue;
    body += step->data;
    copy += step->data;
    data_end = copy.size() + 2;  // and its CR LF
    add_framing(taken.substr(at + step->data.size()));
  }
  const auto trailers = copy.find("\r\n", data_end) + 2;
  Judge judge(HTTP_REQUEST, false);
  judge.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  if (auto fault = judge.feed(copy.substr(0, trailers) + "\r\n"); !fault.empty()) return fault;
  if (!judge.is_message_complete) return "the body is not complete for llhttp";
  if (judge.body != body) return "another body for llhttp";
  return {};
}

}  // namespace hybridge::http::test
