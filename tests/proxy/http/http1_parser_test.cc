// Requests that are accepted, and what is read in them.
#include "proxy/http/http1_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using test::parse;

constexpr std::string_view kBrowser =
    "GET /app/todo?x=1 HTTP/1.1\r\nHost: erp.acme.com\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0\r\n"
    "Accept: text/html,application/xhtml+xml;q=0.9\r\nCookie: sid=1; lang=en\r\n\r\n";

TEST(RequestParser, ReadsABrowsersHead) {
  RequestHead head;
  ASSERT_EQ(parse(head, kBrowser), Reason::kOk);
  EXPECT_EQ(head.method, Method::kGet);
  EXPECT_EQ(head.method_name, "GET");
  EXPECT_EQ(head.target, "/app/todo?x=1");
  EXPECT_EQ(head.path(), "/app/todo");
  EXPECT_EQ(head.version, Version::kHttp11);
  EXPECT_EQ(head.authority, "erp.acme.com");
  EXPECT_EQ(head.host, "erp.acme.com");
  EXPECT_EQ(head.framing, Framing{});
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_EQ(head.upgrade, "");
  EXPECT_EQ(head.headers.size(), 5u);
  EXPECT_EQ(head.headers.value(HeaderId::kCookie), "sid=1; lang=en");
}

TEST(RequestParser, OwnsWhatItReadAndForgetsItWhenUsedAgain) {
  RequestHead head;
  std::string bytes(kBrowser);
  ASSERT_TRUE(parse_request_head(head, bytes, {}));
  std::fill(bytes.begin(), bytes.end(), '#');
  EXPECT_EQ(head.headers.value(HeaderId::kUserAgent), "Mozilla/5.0");
  ASSERT_EQ(parse(head, "POST /x HTTP/1.0\r\nHost: b\r\n\r\n"), Reason::kOk);
  EXPECT_EQ(head.headers.size(), 1u);
  EXPECT_FALSE(head.headers.has(HeaderId::kCookie));
  EXPECT_EQ(head.host, "b");
  EXPECT_FALSE(head.keep_alive);
}

TEST(RequestParser, AllocatesNothingWhenWarm) {
  RequestHead head;
  ASSERT_TRUE(parse_request_head(head, kBrowser, {}));
  const auto* bytes = head.bytes.data();
  const auto* fields = &*head.headers.begin();
  ASSERT_TRUE(parse_request_head(head, kBrowser, {}));
  EXPECT_EQ(head.bytes.data(), bytes);
  EXPECT_EQ(&*head.headers.begin(), fields);
}

TEST(RequestParser, KeepsWhatItUnderstoodOfARefusedHead) {
  RequestHead head;
  EXPECT_EQ(parse(head, "POST /x HTTP/1.1\r\nHost: A.test\r\nContent-Length: x\r\n\r\n"), Reason::kBadFraming);
  EXPECT_EQ(head.method_name, "POST");
  EXPECT_EQ(head.target, "/x");
  EXPECT_EQ(head.host, "a.test");
}

TEST(RequestParser, KeepsTheFirstLineOfAHeadThatIsTooLarge) {
  RequestHead head;
  EXPECT_FALSE(parse_request_head(head, kBrowser, {.head_bytes = 100}));
  EXPECT_EQ(head.method_name, "GET");
  EXPECT_EQ(head.target, "/app/todo?x=1");
}

TEST(RequestParser, TakesAnyTokenForAMethod) {
  for (const auto& [name, method] :
       std::initializer_list<std::pair<std::string, Method>>{{"GET", Method::kGet},
                                                             {"HEAD", Method::kHead},
                                                             {"POST", Method::kPost},
                                                             {"PUT", Method::kPut},
                                                             {"DELETE", Method::kDelete},
                                                             {"OPTIONS", Method::kOptions},
                                                             {"PATCH", Method::kPatch},
                                                             {"PROPFIND", Method::kOther},
                                                             {"FOO", Method::kOther},
                                                             {"get", Method::kOther},
                                                             {"M-SEARCH", Method::kOther},
                                                             {"!#$%&'*+-.^_`|~09", Method::kOther},
                                                             {std::string(64, 'M'), Method::kOther}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, name + " / HTTP/1.1\r\nHost: a\r\n\r\n"), Reason::kOk) << name;
    EXPECT_EQ(head.method_name, name);
    EXPECT_EQ(head.method, method) << name;
  }
}

TEST(RequestParser, PassesTargetsByteForByte) {
  for (const std::string target : {"/",
                                   "//a//b",
                                   "/a/../b",
                                   "/a/..",
                                   "/a/b/../../c",
                                   "/./a",
                                   "/...",
                                   "/..a",
                                   "/a..",
                                   "/%61ssets",
                                   "/a%2Fb",
                                   "/%2e/x",
                                   "/a/%2e%2e/b",
                                   "/a;b=c/d",
                                   "/a?b=c&d",
                                   "/?",
                                   "/a?%zz",
                                   "/a?100%",
                                   "/a?%00",
                                   "/a?/../..",
                                   "/a??b",
                                   "/\xc3\xa4?\xff",
                                   "/a|b",
                                   "/{a}",
                                   "/a\"b",
                                   "/a\\b",
                                   "/<a>",
                                   "/a^`b",
                                   "/@:!$&'()*+,=~[]",
                                   "/a?http://b/",
                                   "/a%20b",
                                   "/a%0d%0aX:%20y"}) {
    RequestHead head;
    EXPECT_EQ(parse(head, "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"), Reason::kOk) << target;
    EXPECT_EQ(head.target, target);
  }
}

TEST(RequestParser, TakesAnAsteriskFromOptions) {
  RequestHead head;
  EXPECT_EQ(parse(head, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), Reason::kOk);
  EXPECT_EQ(head.target, "*");
}

struct AbsoluteForm {
  const char* name;
  std::string_view line;
  std::string_view host;
  std::string_view target;
  std::string_view authority;
};
class Absolute : public testing::TestWithParam<AbsoluteForm> {};

TEST_P(Absolute, BecomesOriginForm) {
  const auto& form = GetParam();
  RequestHead head;
  const auto bytes = std::string(form.line) + " HTTP/1.1\r\nHost: " + std::string(form.host) + "\r\n\r\n";
  ASSERT_EQ(parse(head, bytes), Reason::kOk);
  EXPECT_EQ(head.target, form.target);
  EXPECT_EQ(head.authority, form.authority);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, Absolute,
    testing::Values(AbsoluteForm{"Plain", "GET http://a.test/x?y", "a.test", "/x?y", "a.test"},
                    AbsoluteForm{"Https", "GET https://a.test/x", "a.test", "/x", "a.test"},
                    AbsoluteForm{"SchemeCase", "GET HTTPS://a.test/x", "a.test", "/x", "a.test"},
                    AbsoluteForm{"NoPath", "GET http://a.test", "a.test", "/", "a.test"},
                    AbsoluteForm{"NoPathButQuery", "GET http://a.test?x=/y", "a.test", "/?x=/y", "a.test"},
                    AbsoluteForm{"HostCase", "GET http://A.Test/", "a.tesT", "/", "A.Test"},
                    AbsoluteForm{"DefaultPortSaid", "GET http://a.test:80/", "a.test", "/", "a.test:80"},
                    AbsoluteForm{"DefaultPortInHost", "GET https://a.test/", "a.test:443", "/", "a.test"},
                    AbsoluteForm{"SamePort", "GET http://a.test:8080/", "a.test:8080", "/", "a.test:8080"},
                    AbsoluteForm{"TrailingDot", "GET http://a.test./", "a.test", "/", "a.test."},
                    AbsoluteForm{"Ipv6", "GET http://[::1]:8080/x", "[::1]:8080", "/x", "[::1]:8080"},
                    AbsoluteForm{"ServerWide", "OPTIONS http://a.test", "a.test", "*", "a.test"},
                    AbsoluteForm{"OptionsOfAPath", "OPTIONS http://a.test/", "a.test", "/", "a.test"}),
    test::case_name<testing::TestParamInfo<AbsoluteForm>>);

TEST(RequestParser, NormalisesTheHostButKeepsTheAuthority) {
  struct Case {
    std::string sent, host;
  };
  for (const auto& [sent, host] : std::initializer_list<Case>{{"ERP.Acme.COM", "erp.acme.com"},
                                                              {"a.test:8443", "a.test"},
                                                              {"a.test.", "a.test"},
                                                              {"a.test.:80", "a.test"},
                                                              {"a:1", "a"},
                                                              {"a:65535", "a"},
                                                              {"my_site-1.test", "my_site-1.test"},
                                                              {"127.0.0.1", "127.0.0.1"},
                                                              {"[::1]", "[::1]"},
                                                              {"[2001:DB8::A]:443", "[2001:db8::a]"},
                                                              {"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
                                                              {std::string(253, 'a'), std::string(253, 'a')},
                                                              {std::string(253, 'a') + ".", std::string(253, 'a')}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, "GET / HTTP/1.1\r\nHost: \t" + sent + " \r\n\r\n"), Reason::kOk) << sent;
    EXPECT_EQ(head.host, host);
    EXPECT_EQ(head.authority, sent);
  }
}

TEST(RequestParser, TakesHigherMinorVersionsForOurs) {
  RequestHead head;
  EXPECT_EQ(parse(head, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"), Reason::kOk);
  EXPECT_EQ(head.version, Version::kHttp11);
  EXPECT_EQ(parse(head, "GET / HTTP/1.9\r\nHost: a\r\n\r\n"), Reason::kOk);
  EXPECT_TRUE(head.keep_alive);
}

TEST(RequestParser, ReadsValuesWithTabsHighBytesAndNothing) {
  RequestHead head;
  ASSERT_EQ(parse(head, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:\t \r\nZ:a\tb \xc3\xa4\t\r\nW: : ,;\"\r\n\r\n"),
            Reason::kOk);
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  for (const auto& header : head.headers) fields.emplace_back(header.name, header.value);
  EXPECT_THAT(fields, testing::ElementsAre(testing::Pair("Host", "a"), testing::Pair("X", ""), testing::Pair("Y", ""),
                                           testing::Pair("Z", "a\tb \xc3\xa4"), testing::Pair("W", ": ,;\"")));
}

TEST(RequestParser, TakesEveryTokenCharacterInNames) {
  RequestHead head;
  ASSERT_EQ(parse(head, "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~0aZ: x\r\n\r\n"), Reason::kOk);
  EXPECT_EQ(head.headers.size(), 2u);
}

TEST(RequestParser, ReadsFraming) {
  using Kind = Framing::Kind;
  struct Case {
    std::string fields;
    Framing framing;
  };
  for (const auto& [fields, framing] :
       std::initializer_list<Case>{{"", {Kind::kNone, 0}},
                                   {"Content-Length: 0\r\n", {Kind::kLength, 0}},
                                   {"content-length:5\r\n", {Kind::kLength, 5}},
                                   {"CONTENT-LENGTH: \t 0012 \t\r\n", {Kind::kLength, 12}},
                                   {"Content-Length: 9223372036854775807\r\n", {Kind::kLength, 9223372036854775807u}},
                                   {"Transfer-Encoding: chunked\r\n", {Kind::kChunked, 0}},
                                   {"transfer-encoding:CHUNKED\t\r\n", {Kind::kChunked, 0}}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"), Reason::kOk) << fields;
    EXPECT_EQ(head.framing, framing) << fields;
  }
}

TEST(RequestParser, ReadsTheWishToKeepTheConnection) {
  struct Case {
    std::string version, fields;
    bool keeps;
  };
  for (const auto& [version, fields, keeps] :
       std::initializer_list<Case>{{"1.1", "", true},
                                   {"1.1", "Connection: close\r\n", false},
                                   {"1.1", "Connection: CLOSE\r\n", false},
                                   {"1.1", "Connection: x , close\r\n", false},
                                   {"1.1", "Connection: x\r\nConnection: close\r\n", false},
                                   {"1.1", "Connection: closed\r\n", true},
                                   {"1.1", "Connection: keep-alive, close\r\n", false},
                                   {"1.0", "", false},
                                   {"1.0", "Connection: Keep-Alive\r\n", true},
                                   {"1.0", "Connection: keep-alive, close\r\n", false},
                                   {"1.0", "Connection: close\r\n", false}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, "GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n"), Reason::kOk);
    EXPECT_EQ(head.keep_alive, keeps) << version << ' ' << fields;
  }
}

TEST(RequestParser, ReadsExpectations) {
  struct Case {
    std::string bytes;
    bool expects;
  };
  for (const auto& [bytes, expects] : std::initializer_list<Case>{
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", true},
           {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nexpect: 100-Continue\r\n\r\n", true},
           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", false},
           {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false},
           {"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", false},
           {"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: anything\r\n\r\n", false}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, bytes), Reason::kOk) << bytes;
    EXPECT_EQ(head.expects_continue, expects) << bytes;
  }
}

TEST(RequestParser, SeesAnUpgradeOnlyWhereItCanBeOne) {
  struct Case {
    std::string bytes;
    std::string_view upgrade;
  };
  const std::string start = "GET /socket.io HTTP/1.1\r\nHost: a\r\n";
  for (const auto& [bytes, upgrade] : std::initializer_list<Case>{
           {start + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "websocket"},
           {start + "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n", "WebSocket"},
           {start + "Upgrade: foo/2, websocket\r\nConnection: upgrade\r\n\r\n", "foo/2, websocket"},
           {start + "Upgrade: websocket\r\n\r\n", ""},
           {start + "Connection: upgrade\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade:\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", ""},
           {start + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: h2c/1\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: web socket\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n\r\n", ""},
           {start + "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n", ""},
           {"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", ""}}) {
    RequestHead head;
    EXPECT_EQ(parse(head, bytes), Reason::kOk) << bytes;
    EXPECT_EQ(head.upgrade, upgrade) << bytes;
  }
}

TEST(RequestParser, HoldsEachLimitExactly) {
  const std::string bytes = "GET /2345678 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
  RequestHead head;
  EXPECT_EQ(parse(head, bytes, {.target_bytes = 8}), Reason::kOk);
  EXPECT_EQ(parse(head, bytes, {.target_bytes = 7}), Reason::kTargetTooLong);
  EXPECT_EQ(parse(head, bytes, {.head_bytes = bytes.size()}), Reason::kOk);
  EXPECT_EQ(parse(head, bytes, {.head_bytes = bytes.size() - 1}), Reason::kHeaderTooLarge);
  EXPECT_EQ(parse(head, bytes, {.headers = 2}), Reason::kOk);
  EXPECT_EQ(parse(head, bytes, {.headers = 1}), Reason::kTooManyHeaders);
}

TEST(RequestParser, NamesTheLimitThatWasPassed) {
  RequestHead head;
  const auto result = parse_request_head(head, kBrowser, {.head_bytes = 100});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().detail, testing::HasSubstr("100 bytes"));
}

TEST(RequestParser, EscapesAndCutsWhatItRepeats) {
  RequestHead head;
  const auto result =
      parse_request_head(head, "GET / HTTP/1.1\r\nHost: " + std::string(300, '\xff') + "\"<b>\r\n\r\n", {});
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().detail, testing::HasSubstr("more than 253"));
  const auto second = parse_request_head(head, "GET " + std::string(300, 'x') + " HTTP/1.1\r\n\r\n", {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().detail, testing::HasSubstr(std::string(64, 'x') + "\"..."));
  EXPECT_LT(second.error().detail.size(), 150u);
}

TEST(RequestParser, RefusesAHeadThatIsNotWhole) {
  RequestHead head;
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(parse_request_head(head, std::string_view(bytes).substr(0, n), {})) << n;
  }
  EXPECT_FALSE(parse_request_head(head, bytes + "GET", {}));
}

}  // namespace
}  // namespace hybridge::http
