#include "proxy/http/http2_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proxy/http/forwarded.h"
#include "proxy/http/websocket.h"

namespace hybridge::http {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;
constexpr HeadLimits kLimits{.target_bytes = 100, .head_bytes = 1000, .headers = 10};

Fields request(Fields more = {}) {
  Fields fields{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/x?y"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
// With one pseudo-header field replaced; "" of the name: left out.
Fields with(const std::string& name, const std::string& value) {
  auto fields = request();
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}
Fields without(const std::string& name) {
  auto fields = request();
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

class Head {
 public:
  explicit Head(const Fields& fields, bool ends = true, const HeadLimits& limits = kLimits) {
    reader.begin(head, limits);
    for (const auto& [name, value] : fields) reader.add(name, value);
    const auto read = reader.finish(ends);
    reason = read ? Reason::kOk : read.error().reason;
    detail = read ? "" : read.error().detail;
  }
  Http2HeadReader reader;
  RequestHead head;
  Reason reason;
  std::string detail;
};

TEST(Http2Head, MakesTheValueThatHttp1Makes) {
  const Head made(request({{"user-agent", "u"}, {"content-length", "5"}, {"x-a", ""}}), false);
  ASSERT_EQ(made.reason, Reason::kOk) << made.detail;
  EXPECT_EQ(made.head.method, Method::kGet);
  EXPECT_EQ(made.head.version, Version::kHttp2);
  EXPECT_EQ(made.head.target, "/x?y");
  EXPECT_EQ(made.head.authority, "a.test");
  EXPECT_EQ(made.head.host, "a.test");
  EXPECT_EQ(made.head.framing, (Framing{Framing::Kind::kLength, 5}));
  EXPECT_EQ(made.head.headers.value(HeaderId::kUserAgent), "u");
  EXPECT_EQ(made.head.headers.size(), 3u);
}

TEST(Http2Head, FramesByLengthByTheStreamsEndOrNotAtAll) {
  EXPECT_EQ(Head(request()).head.framing, Framing{});
  EXPECT_EQ(Head(request({{"content-length", "0"}})).head.framing, (Framing{Framing::Kind::kLength, 0}));
  EXPECT_EQ(Head(request(), false).head.framing, (Framing{Framing::Kind::kChunked, 0}));
}

TEST(Http2Head, JoinsCookies) {
  const Head made(request({{"cookie", "a=1"}, {"x-a", "b"}, {"cookie", "c=2"}, {"cookie", "d"}}));
  ASSERT_EQ(made.reason, Reason::kOk);
  EXPECT_EQ(made.head.headers.count(HeaderId::kCookie), 1u);
  EXPECT_EQ(made.head.headers.value(HeaderId::kCookie), "a=1; c=2; d");
  EXPECT_EQ(made.head.headers.begin()->name, "cookie");
  EXPECT_EQ(made.head.headers.size(), 2u);
}

TEST(Http2Head, TakesHostInThePlaceOfAuthorityAndBesideIt) {
  auto fields = without(":authority");
  fields.emplace_back("host", "B.test:8443");
  const Head alone(fields);
  EXPECT_EQ(alone.reason, Reason::kOk);
  EXPECT_EQ(alone.head.host, "b.test");
  EXPECT_EQ(Head(request({{"host", "A.TEST:443"}})).reason, Reason::kOk);
  EXPECT_EQ(Head(request({{"host", "b.test"}})).reason, Reason::kBadHost);
  EXPECT_EQ(Head(request({{"host", "a.test"}, {"host", "a.test"}})).reason, Reason::kBadHost);
  EXPECT_EQ(Head(request({{"host", "a.test:80"}})).reason, Reason::kBadHost);
  EXPECT_EQ(Head(without(":authority")).reason, Reason::kBadHost);
}

TEST(Http2Head, BeginsAWebSocket) {
  auto fields = with(":method", "CONNECT");
  fields.insert(fields.begin() + 4, {":protocol", "websocket"});
  fields.emplace_back("sec-websocket-key", "theirs");
  fields.emplace_back("sec-websocket-version", "13");
  const Head made(fields, false);
  ASSERT_EQ(made.reason, Reason::kOk) << made.detail;
  EXPECT_EQ(made.head.method, Method::kGet);
  EXPECT_EQ(made.head.upgrade, "websocket");
  EXPECT_EQ(made.head.framing, Framing{});
  EXPECT_EQ(made.head.headers.count(HeaderId::kSecWebsocketKey), 1u);
  const auto key = made.head.headers.value(HeaderId::kSecWebsocketKey);
  EXPECT_EQ(key.size(), 24u);
  EXPECT_NE(Head(fields, false).head.headers.value(HeaderId::kSecWebsocketKey), key);
  std::string out;
  append_upstream_request(out, made.head, {});
  EXPECT_THAT(out, testing::StartsWith("GET /x?y HTTP/1.1\r\nHost: a.test\r\n"));
  EXPECT_THAT(out, testing::HasSubstr("Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

TEST(Websocket, AcceptsTheKeyOfTheStandardsExample) {  // RFC 6455 1.3
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Http2Head, ReadsPriorities) {
  EXPECT_EQ(parse_priority("u=1, i"), (Http2Priority{1, true}));
  EXPECT_EQ(parse_priority("i=?0,u=7;x"), (Http2Priority{7, false}));
  EXPECT_EQ(parse_priority("u=8, u=-1, u=10, x, i=1"), Http2Priority{});
  EXPECT_EQ(Head(request({{"priority", "u=0"}})).reader.priority(), (Http2Priority{0, false}));
}

struct Refused {
  std::string name;
  Fields fields;
  Reason reason;
  bool ends = true;
};
class Http2HeadRefuses : public testing::TestWithParam<Refused> {};

TEST_P(Http2HeadRefuses, It) {
  const Head made(GetParam().fields, GetParam().ends);
  EXPECT_EQ(made.reason, GetParam().reason) << made.detail;
  EXPECT_FALSE(made.detail.empty());
}

Fields connect(const std::string& protocol) {
  auto fields = with(":method", "CONNECT");
  fields.insert(fields.begin() + 4, {":protocol", protocol});
  return fields;
}
Fields misplaced() {
  auto fields = request({{"x-a", "b"}});
  std::swap(fields.front(), fields.back());
  return fields;
}
Fields twice(const std::string& name, const std::string& value) {
  auto fields = request();
  fields.insert(fields.begin() + 4, {name, value});
  return fields;
}

INSTANTIATE_TEST_SUITE_P(
    All, Http2HeadRefuses,
    testing::Values(Refused{"NoMethod", without(":method"), Reason::kBadRequestLine},
                    Refused{"NoScheme", without(":scheme"), Reason::kBadRequestLine},
                    Refused{"NoPath", without(":path"), Reason::kBadRequestLine},
                    Refused{"EmptyPath", with(":path", ""), Reason::kBadRequestLine},
                    Refused{"OtherScheme", with(":scheme", "ftp"), Reason::kBadRequestLine},
                    Refused{"UnknownPseudo", twice(":unknown", "x"), Reason::kBadRequestLine},
                    Refused{"StatusInRequest", twice(":status", "200"), Reason::kBadRequestLine},
                    Refused{"TwoMethods", twice(":method", "GET"), Reason::kBadRequestLine},
                    Refused{"TwoPaths", twice(":path", "/z"), Reason::kBadRequestLine},
                    Refused{"TwoAuthorities", twice(":authority", "b.test"), Reason::kBadRequestLine},
                    Refused{"PseudoBehindField", misplaced(), Reason::kBadRequestLine},
                    Refused{"ProtocolWithoutConnect", twice(":protocol", "websocket"), Reason::kBadRequestLine},
                    Refused{"MethodWithSpace", with(":method", "GET /z"), Reason::kBadRequestLine},
                    Refused{"MethodWithLineEnd", with(":method", "GET\r\nX: y"), Reason::kBadRequestLine},
                    Refused{"PathWithLineEnd", with(":path", "/ HTTP/1.1\r\nHost: b\r\n\r\n"), Reason::kBadRequestLine},
                    Refused{"PathWithSpace", with(":path", "/a b"), Reason::kBadTarget},
                    Refused{"PathAboveRoot", with(":path", "/../a"), Reason::kBadTarget},
                    Refused{"AbsolutePath", with(":path", "https://b.test/"), Reason::kBadTarget},
                    Refused{"AuthorityWithUser", with(":authority", "u@a.test"), Reason::kBadHost},
                    Refused{"EmptyAuthority", with(":authority", ""), Reason::kBadHost},
                    Refused{"AuthorityWithPath", with(":authority", "a.test/b"), Reason::kBadHost},
                    Refused{"Trace", with(":method", "TRACE"), Reason::kMethodNotAllowed},
                    Refused{"PlainConnect", with(":method", "CONNECT"), Reason::kMethodNotAllowed},
                    Refused{"OtherProtocol", connect("connect-udp"), Reason::kMethodNotAllowed, false},
                    Refused{"UpperCaseName", request({{"X-A", "b"}}), Reason::kBadHeader},
                    Refused{"NameWithColon", request({{"x:a", "b"}}), Reason::kBadHeader},
                    Refused{"NameWithSpace", request({{"x a", "b"}}), Reason::kBadHeader},
                    Refused{"EmptyName", request({{"", "b"}}), Reason::kBadHeader},
                    Refused{"NameWithLineEnd", request({{"x: a\r\ny", "b"}}), Reason::kBadHeader},
                    Refused{"ValueWithCr", request({{"x", "a\rb"}}), Reason::kBadHeader},
                    Refused{"ValueWithLf", request({{"x", "a\nb"}}), Reason::kBadHeader},
                    Refused{"ValueWithNul", request({{"x", std::string("a\0b", 3)}}), Reason::kBadHeader},
                    Refused{"ValueBehindSpace", request({{"x", " a"}}), Reason::kBadHeader},
                    Refused{"ValueBeforeTab", request({{"x", "a\t"}}), Reason::kBadHeader},
                    Refused{"Connection", request({{"connection", "close"}}), Reason::kBadHeader},
                    Refused{"KeepAlive", request({{"keep-alive", "timeout=1"}}), Reason::kBadHeader},
                    Refused{"ProxyConnection", request({{"proxy-connection", "close"}}), Reason::kBadHeader},
                    Refused{"TransferEncoding", request({{"transfer-encoding", "chunked"}}), Reason::kBadHeader, false},
                    Refused{"Upgrade", request({{"upgrade", "websocket"}}), Reason::kBadHeader},
                    Refused{"TeOfCodings", request({{"te", "gzip"}}), Reason::kBadHeader},
                    Refused{"TwoLengths", request({{"content-length", "1"}, {"content-length", "1"}}),
                            Reason::kBadFraming, false},
                    Refused{"LengthThatIsNone", request({{"content-length", "+1"}}), Reason::kBadFraming, false},
                    Refused{"LengthWithoutBody", request({{"content-length", "1"}}), Reason::kBadFraming},
                    Refused{"OtherExpectation", request({{"expect", "x"}}), Reason::kExpectationFailed, false},
                    Refused{"LongTarget", with(":path", "/" + std::string(100, 'a')), Reason::kTargetTooLong},
                    Refused{"LargeHead", request({{"x", std::string(1000, 'a')}}), Reason::kHeaderTooLarge},
                    Refused{"ManyFields", request(Fields(11, {"x", "a"})), Reason::kTooManyHeaders}),
    [](const auto& it) { return it.param.name; });

TEST(Http2Head, KeepsWhatWasUnderstoodForTheLog) {
  const Head made(request({{"connection", "close"}, {"user-agent", "u"}}));
  EXPECT_EQ(made.reason, Reason::kBadHeader);
  EXPECT_EQ(made.head.method_name, "GET");
  EXPECT_EQ(made.head.target, "/x?y");
}

TEST(Http2Head, CountsWhatItDoesNotKeep) {
  Head made(request(Fields(2000, {"x", "0123456789"})));
  EXPECT_EQ(made.reason, Reason::kTooManyHeaders);
  EXPECT_LT(made.head.bytes.size(), 1000u);
  EXPECT_GT(made.reader.bytes(), 20'000u);
}

TEST(Http2Head, BeginsAgain) {
  Http2HeadReader reader;
  RequestHead head;
  for (int i = 0; i < 3; ++i) {
    reader.begin(head, kLimits);
    for (const auto& [name, value] : request({{"cookie", "a"}, {"cookie", "b"}})) reader.add(name, value);
    ASSERT_TRUE(reader.finish(true).has_value());
    EXPECT_EQ(head.headers.value(HeaderId::kCookie), "a; b");
    reader.begin(head, kLimits);
    reader.add("X", "bad");
    EXPECT_FALSE(reader.finish(true).has_value());
  }
}

}  // namespace
}  // namespace hybridge::http
