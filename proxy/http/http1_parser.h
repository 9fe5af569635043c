// HTTP/1 heads: where they end, and what they say. Strict by construction: what RFC 9112 lets a recipient repair is
// refused, so that no upstream can read the same bytes another way (request smuggling). Bytes in, values out.
//
// A parser of our own instead of llhttp, which every distribution has: one pass over a complete head gives views,
// header ids and framing at once, each refusal says exactly what is wrong, and there are no leniencies to close behind
// it. llhttp is the judge instead: what this parser accepts, llhttp in strict mode must accept with the same meaning
// (tests/proxy/http/llhttp_differential_test.cc, tests/fuzz/http1_fuzz.cc).
#pragma once

#include <string_view>

#include "base/error.h"
#include "proxy/http/message.h"

namespace hybridge::http {

struct HeadLimits {
  std::size_t target_bytes = 16 * 1024;  // request target
  std::size_t head_bytes = 32 * 1024;    // start line and header fields with their line ends
  std::size_t headers = 100;             // fields
};

// Finds the end of a head in bytes that arrive piece by piece; each byte is looked at once.
class HeadScanner {
 public:
  // `bytes`: all bytes since the head began (the earlier ones unchanged). Returns the head's length including its
  // empty line, or 0 when more is needed. Errors as soon as they are sure: a bare LF (kBadHeader or
  // kBadRequestLine), NUL, a head that outgrows the limits (kTargetTooLong while in the first line,
  // kHeaderTooLarge, kTooManyHeaders). The same verdict however the bytes were cut. RFC 9112 2.2: one CRLF before a
  // request line is passed over by the caller (who then resets the scanner); an empty first line is refused here.
  Result<std::size_t> scan(std::string_view bytes, const HeadLimits& limits);
  void reset() { *this = {}; }

 private:
  std::size_t line_begin_ = 0;
  std::size_t scanned_ = 0;
  std::size_t lines_ = 0;
};

// `bytes` is one complete head as HeadScanner delimits it; they are copied into head.bytes, which the views point
// into. Errors: kBadRequestLine, kBadTarget, kVersionNotSupported, kMethodNotAllowed (CONNECT, TRACE), kBadHeader,
// kBadHost, kBadFraming, kExpectationFailed, kTargetTooLong, kHeaderTooLarge, kTooManyHeaders; the detail names the
// fault and what would be right.
// After an error `head` holds what was understood so far (for the log): method, target, host may be empty.
Result<void> parse_request_head(RequestHead& head, std::string_view bytes, const HeadLimits& limits);

// A response to a request of `method`; the framing follows RFC 9112 6.3 (HEAD, 1xx, 204 and 304 have no body).
// Errors: kUpstreamMalformed (with the fault named), kUpstreamHeadTooLarge.
Result<void> parse_response_head(ResponseHead& head, std::string_view bytes, Method method, const HeadLimits& limits);

// The faults of HeadScanner and BodyDecoder, when it was the upstream's bytes that they read: kUpstreamHeadTooLarge
// or kUpstreamMalformed, with the detail kept.
Error as_upstream_fault(Error error);

}  // namespace hybridge::http
