// Heads: found, parsed and checked, and written anew for the other side.
#include <benchmark/benchmark.h>

#include <string>

#include "proxy/http/forwarded.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/http1_writer.h"

namespace hybridge::http {
namespace {

// As a browser asks for a page of ERPNext: 430 bytes.
const std::string kBrowser =
    "GET /app/todo?status=Open HTTP/1.1\r\nHost: erp.acme.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0\r\n"
    "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
    "Cookie: sid=0123456789abcdef0123456789abcdef0123456789abcdef; system_user=yes; user_id=a%40b.c\r\n"
    "Upgrade-Insecure-Requests: 1\r\n\r\n";

// With the cookies of other services of the same domain: 2 KiB.
const std::string kManyCookies = [] {
  auto head = kBrowser.substr(0, kBrowser.size() - 2) + "X-Frappe-CSRF-Token: 0123456789abcdef\r\nX-Other: ";
  head.append(2048 - head.size() - 4, 'c');
  return head + "\r\n\r\n";
}();

const std::string kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n"
    "Set-Cookie: sid=0123456789abcdef; Expires=Thu, 04 Jan 2024 00:00:00 GMT; HttpOnly; Path=/; SameSite=Lax\r\n"
    "Vary: Accept-Encoding\r\n\r\n";

void scan_and_parse(benchmark::State& state, const std::string& bytes) {
  RequestHead head;
  const HeadLimits limits;
  for (auto _ : state) {
    HeadScanner scanner;
    const auto length = scanner.scan(bytes, limits);
    if (!length || *length != bytes.size() || !parse_request_head(head, bytes, limits)) {
      state.SkipWithError("refused");
    }
    benchmark::DoNotOptimize(head);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void BM_ParseRequestOf430Bytes(benchmark::State& state) {
  scan_and_parse(state, kBrowser);
}
void BM_ParseRequestOf2KiB(benchmark::State& state) {
  scan_and_parse(state, kManyCookies);
}
BENCHMARK(BM_ParseRequestOf430Bytes);
BENCHMARK(BM_ParseRequestOf2KiB);

void BM_ParseResponse(benchmark::State& state) {
  ResponseHead head;
  const HeadLimits limits;
  for (auto _ : state) {
    HeadScanner scanner;
    const auto length = scanner.scan(kAnswer, limits);
    if (!length || !parse_response_head(head, kAnswer, Method::kGet, limits)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(head);
  }
}
BENCHMARK(BM_ParseResponse);

void BM_WriteRequestForTheServer(benchmark::State& state) {
  RequestHead head;
  if (!parse_request_head(head, kBrowser, {})) state.SkipWithError("refused");
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_upstream_request(out, head,
                            {.client_address = "198.51.100.77",
                             .client_port = 41'952,
                             .request_id = "0123456789abcdef0123456789abcdef",
                             .traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"});
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(BM_WriteRequestForTheServer);

void BM_WriteResponseForTheClient(benchmark::State& state) {
  ResponseHead parsed;
  if (!parse_response_head(parsed, kAnswer, Method::kGet, {})) state.SkipWithError("refused");
  ResponseHead head;
  std::string out;
  for (auto _ : state) {
    out.clear();
    head.status = parsed.status;
    head.phrase = parsed.phrase;
    head.headers = parsed.headers;
    head.framing = parsed.framing;
    apply_response_rules(head,
                         {.proxy_upstream = "http://0123456789abcdef",
                          .request_id = "0123456789abcdef0123456789abcdef",
                          .cors_origin = "https://erp.acme.com"},
                         "Mon, 01 Jan 2024 00:00:00 GMT");
    append_response_head(out, head, {});
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(BM_WriteResponseForTheClient);

}  // namespace
}  // namespace hybridge::http
