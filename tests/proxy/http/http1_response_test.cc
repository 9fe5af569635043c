// Responses of upstreams: what is read, and what makes a 502.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using namespace std::string_literals;
using test::parse;
using Kind = Framing::Kind;

TEST(ResponseParser, ReadsAnOrdinaryAnswer) {
  ResponseHead head;
  ASSERT_EQ(parse(head,
                  "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 12\r\n"
                  "Keep-Alive: timeout=10\r\nConnection: keep-alive\r\n\r\n"),
            Reason::kOk);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.phrase, "OK");
  EXPECT_EQ(head.version, Version::kHttp11);
  EXPECT_EQ(head.framing, (Framing{Kind::kLength, 12}));
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.keep_alive_seconds, 10u);
  EXPECT_EQ(head.headers.value(HeaderId::kServer), "nginx");
}

TEST(ResponseParser, ForgetsTheResponseBefore) {
  ResponseHead head;
  ASSERT_EQ(parse(head, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nKeep-Alive: timeout=10\r\n\r\n"), Reason::kOk);
  ASSERT_EQ(parse(head, "HTTP/1.0 404 \r\n\r\n"), Reason::kOk);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.phrase, "");
  EXPECT_EQ(head.headers.size(), 0u);
  EXPECT_FALSE(head.content_length);
  EXPECT_EQ(head.keep_alive_seconds, 0u);
}

struct Case {
  const char* name;
  std::string bytes;
  Method method;
  Framing framing;
  bool keeps;
};
class ResponseFraming : public testing::TestWithParam<Case> {};

TEST_P(ResponseFraming, FollowsTheStandard) {
  ResponseHead head;
  ASSERT_EQ(parse(head, GetParam().bytes, GetParam().method), Reason::kOk);
  EXPECT_EQ(head.framing, GetParam().framing);
  EXPECT_EQ(head.keep_alive, GetParam().keeps);
}

constexpr Framing kNone{};
constexpr Framing kChunked{Kind::kChunked, 0};
constexpr Framing kClose{Kind::kUntilClose, 0};

INSTANTIATE_TEST_SUITE_P(
    Cases, ResponseFraming,
    testing::Values(
        Case{"Length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::kGet, {Kind::kLength, 5}, true},
        Case{"LengthZero", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Method::kGet, {Kind::kLength, 0}, true},
        Case{"Chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Method::kGet, kChunked, true},
        Case{"ChunkedAndClose", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
             Method::kGet, kChunked, false},
        Case{"UntilClose", "HTTP/1.1 200 OK\r\n\r\n", Method::kGet, kClose, false},
        Case{"UntilCloseThoughKeepAlive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", Method::kGet, kClose,
             false},
        Case{"Length10", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Method::kGet, {Kind::kLength, 5}, false},
        Case{"Length10KeepAlive",
             "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
             Method::kGet,
             {Kind::kLength, 5},
             true},
        Case{"Head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::kHead, kNone, true},
        Case{"HeadChunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::kHead, kNone, true},
        Case{"HeadWithoutLength", "HTTP/1.1 200 OK\r\n\r\n", Method::kHead, kNone, true},
        Case{"HeadOfAnError", "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\n", Method::kHead, kNone, true},
        Case{"NoContent", "HTTP/1.1 204 No Content\r\n\r\n", Method::kGet, kNone, true},
        Case{"NoContentLengthZero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Method::kGet, kNone, true},
        Case{"NoContentThatLies", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Method::kGet, kNone, false},
        Case{"NoContentChunked", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Method::kGet, kNone,
             false},
        Case{"NotModified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::kGet, kNone, true},
        Case{"Continue", "HTTP/1.1 100 Continue\r\n\r\n", Method::kPost, kNone, true},
        Case{"EarlyHints", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", Method::kGet, kNone, true},
        Case{"Switching", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
             Method::kGet, kNone, true},
        Case{"PhraseLess", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", Method::kGet, {Kind::kLength, 1}, true},
        Case{"PhraseEmpty", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n", Method::kGet, {Kind::kLength, 1}, true},
        Case{"PhraseHighBytes",
             "HTTP/1.1 200 \xc3\xa4\t!\r\nContent-Length: 1\r\n\r\n",
             Method::kGet,
             {Kind::kLength, 1},
             true},
        Case{"HigherMinor", "HTTP/1.2 200 OK\r\nContent-Length: 1\r\n\r\n", Method::kGet, {Kind::kLength, 1}, true},
        Case{"OddStatus", "HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\n", Method::kGet, {Kind::kLength, 1}, true}),
    test::case_name<testing::TestParamInfo<Case>>);

TEST(ResponseParser, KeepsTheLengthOfABodyThatIsNotThere) {
  ResponseHead head;
  ASSERT_EQ(parse(head, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", Method::kHead), Reason::kOk);
  EXPECT_EQ(head.content_length, 12u);
  ASSERT_EQ(parse(head, "HTTP/1.1 200 OK\r\n\r\n", Method::kHead), Reason::kOk);
  EXPECT_FALSE(head.content_length);
}

TEST(ResponseParser, ReadsHowLongTheConnectionIsKept) {
  const auto seconds = [](const std::string& value) {
    ResponseHead head;
    EXPECT_EQ(parse(head, "HTTP/1.1 204 x\r\nKeep-Alive: " + value + "\r\n\r\n"), Reason::kOk);
    return head.keep_alive_seconds;
  };
  EXPECT_EQ(seconds("timeout=5, max=100"), 5u);
  EXPECT_EQ(seconds("max=100, Timeout=75"), 75u);
  EXPECT_EQ(seconds("timeout="), 0u);
  EXPECT_EQ(seconds("timeout=x"), 0u);
  EXPECT_EQ(seconds("timeout=-1"), 0u);
  EXPECT_EQ(seconds("timeout=99999999999"), 0u);
  EXPECT_EQ(seconds("max=5"), 0u);
}

struct Malformed {
  const char* name;
  std::string bytes;
};
class MalformedResponse : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedResponse, IsRefused) {
  ResponseHead head;
  EXPECT_EQ(parse(head, GetParam().bytes), Reason::kUpstreamMalformed);
}

std::string ok(std::string_view fields) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MalformedResponse,
    testing::Values(
        Malformed{"OtherProtocol", "ICY 200 OK\r\n\r\n"}, Malformed{"LowerCase", "http/1.1 200 OK\r\n\r\n"},
        Malformed{"Http09", "HTTP/0.9 200 OK\r\n\r\n"}, Malformed{"Http2", "HTTP/2.0 200 OK\r\n\r\n"},
        Malformed{"NoMinor", "HTTP/1 200 OK\r\n\r\n"}, Malformed{"NoStatus", "HTTP/1.1\r\n\r\n"},
        Malformed{"StatusTwoDigits", "HTTP/1.1 20 OK\r\n\r\n"},
        Malformed{"StatusFourDigits", "HTTP/1.1 2000 OK\r\n\r\n"},
        Malformed{"StatusBelow100", "HTTP/1.1 099 OK\r\n\r\n"}, Malformed{"StatusLetters", "HTTP/1.1 2x0 OK\r\n\r\n"},
        Malformed{"StatusSigned", "HTTP/1.1 +20 OK\r\n\r\n"}, Malformed{"TwoSpaces", "HTTP/1.1  200 OK\r\n\r\n"},
        Malformed{"Tab", "HTTP/1.1\t200 OK\r\n\r\n"}, Malformed{"PhraseGlued", "HTTP/1.1 200OK\r\n\r\n"},
        Malformed{"PhraseNul", "HTTP/1.1 200 O\0K\r\n\r\n"s}, Malformed{"BareLf", "HTTP/1.1 200 OK\nX: y\r\n\r\n"},
        Malformed{"BareCr", "HTTP/1.1 200 OK\rX: y\r\n\r\n"},
        Malformed{"EmptyFirstLine", "\r\nHTTP/1.1 200 OK\r\n\r\n"}, Malformed{"Folded", ok("X: y\r\n z\r\n")},
        Malformed{"SpaceBeforeColon", ok("Content-Length : 5\r\n")}, Malformed{"NoColon", ok("oops\r\n")},
        Malformed{"EmptyName", ok(": y\r\n")}, Malformed{"NulInValue", ok("X: a\0b\r\n"s)},
        Malformed{"BareLfInValue", ok("X: a\nSet-Cookie: b\r\n")},
        Malformed{"BareCrInValue", ok("X: a\rSet-Cookie: b\r\n")}, Malformed{"HtmlForAHead", "<html>\r\n\r\n"},
        Malformed{"LengthAndChunked", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
        Malformed{"TwoLengths", ok("Content-Length: 5\r\nContent-Length: 6\r\n")},
        Malformed{"TwoEqualLengths", ok("Content-Length: 5\r\nContent-Length: 5\r\n")},
        Malformed{"LengthList", ok("Content-Length: 5, 5\r\n")},
        Malformed{"LengthSigned", ok("Content-Length: -1\r\n")}, Malformed{"LengthEmpty", ok("Content-Length: \r\n")},
        Malformed{"LengthTooLarge", ok("Content-Length: 9223372036854775808\r\n")},
        Malformed{"CodingGzip", ok("Transfer-Encoding: gzip\r\n")},
        Malformed{"CodingList", ok("Transfer-Encoding: gzip, chunked\r\n")},
        Malformed{"CodingTwice", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
        Malformed{"CodingIn10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
        Malformed{"InformationalWithLength", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n"},
        Malformed{"InformationalChunked", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n"},
        Malformed{"BadLengthOfHead", "HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n"}),
    test::case_name<testing::TestParamInfo<Malformed>>);

TEST(ResponseParser, HoldsItsLimits) {
  ResponseHead head;
  const auto bytes = ok("X: y\r\nY: z\r\n");
  EXPECT_EQ(parse(head, bytes, Method::kGet, {.head_bytes = bytes.size()}), Reason::kOk);
  EXPECT_EQ(parse(head, bytes, Method::kGet, {.head_bytes = bytes.size() - 1}), Reason::kUpstreamHeadTooLarge);
  EXPECT_EQ(parse(head, bytes, Method::kGet, {.headers = 2}), Reason::kOk);
  EXPECT_EQ(parse(head, bytes, Method::kGet, {.headers = 1}), Reason::kUpstreamHeadTooLarge);
}

}  // namespace
}  // namespace hybridge::http
