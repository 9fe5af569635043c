// Where a request goes, and what the edge says itself: as users know it from the proxy that was there before.
#include <gtest/gtest.h>

#include <string>

#include "proxy/http/forwarded.h"
#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

std::string request(std::string_view method, std::string_view host, std::string_view target,
                    std::string_view more_fields = {}) {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n" +
         std::string(more_fields) + "\r\n";
}

void expect_security_headers(const Response& response) {
  EXPECT_EQ(response.field("X-Frame-Options"), "SAMEORIGIN");
  EXPECT_EQ(response.field("X-XSS-Protection"), "1; mode=block");
  EXPECT_EQ(response.field("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(response.field("Referrer-Policy"), "no-referrer-when-downgrade");
  EXPECT_EQ(response.field("Strict-Transport-Security"), "max-age=31536000; includeSubDomains; preload");
}

EdgeWorld::Options with_domain() {
  return {.tune = [](Config& config) {
    config.domain = "fc.test";
    config.server_name = "n1.fc.test";
  }};
}

TEST(Routing, SendsAnUnknownHostToTheDashboard) {
  EdgeWorld world(with_domain());
  PeerServer upstream;
  world.serve(upstream);
  auto client = world.connect_tls("nobody.test");
  for (const auto* method : {"GET", "POST", "DELETE", "OPTIONS", "FOO"}) {
    client.send(request(method, "Nobody.TEST:8443", "/path?query"));
    const auto answer = client.response();
    EXPECT_EQ(answer.status, 307) << method;
    EXPECT_EQ(answer.field("Location"), "https://fc.test/dashboard/#/sites/new?domain=nobody.test");
    EXPECT_EQ(answer.field("X-Proxy-Upstream"), "http://site_not_found");
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), "unknown_host");
    EXPECT_EQ(answer.field("X-Request-ID").size(), 32u);
    EXPECT_TRUE(answer.is_whole);
    expect_security_headers(answer);
  }
  EXPECT_FALSE(upstream.has_caller());
  EXPECT_EQ(world.ended(Reason::kUnknownHost), 5u);
}

TEST(Routing, DoesNotFindAnUnknownHostWithoutADashboard) {
  EdgeWorld world;
  auto client = world.connect();
  client.send(request("GET", "nobody.test", "/", "Accept: text/html\r\n"));
  const auto page = client.response();
  EXPECT_EQ(page.status, 404);
  EXPECT_EQ(page.field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_TRUE(page.field("Location").empty());
  client.send(request("GET", "nobody.test", "/api/x", "Accept: application/json\r\n"));
  const auto problem = client.response();
  EXPECT_EQ(problem.status, 404);
  EXPECT_EQ(problem.field("Content-Type"), "application/problem+json");
  EXPECT_NE(problem.body.find("\"code\":\"unknown_host\""), std::string::npos) << problem.body;
}

TEST(Routing, SendsPort80ToHttps) {
  EdgeWorld world({.tune = [](Config& config) {
    config.domain = "fc.test";
    config.redirect_to_https = true;
  }});
  PeerServer upstream;
  world.serve(upstream);
  auto client = world.connect();
  for (const auto* method : {"GET", "POST", "HEAD"}) {
    for (const auto* host : {"a.test", "nobody.test:8080"}) {
      client.send(request(method, host, "//x/../y?z=%41"));
      const auto answer = client.response(std::string_view(method) == "HEAD");
      EXPECT_EQ(answer.status, 308);
      EXPECT_EQ(
          answer.field("Location"),
          std::string("https://") + (std::string_view(host) == "a.test" ? "a.test" : "nobody.test") + "//x/../y?z=%41");
      EXPECT_EQ(answer.field("Strict-Transport-Security"), "");  // none of the security headers, as today
      EXPECT_EQ(answer.field("X-Frame-Options"), "");
    }
  }
  client.send(request("GET", "a.test", "/.well-known/acme-challenge/token"));
  auto acme = client.response();
  EXPECT_EQ(acme.status, 301);
  EXPECT_EQ(acme.field("Location"), "http://ssl.fc.test/.well-known/acme-challenge/token");
  client.send(request("GET", "a.test", "/.well-known/acme-challenge"));
  EXPECT_EQ(client.response().status, 308);
  EXPECT_FALSE(upstream.has_caller());
  EXPECT_EQ(world.ended(Reason::kRedirectToHttps), 7u);
  EXPECT_EQ(world.ended(Reason::kAcmeRedirect), 1u);
}

TEST(Routing, RefusesABadRequestOnPort80BeforeRedirectingIt) {
  EdgeWorld world({.tune = [](Config& config) { config.redirect_to_https = true; }});
  auto client = world.connect();
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.response().status, 400);
  EXPECT_TRUE(client.await_end());
}

TEST(Routing, RedirectsAHostToAnother) {
  EdgeWorld world(with_domain());
  PeerServer upstream;
  world.serve(upstream);
  world.set_host("old.test", {.site = "a.test", .redirect = "a.test"});
  auto client = world.connect_tls("old.test");
  for (const auto* method : {"GET", "POST"}) {
    client.send(request(method, "old.test", "/assets/x?y=1"));
    const auto answer = client.response();
    EXPECT_EQ(answer.status, 308);
    EXPECT_EQ(answer.field("Location"), "https://a.test/assets/x?y=1");
    EXPECT_EQ(answer.field("X-Proxy-Upstream"), "");
    EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), "");
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), "host_redirect");
    expect_security_headers(answer);
  }
  EXPECT_FALSE(upstream.has_caller());
}

TEST(Routing, ShowsThePageOfASitesStatus) {
  EdgeWorld world(with_domain());
  PeerServer upstream;
  world.serve(upstream);
  world.set_site("suspended.test", "f1.test", SiteStatus::kSuspended);
  world.set_site("saas.test", "f1.test", SiteStatus::kSuspendedSaas);
  world.set_site("off.test", "f1.test", SiteStatus::kDeactivated);
  world.set_host("custom.test", {.site = "suspended.test", .redirect = {}});
  const struct {
    const char* host;
    int status;
    const char* upstream;
    const char* reason;
  } cases[] = {
      {"suspended.test", 402, "http://suspended", "suspended"},
      {"custom.test", 402, "http://suspended", "suspended"},
      {"saas.test", 402, "http://suspended_saas", "suspended_saas"},
      {"off.test", 503, "http://deactivated", "deactivated"},
  };
  auto client = world.connect_tls("suspended.test");
  for (const auto& [host, status, proxy_upstream, reason] : cases) {
    for (const auto* method : {"GET", "POST", "HEAD"}) {
      const bool is_head = std::string_view(method) == "HEAD";
      client.send(request(method, host, "/app", "Accept: text/html\r\n"));
      const auto answer = client.response(is_head);
      EXPECT_EQ(answer.status, status) << host;
      EXPECT_EQ(answer.field("X-Proxy-Upstream"), proxy_upstream);
      EXPECT_EQ(answer.field("X-Hybridge-Reason"), reason);
      EXPECT_EQ(answer.field("Content-Type"), "text/html; charset=utf-8");
      EXPECT_EQ(answer.field("Cache-Control"), "no-store");
      EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), std::string("https://") + host);
      EXPECT_EQ(answer.body.empty(), is_head);
      expect_security_headers(answer);
    }
    client.send(request("GET", host, "/socket.io/?EIO=4"));
    EXPECT_EQ(client.response().field("Access-Control-Allow-Origin"), "") << host;
  }
  EXPECT_FALSE(upstream.has_caller());
  EXPECT_EQ(world.ended(Reason::kSuspended), 8u);
  EXPECT_EQ(world.ended(Reason::kSuspendedSaas), 4u);
  EXPECT_EQ(world.ended(Reason::kDeactivated), 4u);
}

TEST(Routing, CarriesASiteUnderAllItsNames) {
  EdgeWorld world(with_domain());
  PeerServer upstream;
  world.serve(upstream);
  world.set_host("custom.test", {.site = "a.test", .redirect = {}});
  world.set_host("*.saas.test", {});
  world.set_site("tenant.saas.test", "f1.test");
  auto client = world.connect_tls("a.test");
  client.send(request("GET", "a.test", "/"));
  auto server = upstream.accept();
  for (const auto* host : {"a.test", "A.Test", "a.test:443", "a.test.", "custom.test", "tenant.saas.test"}) {
    if (std::string_view(host) != "a.test") client.send(request("GET", host, "/"));
    const auto seen = server.receive_until("\r\n\r\n");
    std::string name = host;
    if (name == "A.Test" || name == "a.test:443" || name == "a.test.") name = "a.test";
    EXPECT_NE(seen.find("\r\nHost: " + name + "\r\n"), std::string::npos) << seen;
    EXPECT_NE(seen.find("\r\nX-Forwarded-Host: " + std::string(host) + "\r\n"), std::string::npos) << seen;
    server.send(ok("hello"));
    const auto answer = client.response();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("X-Proxy-Upstream"), http::proxy_upstream_name("f1.test"));
    EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), "https://" + name);
  }
  client.send(request("GET", "other.saas.test", "/"));
  EXPECT_EQ(client.response().status, 307);  // a tenant that is not there
}

TEST(Routing, TakesTheHostOfAnAbsoluteTarget) {
  EdgeWorld world;
  PeerServer upstream;
  world.serve(upstream);
  auto client = world.connect();
  client.send("GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto server = upstream.accept();
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /x?y HTTP/1.1\r\nHost: a.test\r\n"));
  server.send(ok("yes"));
  EXPECT_EQ(client.response().body, "yes");
  client.send("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n");
  EXPECT_EQ(client.response().status, 400);
}

TEST(Routing, NeverTakesTheBodyOfARequestItAnswersForAnotherOne) {
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
  const std::string next = get("/next");
  const auto is_carried_alone = [&](const std::string& bytes, bool in_pieces) {
    EdgeWorld world(with_domain());
    PeerServer upstream;
    world.serve(upstream);
    auto client = world.connect();
    if (in_pieces) {
      const auto head_end = bytes.find("\r\n\r\n") + 4;
      client.send(bytes.substr(0, head_end));
      EXPECT_EQ(client.response().status, 307);
      client.send_until_blocked(bytes.substr(head_end), bytes.size());
      EXPECT_TRUE(client.await_end());  // where the body ends was not to be known
      EXPECT_FALSE(upstream.has_caller());
      return;
    }
    client.send(bytes);
    EXPECT_EQ(client.response().status, 307);
    auto server = upstream.accept();
    EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /next "));
    server.send(ok("next"));
    EXPECT_EQ(client.response().body, "next");
  };
  const auto by_length = "POST /x HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: " + std::to_string(hidden.size()) +
                         "\r\n\r\n" + hidden + next;
  const auto by_chunks = "POST /x HTTP/1.1\r\nHost: nobody.test\r\nTransfer-Encoding: chunked\r\n\r\n26\r\n" + hidden +
                         "\r\n0\r\n\r\n" + next;
  for (const bool in_pieces : {false, true}) {
    is_carried_alone(by_length, in_pieces);
    is_carried_alone(by_chunks, in_pieces);
  }
}

TEST(Routing, RefusesWhatItDoesNotSpeak) {
  EdgeWorld world;
  PeerServer upstream;
  world.serve(upstream);
  const struct {
    std::string_view request;
    int status;
    std::string_view reason;
  } cases[] = {
      {"TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, "method_not_allowed"},
      {"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 405, "method_not_allowed"},
      {"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 505, "version_not_supported"},
      {"GET / HTTP/1.1\r\n\r\n", 400, "bad_host"},
      {"GET / HTTP/1.0\r\n\r\n", 400, "bad_host"},
      {"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", 400, "bad_host"},
      {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "bad_framing"},
      {"GET / HTTP/1.1\nHost: a.test\n\n", 400, "bad_request_line"},
      {"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\n", 417, "expectation_failed"},
  };
  for (const auto& [bytes, status, reason] : cases) {
    auto client = world.connect();
    client.send(bytes);
    const auto answer = client.response();
    EXPECT_EQ(answer.status, status) << bytes;
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), reason) << bytes;
    EXPECT_EQ(answer.field("Connection"), "close");
    expect_security_headers(answer);
    EXPECT_TRUE(client.await_end());
    EXPECT_FALSE(client.was_reset());
  }
  EXPECT_FALSE(upstream.has_caller());
}

}  // namespace
}  // namespace hybridge::test
