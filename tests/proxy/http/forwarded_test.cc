#include "proxy/http/forwarded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

const Forwarding kForwarding{.client_address = "203.0.113.9",
                             .client_port = 50123,
                             .scheme = "https",
                             .request_id = "r1",
                             .traceparent = "00-aa-bb-01"};

constexpr std::string_view kAdded =
    "Host: a.test\r\nX-Real-IP: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.9\r\nX-Client-Port: 50123\r\n"
    "X-Forwarded-Proto: https\r\nX-Forwarded-Host: A.test:8443\r\nX-Request-ID: r1\r\ntraceparent: 00-aa-bb-01\r\n";

// What the upstream gets behind our own fields.
std::string forwarded(std::string_view fields, const Forwarding& forwarding = kForwarding) {
  RequestHead head;
  EXPECT_EQ(test::parse(head, "POST /x?y HTTP/1.1\r\nHost: A.test:8443\r\n" + std::string(fields) + "\r\n"),
            Reason::kOk);
  std::string out;
  append_upstream_request(out, head, forwarding);
  const auto expected = "POST /x?y HTTP/1.1\r\n" + std::string(kAdded);
  EXPECT_EQ(out.substr(0, expected.size()), expected);
  EXPECT_TRUE(out.ends_with("\r\n"));
  return out.substr(expected.size(), out.size() - expected.size() - 2);
}

TEST(Forwarded, AddsOurFieldsBeforeTheClients) {
  EXPECT_EQ(forwarded("Accept: */*\r\nX-A: b\r\n"), "Accept: */*\r\nX-A: b\r\n");
}

TEST(Forwarded, AppendsAndKeepsMethodAndTarget) {
  RequestHead head;
  ASSERT_EQ(test::parse(head, "FOO //a/../b?%zz HTTP/1.0\r\nHost: b\r\n\r\n"), Reason::kOk);
  std::string out = "before";
  append_upstream_request(out, head, kForwarding);
  EXPECT_TRUE(out.starts_with("beforeFOO //a/../b?%zz HTTP/1.1\r\nHost: b\r\n"));
}

TEST(Forwarded, LeavesAwayWhatThereIsNot) {
  RequestHead head;
  ASSERT_EQ(test::parse(head, "GET / HTTP/1.1\r\nHost: b\r\n\r\n"), Reason::kOk);
  std::string out;
  append_upstream_request(out, head, {.client_address = "::1", .scheme = "http"});
  EXPECT_EQ(out,
            "GET / HTTP/1.1\r\nHost: b\r\nX-Real-IP: ::1\r\nX-Forwarded-For: ::1\r\nX-Client-Port: 0\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\n\r\n");
}

TEST(Forwarded, DropsWhatAClientMayNotSayOfItself) {
  for (const std::string name :
       {"X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-X",
        "Forwarded", "CF-Connecting-IP", "X-Frappe-Site-Name", "x-frappe-site-name", "X-Client-Port", "X-Request-ID",
        "traceparent", "X-Hybridge-Hold", "Proxy", "Proxy-Connection", "Proxy-Authorization", "Proxy-X"}) {
    EXPECT_EQ(forwarded(name + ": 1\r\nX-A: b\r\n"), "X-A: b\r\n") << name;
  }
}

TEST(Forwarded, DropsWhatBelongsToTheConnection) {
  for (const std::string field : {"Connection: close", "Connection: keep-alive", "Keep-Alive: timeout=5", "TE: gzip",
                                  "TE: trailers2", "Trailer: X", "Upgrade: websocket"}) {
    EXPECT_EQ(forwarded(field + "\r\nX-A: b\r\n"), "X-A: b\r\n") << field;
  }
}

TEST(Forwarded, SaysThatTrailersAreTakenForWhoeverTakesThem) {
  const std::string said = "X-A: b\r\nConnection: TE\r\nTE: trailers\r\n";
  EXPECT_EQ(forwarded("TE: trailers\r\nConnection: TE\r\nX-A: b\r\n"), said);
  EXPECT_EQ(forwarded("te: gzip;q=0.5, Trailers\r\nConnection: keep-alive, te\r\nX-A: b\r\n"), said);
  EXPECT_EQ(forwarded("TE: deflate\r\nX-A: b\r\nTE: trailers\r\n"), said);
  EXPECT_EQ(forwarded("Connection: upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n"),
            "Connection: upgrade\r\nUpgrade: websocket\r\n");
  RequestHead old;
  ASSERT_EQ(test::parse(old, "GET / HTTP/1.0\r\nHost: b\r\nTE: trailers\r\n\r\n"), Reason::kOk);
  std::string out;
  append_upstream_request(out, old, kForwarding);
  EXPECT_EQ(out.find("TE: trailers"), std::string::npos);
}

TEST(Forwarded, PassesTheRest) {
  for (const std::string field :
       {"X-Frappe-CSRF-Token: t", "X-Frappe-CMD: c", "X-Frappe-Doctype: d", "Authorization: token a:b", "Cookie: a=b",
        "Referer: https://a/", "Range: bytes=0-1", "If-None-Match: \"x\"", "Via: 1.1 x", "X-Forward: y",
        "Accept-Encoding: gzip, br", "Sec-WebSocket-Key: x", "Origin: https://a", "X-Accel-Internal: y"}) {
    EXPECT_EQ(forwarded(field + "\r\n"), field + "\r\n");
  }
}

TEST(Forwarded, DropsNamesThatCouldBeTakenForOthers) {
  for (const std::string name : {"X_Real_IP", "X_Forwarded_For", "X.Real.IP", "Host_", "X!", "X~Y", "Content_Length"}) {
    EXPECT_EQ(forwarded(name + ": 1\r\nX-A: b\r\n"), "X-A: b\r\n") << name;
  }
}

TEST(Forwarded, DropsWhatConnectionNames) {
  EXPECT_EQ(forwarded("X-A: 1\r\nConnection: x-a, Cookie\r\nX-B: 2\r\nCookie: c\r\n"), "X-B: 2\r\n");
  EXPECT_EQ(forwarded("Connection: close\r\nConnection: X-A\r\nX-A: 1\r\nX-B: 2\r\n"), "X-B: 2\r\n");
}

TEST(Forwarded, LetsConnectionNameNoneOfOurs) {
  EXPECT_EQ(forwarded("Connection: Host, X-Forwarded-For, X-Real-IP, X-Request-ID, Content-Length, X-Forwarded-Host\r\n"
                      "Content-Length: 5\r\n"),
            "Content-Length: 5\r\n");
  EXPECT_EQ(forwarded("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n"),
            "Transfer-Encoding: chunked\r\n");
}

TEST(Forwarded, WritesFramingOnceAndCanonically) {
  EXPECT_EQ(forwarded("Content-Length:  007\r\n"), "Content-Length: 7\r\n");
  EXPECT_EQ(forwarded("Content-Length: 0\r\n"), "Content-Length: 0\r\n");
  EXPECT_EQ(forwarded("transfer-encoding: CHUNKED\r\n"), "Transfer-Encoding: chunked\r\n");
  EXPECT_EQ(forwarded(""), "");
}

TEST(Forwarded, PassesAnUpgrade) {
  EXPECT_EQ(forwarded("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
}

TEST(Forwarded, PassesNoUpgradeToCleartextHttp2) {
  EXPECT_EQ(forwarded("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"), "");
}

TEST(Forwarded, PassesExpectOnlyWhenTold) {
  auto forwarding = kForwarding;
  EXPECT_EQ(forwarded("Content-Length: 5\r\nExpect: 100-continue\r\n", forwarding), "Content-Length: 5\r\n");
  forwarding.send_expect = true;
  EXPECT_EQ(forwarded("Content-Length: 5\r\nExpect: 100-continue\r\n", forwarding),
            "Content-Length: 5\r\nExpect: 100-continue\r\n");
  EXPECT_EQ(forwarded("Content-Length: 5\r\n", forwarding), "Content-Length: 5\r\n");
}

class ResponseRulesTest : public testing::Test {
 protected:
  std::vector<std::string> apply(std::string_view fields, const ResponseRules& rules, int status = 200) {
    EXPECT_EQ(test::parse(head_, "HTTP/1.1 " + std::to_string(status) + " x\r\n" + std::string(fields) + "\r\n"),
              Reason::kOk);
    apply_response_rules(head_, rules, "D");
    std::vector<std::string> out;
    for (const auto& header : head_.headers) {
      out.push_back(std::string(header.name) + ": " + std::string(header.value));
      EXPECT_EQ(header.id, to_header_id(header.name)) << header.name;
    }
    return out;
  }
  static ResponseRules plain() {
    ResponseRules rules;
    rules.security_headers = false;
    return rules;
  }

 private:
  ResponseHead head_;
};

using testing::ElementsAre;

TEST_F(ResponseRulesTest, AddAllOfOurs) {
  const ResponseRules rules{.server_header = "Frappe Cloud",
                            .proxy_upstream = "http://0123456789abcdef",
                            .request_id = "r1",
                            .cors_origin = "https://a.test",
                            .reason = "upstream_closed"};
  EXPECT_THAT(apply("Content-Type: text/html\r\n", rules),
              ElementsAre("Content-Type: text/html", "Date: D", "Server: Frappe Cloud", "X-Frame-Options: SAMEORIGIN",
                          "X-XSS-Protection: 1; mode=block", "X-Content-Type-Options: nosniff",
                          "Referrer-Policy: no-referrer-when-downgrade",
                          "Strict-Transport-Security: max-age=31536000; includeSubDomains; preload",
                          "X-Proxy-Upstream: http://0123456789abcdef", "Access-Control-Allow-Origin: https://a.test",
                          "Access-Control-Allow-Headers: Origin, Content-Type, Accept",
                          "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: GET, POST, OPTIONS",
                          "X-Request-ID: r1", "X-Hybridge-Reason: upstream_closed"));
}

TEST_F(ResponseRulesTest, ReplaceTheUpstreamsSecurityFields) {
  const auto fields = apply(
      "X-Frame-Options: ALLOWALL\r\nX-Frame-Options: x\r\nStrict-Transport-Security: max-age=1\r\n"
      "X-XSS-Protection: 0\r\nX-Content-Type-Options: x\r\nReferrer-Policy: x\r\n",
      {});
  EXPECT_THAT(fields, ElementsAre("Date: D", "X-Frame-Options: SAMEORIGIN", "X-XSS-Protection: 1; mode=block",
                                  "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer-when-downgrade",
                                  "Strict-Transport-Security: max-age=31536000; includeSubDomains; preload"));
}

TEST_F(ResponseRulesTest, LeaveThemOnPort80) {
  EXPECT_THAT(apply("X-Frame-Options: x\r\n", plain()), ElementsAre("X-Frame-Options: x", "Date: D"));
}

TEST_F(ResponseRulesTest, KeepTheUpstreamsDate) {
  EXPECT_THAT(apply("Date: theirs\r\n", plain()), ElementsAre("Date: theirs"));
}

TEST_F(ResponseRulesTest, DropWhatIsNotForClients) {
  EXPECT_THAT(apply("Server: nginx\r\nX-Accel-Redirect: /x\r\nX-Accel-Buffering: no\r\nX-Proxy-Upstream: y\r\n"
                    "X-Request-ID: theirs\r\nX-Hybridge-Reason: ok\r\nX-Powered-By: z\r\n",
                    plain()),
              ElementsAre("X-Powered-By: z", "Date: D"));
}

TEST_F(ResponseRulesTest, DropWhatBelongsToTheConnection) {
  EXPECT_THAT(apply("Connection: keep-alive, X-Mine\r\nX-Mine: y\r\nKeep-Alive: timeout=5\r\nTrailer: x\r\n"
                    "Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nVia: 1.1 y\r\n",
                    plain()),
              ElementsAre("Via: 1.1 y", "Date: D"));
  EXPECT_THAT(apply("Content-Length: 5\r\n", plain()), ElementsAre("Date: D"));
}

std::vector<std::string> kept_trailers(std::initializer_list<const char*> names, std::string_view connection = {}) {
  const std::vector<ExtraHeader> extra = {{"X-Operators", "1"}};
  ResponseHead head;
  if (!connection.empty()) head.headers.add("Connection", connection);
  Headers trailers;
  for (const auto* name : names) trailers.add(name, "1");
  apply_trailer_rules(trailers, head, extra);
  std::vector<std::string> kept;
  for (const auto& field : trailers) kept.emplace_back(field.name);
  return kept;
}

TEST(TrailerRules, KeepWhatIsKnownOnlyBehindABody) {
  EXPECT_THAT(kept_trailers({"Server-Timing", "ETag", "Content-Digest", "grpc-status", "X-Sum"}),
              ElementsAre("Server-Timing", "ETag", "Content-Digest", "grpc-status", "X-Sum"));
}

TEST(TrailerRules, DropWhatMeansSomethingOnlyInAHead) {
  for (const auto* name : {"Content-Length",
                           "transfer-encoding",
                           "Trailer",
                           "TE",
                           "Upgrade",
                           "Connection",
                           "Keep-Alive",
                           "Host",
                           "Content-Type",
                           "Content-Encoding",
                           "Content-Range",
                           "Content-Security-Policy",
                           "Cache-Control",
                           "Expires",
                           "Vary",
                           "Age",
                           "Date",
                           "Location",
                           "Retry-After",
                           "Set-Cookie",
                           "Cookie",
                           "Authorization",
                           "WWW-Authenticate",
                           "Authentication-Info",
                           "Proxy-Authenticate",
                           "If-Match",
                           "If-None-Match",
                           "Range",
                           "Expect",
                           "Max-Forwards",
                           "Access-Control-Expose-Headers",
                           "Alt-Svc",
                           "Refresh",
                           "Server",
                           "X-Request-ID",
                           "X-Accel-Expires",
                           "Strict-Transport-Security",
                           "X-Frame-Options",
                           "X-Hybridge-Reason",
                           "X-Proxy-Upstream",
                           "x-operators"}) {
    EXPECT_THAT(kept_trailers({name, "X-Sum"}), ElementsAre("X-Sum")) << name;
  }
  EXPECT_THAT(kept_trailers({"X-Hop", "X-Sum"}, "keep-alive, x-hop"), ElementsAre("X-Sum"));
}

TEST(TrailerRules, AskWhetherTheClientTakesThem) {
  const auto takes = [](std::string_view fields, std::string_view version = "1.1") {
    RequestHead head;
    EXPECT_EQ(
        test::parse(head, "GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n"),
        Reason::kOk);
    return takes_trailers(head);
  };
  EXPECT_FALSE(takes(""));
  EXPECT_TRUE(takes("TE: trailers\r\n"));
  EXPECT_TRUE(takes("TE: gzip\r\nTE: deflate, Trailers\r\n"));
  EXPECT_FALSE(takes("TE: gzip\r\n"));
  EXPECT_FALSE(takes("TE: trailers\r\n", "1.0"));
  RequestHead head;
  head.version = Version::kHttp2;
  EXPECT_TRUE(takes_trailers(head));
}

TEST_F(ResponseRulesTest, KeepTheProtocolOfASwitch) {
  EXPECT_THAT(apply("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n", plain(), 101),
              ElementsAre("Upgrade: websocket", "Sec-WebSocket-Accept: x", "Date: D"));
}

TEST_F(ResponseRulesTest, AddNothingToInformationalHeads) {
  EXPECT_THAT(apply("Link: </x>\r\nServer: y\r\n", {.request_id = "r1", .cors_origin = "o"}, 103),
              ElementsAre("Link: </x>"));
}

TEST_F(ResponseRulesTest, GiveCorsDefaultsOnlyWhereThereAreNone) {
  auto rules = plain();
  rules.cors_origin = "https://a.test";
  EXPECT_THAT(apply("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: PUT\r\nDate: x\r\n", rules),
              ElementsAre("Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: PUT", "Date: x",
                          "Access-Control-Allow-Headers: Origin, Content-Type, Accept",
                          "Access-Control-Allow-Credentials: true"));
}

TEST_F(ResponseRulesTest, KeepEveryCookie) {
  EXPECT_THAT(apply("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: x\r\n", plain()),
              ElementsAre("Set-Cookie: a=1", "Set-Cookie: b=2", "Date: x"));
}

TEST(ProxyUpstreamName, IsTheHashThatDashboardsKnow) {
  // printf 127.0.0.11 | sha512sum
  EXPECT_EQ(proxy_upstream_name("127.0.0.11"), "http://13fc798eeb01c3d7");
  EXPECT_EQ(proxy_upstream_name(""), "http://cf83e1357eefb8bd");
}

}  // namespace
}  // namespace hybridge::http
