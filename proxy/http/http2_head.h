// A request's head as HTTP/2 sends it, field by field, made into the same value that HTTP/1 makes, by the same checks:
// RFC 9113 8.2 and 8.3, without leniency, so that no upstream can read the HTTP/1.1 that comes of it another way.
//
// Owned by a stream of a session; one head at a time, reused from request to request. Every field of a block is to be
// given to it even after a fault, because the session's decoder needs them; it keeps nothing of what follows one.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/message.h"

namespace hybridge::http {

// RFC 9218 4.
struct Http2Priority {
  std::uint8_t urgency = 3;  // 0: the most urgent, 7: background
  bool is_incremental = false;

  friend bool operator==(const Http2Priority&, const Http2Priority&) = default;
};
// The members `u` and `i` of a Priority field; what cannot be read is passed over.
Http2Priority parse_priority(std::string_view value);

class Http2HeadReader {
 public:
  // Fields go into `head`, which is cleared and must outlive finish().
  void begin(RequestHead& head, const HeadLimits& limits);
  void add(std::string_view name, std::string_view value);

  // The block is complete; `ends_stream`: no body follows. Errors: kBadRequestLine (pseudo-header fields missing,
  // repeated, unknown, misplaced, malformed), kBadHeader (upper case, control characters, white space around a value,
  // fields of a connection, `te` but trailers), kBadHost (none, more than one, differing from :authority),
  // kBadFraming, kBadTarget, kMethodNotAllowed (CONNECT but for WebSockets, TRACE), kExpectationFailed,
  // kTargetTooLong, kHeaderTooLarge, kTooManyHeaders. After an error `head` holds what was understood, for the log.
  //
  // RFC 8441: CONNECT with :protocol websocket becomes the GET with Upgrade that HTTP/1.1 knows, with a key of ours.
  Result<void> finish(bool ends_stream);

  std::size_t bytes() const { return bytes_; }  // of the block, decoded, whatever was kept of it
  const Http2Priority& priority() const { return priority_; }

  // A malformed message in the sense of RFC 9113 8.1.1: its stream ends with PROTOCOL_ERROR, whatever is answered.
  static bool is_malformed(Reason reason) {
    return reason == Reason::kBadRequestLine || reason == Reason::kBadHeader || reason == Reason::kBadFraming;
  }

 private:
  // Within head.bytes, which may move while it grows.
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  struct Field {
    Span name;
    Span value;
  };
  enum Pseudo : std::uint8_t { kMethod, kScheme, kAuthority, kPath, kProtocol, kPseudoCount };

  void fail(Reason reason, std::string detail);
  bool is_within_limits(std::string_view name, std::string_view value);
  void add_pseudo(std::string_view name, std::string_view value);
  void add_regular(std::string_view name, std::string_view value);
  Span keep(std::string_view text);
  std::string_view text_of(Span span) const;
  std::string_view pseudo(Pseudo which) const { return text_of(pseudo_[which]); }
  bool has(Pseudo which) const { return (seen_ >> which & 1) != 0; }
  void give_fields();
  Result<void> check_request_line();
  Result<void> begin_websocket();
  Result<void> check_host();
  Result<void> check_framing(bool ends_stream);

  RequestHead* head_ = nullptr;
  const HeadLimits* limits_ = nullptr;
  std::vector<Field> fields_;
  Span pseudo_[kPseudoCount] = {};
  Span websocket_key_ = {};
  std::uint8_t seen_ = 0;  // a bit a pseudo-header field
  bool is_behind_pseudo_ = false;
  std::size_t bytes_ = 0;
  std::optional<Error> fault_;
  Http2Priority priority_;
};

}  // namespace hybridge::http
