// Any bytes as a request, a response and a chunked body. What must hold: the verdict does not depend
// on how the bytes were cut; the scanner and the parser agree; llhttp reads what is accepted the same way; what is
// forwarded or answered can be read again and means the same; what the client may not say does not come through.
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/body_decoder.h"
#include "proxy/http/error_page.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/http1_writer.h"
#include "tests/fuzz/demands.h"
#include "tests/proxy/http/llhttp_judge.h"

namespace hybridge::http {
namespace {

constexpr HeadLimits kLimits{.target_bytes = 512, .head_bytes = 2048, .headers = 24};

// The head's length, or 0: none, or refused.
std::size_t scan(std::string_view bytes, std::size_t piece) {
  const auto whole = HeadScanner{}.scan(bytes, kLimits);
  HeadScanner scanner;
  Result<std::size_t> cut = std::size_t{0};
  for (std::size_t n = 0; n < bytes.size() && cut && *cut == 0;) {
    n = std::min(n + piece, bytes.size());
    cut = scanner.scan(bytes.substr(0, n), kLimits);
  }
  demand(cut == whole, "the scanner's verdict is the same however the bytes were cut");
  return whole ? *whole : 0;
}

void fuzz_request(std::string_view bytes, std::size_t piece) {
  const auto end = scan(bytes, piece);
  RequestHead head;
  if (end == 0) {
    demand(!parse_request_head(head, bytes, kLimits), "the parser accepts nothing that the scanner does not");
    return;
  }
  if (!parse_request_head(head, bytes.substr(0, end), kLimits)) return;
  demand_agreement(test::disagreement(head, bytes.substr(0, end)));
  check_forwarded(head);
  (void)wants_html(head);
}

void check_answered(ResponseHead& head, Method method) {
  const auto framing = head.framing;
  apply_response_rules(head, {.server_header = "s", .proxy_upstream = "u", .request_id = "i", .cors_origin = "o"}, "d");
  ConnectionFacts facts{.framing = framing, .keep_alive = head.keep_alive};
  if (head.status == 101) facts.upgrade = "websocket";
  std::string out;
  append_response_head(out, head, facts);
  demand(*HeadScanner{}.scan(out, kWider) == out.size(), "what is answered is one head");
  ResponseHead again;
  const auto parsed = parse_response_head(again, out, method, kWider);
  demand(parsed.has_value(), parsed ? "" : parsed.error().detail);
  demand(again.status == head.status, "the status is kept");
  demand(again.framing.has_body() == framing.has_body(), "the body's presence is kept");
  demand(!framing.has_body() || again.framing == framing, "the framing is kept");
}

void fuzz_response(std::string_view bytes, std::size_t end, Method method) {
  ResponseHead head;
  if (end == 0 || !parse_response_head(head, bytes.substr(0, end), method, kLimits)) return;
  demand_agreement(test::disagreement(head, bytes.substr(0, end)));
  check_answered(head, method);
}

struct Decoded {
  std::string body;
  bool is_done = false;
  bool is_bad = false;
  std::size_t consumed = 0;
};

Decoded decode(std::string_view bytes, std::size_t piece) {
  Decoded decoded;
  BodyDecoder decoder;
  decoder.start({Framing::Kind::kChunked, 0});
  while (!decoder.is_done() && decoded.consumed < bytes.size()) {
    const auto step = decoder.next(bytes.substr(decoded.consumed, piece));
    decoded.is_bad = !step;
    if (!step) return decoded;
    demand(step->consumed > 0 && step->consumed <= piece, "the decoder goes on");
    decoded.consumed += step->consumed;
    decoded.body += step->data;
  }
  decoded.is_done = decoder.is_done();
  return decoded;
}

void fuzz_body(std::string_view bytes, std::size_t piece) {
  const auto whole = decode(bytes, std::max<std::size_t>(bytes.size(), 1));
  const auto cut = decode(bytes, piece);
  demand(cut.is_bad == whole.is_bad && cut.is_done == whole.is_done, "the decoder's verdict is the same in pieces");
  demand(whole.is_bad || (cut.body == whole.body && cut.consumed == whole.consumed), "so is the body");
  demand_agreement(test::chunked_disagreement(bytes));
}

}  // namespace
}  // namespace hybridge::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hybridge::http;
  if (size == 0) return 0;
  // The last byte says how the rest is cut, so that seeds are plain heads.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size - 1);
  const std::size_t piece = data[size - 1] % 16 + 1;
  fuzz_request(bytes, piece);
  const auto end = scan(bytes, piece);
  fuzz_response(bytes, end, Method::kGet);
  fuzz_response(bytes, end, Method::kHead);
  fuzz_body(end == 0 ? bytes : bytes.substr(end), piece);
  return 0;
}
