// Our parser and llhttp side by side: over mutations of real heads (every byte replaced, removed, doubled), whatever
// ours accepts, llhttp in strict mode must accept and read the same way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"
#include "tests/proxy/http/llhttp_judge.h"

namespace hybridge::http {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kRequests[] = {
    "GET /a/b.c?d=%20e HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive\r\nAccept: */*\r\nX-Y:z \r\n\r\n",
    "POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    "PUT / HTTP/1.0\r\nHost: [::1]:80\r\nContent-Length:0\r\nConnection: Keep-Alive, x\r\n\r\n",
    "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
};
constexpr std::string_view kResponses[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n",
    "HTTP/1.0 301 Moved\r\nLocation: http://x/\r\n\r\n",
    "HTTP/1.1 204\r\nSet-Cookie: a=b\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
};
constexpr std::string_view kBodies[] = {
    "5\r\nhello\r\n0\r\n\r\n"sv,
    "A;x=y\r\n0123456789\r\n1\r\nz\r\n00\r\nX: y\r\n\r\n"sv,
    "1;a=\"b c\";d\r\nz\r\n0;e\r\nA: b\r\nC: d\r\n\r\n"sv,
};
// What smugglers and broken clients put where it does not belong.
constexpr std::string_view kInserts[] = {" "sv,        "\t"sv, "\r"sv,   "\n"sv,     "\0"sv, "\r\n"sv, ":"sv,
                                         ","sv,        ";"sv,  "\x7f"sv, "\x80"sv,   "\v"sv, "#"sv,    "0"sv,
                                         "a"sv,        "-"sv,  "+"sv,    "\""sv,     "/"sv,  "%"sv,    "\r\n "sv,
                                         "\r\n\r\n"sv, "\\"sv, "@"sv,    "chunked"sv};

template <class Check>
void for_each_mutation(std::string_view bytes, Check check) {
  check(std::string(bytes));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string mutant(bytes);
      mutant[at] = static_cast<char>(byte);
      check(mutant);
    }
    check(std::string(bytes.substr(0, at)) + std::string(bytes.substr(at + 1)));
    for (const auto insert : kInserts) {
      check(std::string(bytes.substr(0, at)) + std::string(insert) + std::string(bytes.substr(at)));
    }
  }
}

TEST(Differential, LlhttpReadsAcceptedRequestsTheSameWay) {
  std::size_t accepted = 0;
  std::size_t refused = 0;
  RequestHead head;
  for (const auto request : kRequests) {
    for_each_mutation(request, [&](const std::string& bytes) {
      const auto scanned = HeadScanner{}.scan(bytes, {});
      if (!scanned || *scanned == 0 || !parse_request_head(head, std::string_view(bytes).substr(0, *scanned), {})) {
        ++refused;
        return;
      }
      ++accepted;
      EXPECT_EQ(test::disagreement(head, std::string_view(bytes).substr(0, *scanned)), "")
          << testing::PrintToString(bytes);
    });
  }
  EXPECT_GT(accepted, 10000u);  // the test would prove nothing if all mutants were refused
  EXPECT_GT(refused, 10000u);
}

TEST(Differential, LlhttpReadsAcceptedResponsesTheSameWay) {
  std::size_t accepted = 0;
  ResponseHead head;
  for (const auto response : kResponses) {
    for (const auto method : {Method::kGet, Method::kHead}) {
      for_each_mutation(response, [&](const std::string& bytes) {
        const auto scanned = HeadScanner{}.scan(bytes, {});
        if (!scanned || *scanned == 0) return;
        const auto whole = std::string_view(bytes).substr(0, *scanned);
        if (!parse_response_head(head, whole, method, {})) return;
        ++accepted;
        EXPECT_EQ(test::disagreement(head, whole), "") << testing::PrintToString(bytes);
      });
    }
  }
  EXPECT_GT(accepted, 10000u);
}

TEST(Differential, LlhttpReadsAcceptedChunksTheSameWay) {
  for (const auto body : kBodies) {
    for_each_mutation(body, [&](const std::string& bytes) {
      EXPECT_EQ(test::chunked_disagreement(bytes), "") << testing::PrintToString(bytes);
    });
  }
}

}  // namespace
}  // namespace hybridge::http
