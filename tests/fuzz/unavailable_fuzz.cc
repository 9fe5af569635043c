// The reader of a 503 takes any bytes of a server's, in any coding it may claim, and never grows beyond its limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/http/content_decoder.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/unavailable.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace hybridge::http;
  if (size == 0) return 0;
  constexpr std::string_view kCodings[] = {"", "gzip", "deflate", "x-gzip", "br", "gzip, deflate"};
  const auto coding = kCodings[bytes[0] % std::size(kCodings)];
  const std::string_view body(reinterpret_cast<const char*>(bytes) + 1, size - 1);

  const auto plain = decode_content(coding, body, kInspectedBytes);
  if (plain && plain->size() > kInspectedBytes) std::abort();
  for (const int status : {200, 503}) {
    ResponseHead head;
    const auto text = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
                      (coding.empty() ? "" : "Content-Encoding: " + std::string(coding) + "\r\n") + "\r\n";
    if (!parse_response_head(head, text, Method::kGet, {})) std::abort();
    // What says it stopped must say so in the plain text, too.
    if (read_unavailable(head, body) == Unavailable::kSessionStopped) {
      if (!plain) std::abort();
      if (plain->find("SessionStopped") == std::string::npos && plain->find("\\u") == std::string::npos) std::abort();
    }
    (void)read_ping(head, body);
  }
  return 0;
}
