// What the upstream is sent, byte for byte, and what the client gets of its answer.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

class Pair {
 public:
  explicit Pair(EdgeWorld::Options options = {}) : world(std::move(options)) { world.serve(upstream); }

  PeerServer upstream;
  EdgeWorld world;
};

// Without the values that differ from request to request.
std::string with_marks(std::string head) {
  head = std::regex_replace(head, std::regex("X-Client-Port: [0-9]+"), "X-Client-Port: PORT");
  head = std::regex_replace(head, std::regex("X-Request-ID: [0-9a-f]{32}\r"), "X-Request-ID: ID\r");
  return std::regex_replace(head, std::regex("traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r"), "traceparent: TRACE\r");
}

constexpr std::string_view kOwn =
    "Host: a.test\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Client-Port: PORT\r\n"
    "X-Forwarded-Proto: https\r\nX-Forwarded-Host: A.test:8443\r\nX-Request-ID: ID\r\ntraceparent: TRACE\r\n";

TEST(Forward, SendsTheRequestExactlySo) {
  Pair pair;
  auto client = pair.world.connect_tls("a.test");
  client.send(
      "GET //a/%61ssets?q=%41&r= HTTP/1.1\r\nUser-Agent: tests\r\nHost: A.test:8443\r\nX-Real-IP: 6.6.6.6\r\n"
      "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Server: x\r\nForwarded: for=6.6.6.6\r\n"
      "CF-Connecting-IP: 6.6.6.6\r\nX-Frappe-Site-Name: other\r\nX-Frappe-CSRF-Token: token\r\n"
      "X-Client-Port: 1\r\nConnection: keep-alive, X-Named, Host, X-Forwarded-For\r\nX-Named: gone\r\n"
      "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: secret\r\nX_Real_IP: 6.6.6.6\r\nUpgrade: h2c\r\n"
      "Cookie: sid=1; x=2\r\nX-Empty:\r\n\r\n");
  auto server = pair.upstream.accept();
  EXPECT_EQ(with_marks(server.receive_until("\r\n\r\n")),
            "GET //a/%61ssets?q=%41&r= HTTP/1.1\r\n" + std::string(kOwn) +
                "User-Agent: tests\r\nX-Frappe-CSRF-Token: token\r\nCookie: sid=1; x=2\r\nX-Empty: \r\n" +
                "Connection: TE\r\nTE: trailers\r\n\r\n");
  server.send(ok("x"));
  EXPECT_EQ(client.response().body, "x");
}

TEST(Forward, KeepsATraceAndBeginsOne) {
  Pair pair;
  auto client = pair.world.connect();
  const std::string trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
  client.send(get("/", trace));
  auto server = pair.upstream.accept();
  EXPECT_NE(server.receive_until("\r\n\r\n").find(trace), std::string::npos);
  server.send(ok("x"));
  client.response();
  // Neither has a meaning: letters that are no digits, and identifiers of zeroes alone.
  for (const auto* bad : {"nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}) {
    client.send(get("/", std::string("traceparent: ") + bad + "\r\n"));
    const auto begun = server.receive_until("\r\n\r\n");
    EXPECT_TRUE(std::regex_search(begun, std::regex("traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n"))) << begun;
    EXPECT_EQ(begun.find(bad), std::string::npos) << begun;
    server.send(ok("x"));
    client.response();
  }
}

TEST(Forward, SaysHttpWhereItsClientsDo) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  EXPECT_NE(server.receive_until("\r\n\r\n").find("X-Forwarded-Proto: http\r\n"), std::string::npos);
  server.send(ok("x"));
  client.response();
}

TEST(Forward, BelievesWhatATrustedProxySaysOfItsClient) {
  Pair pair({.tune = [](Config& config) { config.trusted_proxies = {*Network::parse("127.0.0.0/8")}; }});
  auto client = pair.world.connect();
  client.send(get("/", "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 127.0.0.5\r\nX-Forwarded-Proto: https\r\n"));
  auto server = pair.upstream.accept();
  const auto seen = server.receive_until("\r\n\r\n");
  EXPECT_NE(seen.find("X-Real-IP: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.9\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("X-Forwarded-Proto: https\r\n"), std::string::npos) << seen;
  server.send(ok("x"));
  client.response();
  client.send(get("/", "CF-Connecting-IP: 203.0.113.77\r\nX-Forwarded-For: 203.0.113.9\r\n"));
  EXPECT_NE(server.receive_until("\r\n\r\n").find("X-Real-IP: 203.0.113.77\r\n"), std::string::npos);
  server.send(ok("x"));
  client.response();
  // Of a balancer that adds a field of its own, what stands before it is the client's own claim.
  client.send(get("/",
                  "X-Forwarded-For: 6.6.6.6\r\nAccept: */*\r\nX-Forwarded-For: 203.0.113.9, 127.0.0.6\r\n"
                  "X-Forwarded-For: 127.0.0.5\r\n"));
  EXPECT_NE(server.receive_until("\r\n\r\n").find("X-Real-IP: 203.0.113.9\r\n"), std::string::npos);
  server.send(ok("x"));
  client.response();
}

TEST(Forward, AddsCorsDefaultsWhereTodaysProxyDoes) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/app"));
  auto server = pair.upstream.accept();
  const struct {
    const char* target;
    bool is_added;
  } tries[] = {{"/app", true},         {"/assets", true},         {"/assets/a.css", false}, {"//assets/a.css", false},
               {"/%61ssets/x", false}, {"/x/../assets/x", false}, {"/assets/../app", true}, {"/socket.io/?a=b", false},
               {"/socket.iox", false}, {"/files/assets/x", true}};
  for (const auto& [target, is_added] : tries) {
    if (target != std::string_view("/app")) client.send(get(target));
    server.receive_until("\r\n\r\n");
    server.send(ok("x"));
    const auto answer = client.response();
    EXPECT_EQ(answer.field("Access-Control-Allow-Origin"), is_added ? "https://a.test" : "") << target;
    EXPECT_EQ(answer.field("Access-Control-Allow-Methods"), is_added ? "GET, POST, OPTIONS" : "") << target;
  }
}

TEST(Forward, PassesABodyWithItsLength) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post("/p", "some body", "Content-Type: text/plain\r\n"));
  auto server = pair.upstream.accept();
  const auto head = server.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 9\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("Content-Type: text/plain\r\n"), std::string::npos) << head;
  EXPECT_EQ(server.receive(9), "some body");
  server.send(ok("x"));
  EXPECT_EQ(client.response().status, 200);
}

TEST(Forward, PassesChunksOnAsTheyComeWithoutTheirTrailers) {
  Pair pair;
  auto client = pair.world.connect();
  client.send("POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
  auto server = pair.upstream.accept();
  EXPECT_NE(server.receive_until("\r\n\r\n").find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(server.receive(9), "4\r\nsome\r\n");  // before the rest has been sent
  client.send("5;x=1\r\n body\r\n0\r\nX-Trailer: gone\r\n\r\n");
  EXPECT_EQ(server.receive_until("0\r\n\r\n"), "5\r\n body\r\n0\r\n\r\n");
  server.send(ok("x"));
  EXPECT_EQ(client.response().status, 200);
}

TEST(Forward, PassesTheTrailersOfAnAnswerToWhoSaysThatItTakesThem) {
  Pair pair;
  auto client = pair.world.connect();
  const auto answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  client.send(get("/", "TE: trailers\r\nConnection: TE\r\n"));
  auto server = pair.upstream.accept();
  EXPECT_TRUE(server.receive_until("\r\n\r\n").ends_with("\r\nConnection: TE\r\nTE: trailers\r\n\r\n"));
  server.send(std::string(answer) + "1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nX-Time: 2\r\n\r\n");
  EXPECT_NE(client.receive_until("\r\n\r\n").find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "1\r\nx\r\n0\r\nX-Sum: 1\r\nX-Time: 2\r\n\r\n");

  client.send(get("/"));
  server.receive_until("\r\n\r\n");
  server.send(std::string(answer) + "1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n");
  client.receive_until("\r\n\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "1\r\nx\r\n0\r\n\r\n");
}

TEST(Forward, AnswersAnExpectationItselfWhenTheServerWaitsForTheBody) {
  Pair pair;
  auto client = pair.world.connect();
  client.send("POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.response().status, 100);
  client.send("body");
  auto server = pair.upstream.accept();
  EXPECT_EQ(server.receive_until("\r\n\r\n").find("Expect"), std::string::npos);
  EXPECT_EQ(server.receive(4), "body");
  server.send("HTTP/1.1 100 Continue\r\n\r\n" + ok("x"));  // that nobody asked it for
  EXPECT_EQ(client.response().status, 200);
}

TEST(Forward, RewritesTheAnswersHead) {
  Pair pair({.tune = [](Config& config) { config.server_header = "Frappe Cloud"; }});
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(
      "HTTP/1.1 200 Fine\r\nServer: gunicorn\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Frame-Options: ALLOWALL\r\n"
      "Strict-Transport-Security: max-age=1\r\nX-Accel-Redirect: /secret\r\nX-Accel-Buffering: no\r\nVia: 1.1 x\r\n"
      "X-Powered-By: Frappe\r\nAccess-Control-Allow-Origin: *\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
      "Connection: keep-alive, X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=9\r\nX-Request-ID: theirs\r\n"
      "X-Hybridge-Reason: theirs\r\nContent-Length: 2\r\n\r\nhi");
  const auto answer = client.response();
  EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 200 Fine\r\n"));
  EXPECT_EQ(answer.fields.count("set-cookie"), 2u);
  for (const auto& [name, value] : std::multimap<std::string, std::string>{
           {"Server", "Frappe Cloud"},
           {"Date", "Mon, 01 Jan 2024 00:00:00 GMT"},
           {"X-Frame-Options", "SAMEORIGIN"},
           {"Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"},
           {"X-Accel-Redirect", ""},
           {"X-Accel-Buffering", ""},
           {"Via", "1.1 x"},
           {"X-Powered-By", "Frappe"},
           {"Access-Control-Allow-Origin", "*"},
           {"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
           {"Access-Control-Allow-Credentials", "true"},
           {"Connection", ""},
           {"Keep-Alive", ""},
           {"X-Hop", ""},
           {"X-Hybridge-Reason", ""},
           {"Content-Length", "2"},
       }) {
    EXPECT_EQ(answer.field(name), value) << name;
  }
  EXPECT_EQ(answer.field("X-Request-ID").size(), 32u);
  EXPECT_EQ(answer.fields.count("x-request-id"), 1u);
  EXPECT_EQ(answer.fields.count("server"), 1u);
}

TEST(Forward, GivesTheUpstreamAndTheClientTheSameRequestId) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/", "X-Request-ID: theirs\r\n"));
  auto server = pair.upstream.accept();
  const auto seen = server.receive_until("\r\n\r\n");
  server.send(ok("x"));
  const auto id = client.response().field("X-Request-ID");
  EXPECT_EQ(id.size(), 32u);
  EXPECT_NE(seen.find("\r\nX-Request-ID: " + id + "\r\n"), std::string::npos) << seen;
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_NE(pair.world.log_lines().at(0).find(id), std::string::npos);
}

TEST(Forward, PassesEveryKindOfBody) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nX-T: t\r\n\r\n");
  auto chunked = client.response();
  EXPECT_EQ(chunked.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(chunked.body, "abcd");
  client.send(get("/"));
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\n\r\nuntil close");
  server.close();
  auto closed = client.response();
  EXPECT_EQ(closed.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(closed.body, "until close");
  EXPECT_TRUE(closed.is_whole);
  client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto second = pair.upstream.accept();
  second.receive_until("\r\n\r\n");
  second.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
  EXPECT_EQ(client.response(true).field("Content-Length"), "1234");
  client.send(get("/"));
  second.receive_until("\r\n\r\n");
  second.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1234\r\n\r\n");
  const auto not_modified = client.response();
  EXPECT_EQ(not_modified.status, 304);
  EXPECT_EQ(not_modified.field("ETag"), "\"x\"");
  client.send(get("/"));
  second.receive_until("\r\n\r\n");
  second.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(client.response().status, 204);
  EXPECT_EQ(pair.world.ended(Reason::kOk), 5u);
}

TEST(Forward, PassesAStreamedAnswerWithoutDelay) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/events"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_NE(client.receive_until("\r\n\r\n").find("text/event-stream"), std::string::npos);
  for (int i = 0; i < 3; ++i) {
    server.send("9\r\ndata: x\n\n\r\n");
    EXPECT_EQ(client.receive(14), "9\r\ndata: x\n\n\r\n");
  }
  server.send("0\r\n\r\n");
  EXPECT_EQ(client.receive(5), "0\r\n\r\n");
}

TEST(Forward, PassesEarlyHints) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\n\r\n");
  const auto hints = client.response();
  EXPECT_EQ(hints.status, 103);
  EXPECT_EQ(hints.field("Link"), "</a.css>; rel=preload");
  EXPECT_EQ(hints.field("Connection"), "");
  server.send(ok("x"));
  EXPECT_EQ(client.response().body, "x");
}

TEST(Forward, PassesWhatTheServerRefusesUntouched) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  const auto statuses = {400, 401, 402, 403, 404, 410, 413, 417, 500, 501, 503, 520};
  bool is_first = true;
  for (const int status : statuses) {
    if (!is_first) client.send(get("/", "Accept: text/html\r\n"));
    is_first = false;
    server.receive_until("\r\n\r\n");
    server.send("HTTP/1.1 " + std::to_string(status) + " Sorry\r\nContent-Length: 6\r\n\r\ntheirs");
    const auto answer = client.response();
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, "theirs");
  }
  EXPECT_EQ(pair.world.ended(Reason::kOk), statuses.size());
}

TEST(Forward, ReplacesThreeStatusesByPagesForPeopleAlone) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/", "Accept: text/html\r\n"));
  auto server = pair.upstream.accept();
  bool is_first = true;
  for (const int status : {429, 502, 504}) {
    const std::string theirs =
        "HTTP/1.1 " + std::to_string(status) +
        " Theirs\r\nContent-Type: application/json\r\nX-Theirs: x\r\nContent-Length: 15\r\n\r\n{\"exc\":\"theirs\"}";
    if (!is_first) client.send(get("/", "Accept: text/html\r\n"));
    is_first = false;
    server.receive_until("\r\n\r\n");
    server.send(theirs.substr(0, theirs.size() - 1));
    const auto page = client.response();
    EXPECT_EQ(page.status, status);
    EXPECT_EQ(page.field("Content-Type"), "text/html; charset=utf-8");
    EXPECT_EQ(page.field("X-Theirs"), "");
    EXPECT_EQ(page.field("X-Hybridge-Reason"), "upstream_status");
    EXPECT_EQ(page.body.find("theirs"), std::string::npos);

    client.send(get("/api/method/x", "Accept: application/json\r\n"));
    server.receive_until("\r\n\r\n");
    server.send(theirs.substr(0, theirs.size() - 1));
    const auto json = client.response();
    EXPECT_EQ(json.status, status);
    EXPECT_EQ(json.field("X-Theirs"), "x");
    EXPECT_EQ(json.body, "{\"exc\":\"theirs\"");
  }
  EXPECT_EQ(pair.world.ended(Reason::kUpstreamStatus), 3u);
  EXPECT_EQ(pair.world.ended(Reason::kOk), 3u);
}

TEST(Forward, ReusesItsConnectionsToTheServer) {
  Pair pair;
  auto first = pair.world.connect();
  first.send(get("/1"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("1"));
  first.response();
  auto second = pair.world.connect();
  second.send(get("/2"));
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /2 "));
  server.send(ok("2"));
  EXPECT_EQ(second.response().body, "2");
  EXPECT_FALSE(pair.upstream.has_caller());
  EXPECT_EQ(pair.world.upstream_connections(UpstreamState::kIdle), 1);
}

TEST(Forward, NeverReusesAConnectionThatTheServerEnds) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/1"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("1", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, "1");
  client.send(get("/2"));
  auto second = pair.upstream.accept();
  second.receive_until("\r\n\r\n");
  second.send(ok("2"));
  EXPECT_EQ(client.response().body, "2");
}

TEST(Forward, VerifiesAndReachesAnHttpsServer) {
  // The edge itself is the HTTPS server: another world, whose default certificate the first one is told to expect.
  PeerServer upstream;
  EdgeWorld behind;
  behind.serve(upstream);
  EdgeWorld world;
  world.set_server("f1.test", {behind.https}, [&](Server& server) {
    server.tls = {.mode = ServerTls::Mode::kVerify, .name = "default.test", .ca = behind.authority.pem()};
  });
  world.set_site("a.test", "f1.test");
  world.set_server("f2.test", {behind.https}, [&](Server& server) {
    server.tls = {.mode = ServerTls::Mode::kVerify, .name = "other.test", .ca = behind.authority.pem()};
  });
  world.set_site("b.test", "f2.test");
  auto client = world.connect_tls("a.test");
  client.send(get("/x"));
  auto server = upstream.accept();
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /x HTTP/1.1\r\nHost: a.test\r\n"));
  server.send(ok("through both"));
  EXPECT_EQ(client.response().body, "through both");
  client.send("GET /x HTTP/1.1\r\nHost: b.test\r\n\r\n");
  const auto refused = client.response();
  EXPECT_EQ(refused.status, 502);
  EXPECT_EQ(refused.field("X-Hybridge-Reason"), "upstream_tls");
  EXPECT_FALSE(upstream.has_caller());
}

TEST(Forward, AnswersPipelinedRequestsInOrder) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/1") + post("/2", "two") + get("/3"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("1"));
  EXPECT_EQ(client.response().body, "1");
  server.receive_until("two");
  server.send(ok("2"));
  EXPECT_EQ(client.response().body, "2");
  server.receive_until("\r\n\r\n");
  server.send(ok("3"));
  EXPECT_EQ(client.response().body, "3");
}

}  // namespace
}  // namespace hybridge::test
