// What becomes of a request when its server, or the way to it, fails: status, reason, retries, and what was repeated.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/edge_world.h"
#include "tests/support/origin.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

class Pair {
 public:
  explicit Pair(EdgeWorld::Options options = {}) : world(std::move(options)) { world.serve(upstream); }

  // A connection to the server that has carried a request and rests.
  Peer rested() {
    auto client = world.connect();
    client.send(get("/first"));
    auto server = upstream.accept();
    server.receive_until("\r\n\r\n");
    server.send(ok("first"));
    EXPECT_EQ(client.response().body, "first");
    return server;
  }

  PeerServer upstream;
  EdgeWorld world;
};

void expect_refusal(const Response& answer, int status, std::string_view reason) {
  EXPECT_EQ(answer.status, status);
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), reason) << answer.head;
  EXPECT_TRUE(answer.is_whole);
}

// ---- The retry rule (decisions 3) ----

TEST(Faults, RepeatsAGetWhenAReusedConnectionClosesUnanswered) {
  Pair pair;
  auto old = pair.rested();
  auto client = pair.world.connect();
  client.send(get("/again"));
  EXPECT_TRUE(old.receive_until("\r\n\r\n").starts_with("GET /again "));
  old.close();  // it had got the request
  auto fresh = pair.upstream.accept();
  EXPECT_TRUE(fresh.receive_until("\r\n\r\n").starts_with("GET /again "));
  fresh.send(ok("again"));
  EXPECT_EQ(client.response().body, "again");
  EXPECT_EQ(pair.world.retries(), 1u);
  EXPECT_EQ(pair.world.ended(Reason::kOk), 2u);
}

TEST(Faults, RepeatsOnlyOnce) {
  Pair pair;
  auto old = pair.rested();
  auto client = pair.world.connect();
  client.send(get("/again"));
  old.receive_until("\r\n\r\n");
  old.close();
  auto fresh = pair.upstream.accept();
  fresh.receive_until("\r\n\r\n");
  fresh.close();
  expect_refusal(client.response(), 502, "upstream_closed");
  EXPECT_FALSE(pair.upstream.has_caller());
  EXPECT_EQ(pair.world.retries(), 1u);
}

TEST(Faults, DoesNotRepeatAGetThatWentOnANewConnection) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/once"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.close();
  expect_refusal(client.response(), 502, "upstream_closed");
  EXPECT_FALSE(pair.upstream.has_caller());
  EXPECT_EQ(pair.world.retries(), 0u);
}

TEST(Faults, DoesNotRepeatAGetWhoseAnswerHasBegun) {
  Pair pair;
  auto old = pair.rested();
  auto client = pair.world.connect();
  client.send(get("/half"));
  old.receive_until("\r\n\r\n");
  old.send("HTTP/1.1 200 O");
  old.shutdown();
  expect_refusal(client.response(), 502, "upstream_closed");
  EXPECT_FALSE(pair.upstream.has_caller());
}

TEST(Faults, NeverRepeatsAPost) {
  Pair pair;
  auto old = pair.rested();
  for (const auto& request : {post("/write", "body"), post("/write", "")}) {
    auto client = pair.world.connect();
    client.send(request);
    // Whether it goes by the rested connection or a new one: it is seen once.
    auto server = old.is_open() && old.has_input() ? std::move(old) : Peer(-1);
    if (!server.is_open()) {
      eventually([&] { return old.has_input() || pair.upstream.has_caller(); });
      server = old.has_input() ? std::move(old) : pair.upstream.accept();
    }
    EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("POST /write "));
    server.close();
    expect_refusal(client.response(), 502, "upstream_closed");
    EXPECT_FALSE(pair.upstream.has_caller());
  }
  EXPECT_EQ(pair.world.retries(), 0u);
}

TEST(Faults, SendsAPostPastAConnectionThatHasClosed) {
  Pair pair;
  auto old = pair.rested();
  old.close();
  auto client = pair.world.connect();
  client.send(post("/write", "body"));
  auto fresh = pair.upstream.accept();
  EXPECT_TRUE(fresh.receive_until("body").starts_with("POST /write "));
  fresh.send(ok("written"));
  EXPECT_EQ(client.response().body, "written");
}

TEST(Faults, TriesAnotherEndpointWhenConnectingFails) {
  PeerServer dead;
  PeerServer alive;
  EdgeWorld world;
  world.set_server("f1.test", {dead.address(), alive.address()});
  world.set_site("a.test", "f1.test");
  dead.stop();
  auto client = world.connect();
  for (int i = 0; i < 2; ++i) {  // each endpoint has its turn to be the first
    client.send(post("/write", "body"));
    auto server = alive.accept();
    server.receive_until("body");
    server.send(ok("written", "Connection: close\r\n"));
    EXPECT_EQ(client.response().body, "written");
  }
}

// ---- Reasons ----

TEST(Faults, SaysThatAServerCannotBeReached) {
  Pair pair;
  pair.upstream.stop();
  auto client = pair.world.connect();
  client.send(get("/", "Accept: text/html\r\n"));
  const auto page = client.response();
  expect_refusal(page, 502, "upstream_connect_failed");
  EXPECT_EQ(page.field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.field("X-Proxy-Upstream"), "");
  EXPECT_EQ(page.field("Access-Control-Allow-Origin"), "");
  client.send(post("/api/x", "body", "Accept: application/json\r\n"));
  const auto problem = client.response();
  expect_refusal(problem, 502, "upstream_connect_failed");
  EXPECT_EQ(problem.field("Content-Type"), "application/problem+json");
}

TEST(Faults, FailsFastWhileAServerIsLeftAloneAndComesBack) {
  Pair pair(
      {.tune = [](Config& config) { config.upstream.health = {.failures = 1, .retry_after = 200ms, .check = {}}; }});
  pair.upstream.stop();
  auto client = pair.world.connect();
  client.send(get("/"));
  expect_refusal(client.response(), 502, "upstream_connect_failed");
  client.send(get("/"));
  expect_refusal(client.response(), 502, "upstream_down");
  pair.upstream.start_again();
  std::string body;
  eventually([&] {
    client.send(get("/"));
    if (pair.upstream.has_caller()) {
      auto server = pair.upstream.accept();
      server.receive_until("\r\n\r\n");
      server.send(ok("back"));
    }
    body = client.response().body;
    return body == "back";
  });
}

// A server that answers no knock: nobody accepts, and no more are let into the queue before it.
class DeafServer {
 public:
  DeafServer() : server_("127.0.0.1", 0) {
    for (int i = 0; i < 3; ++i) {
      fillers_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      ::connect(fillers_.back(), server_.address().data(), server_.address().size());
    }
  }
  ~DeafServer() {
    for (const int filler : fillers_) ::close(filler);
  }
  const Address& address() const { return server_.address(); }

 private:
  PeerServer server_;
  std::vector<int> fillers_;
};

TEST(Faults, SaysThatConnectingTookTooLong) {
  DeafServer deaf;
  EdgeWorld world({.tune = [](Config& config) { config.timeouts.connect = 300ms; }});
  world.set_server("f1.test", {deaf.address()});
  world.set_site("a.test", "f1.test");
  auto client = world.connect();
  client.send(get("/"));
  expect_refusal(client.response(), 504, "upstream_connect_timeout");
}

TEST(Faults, ForgetsARequestWhoseClientLeftWhileItsServerWasConnectedTo) {
  DeafServer deaf;
  EdgeWorld world;
  world.set_server("f1.test", {deaf.address()});
  world.set_site("a.test", "f1.test");
  auto client = world.connect();
  client.send(post("/", "body"));
  eventually([&] { return world.upstream_connections(UpstreamState::kConnecting) == 1; });
  client.reset();
  eventually([&] { return world.in_flight() == 0; });
  EXPECT_EQ(world.ended(Reason::kClientGone), 1u);
}

TEST(Faults, CostOtherServersNothing) {
  PeerServer dead;  // takes connections and requests, and never answers
  Origin alive(ok("alive", "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"));
  EdgeWorld world({.tune = [](Config& config) {
    config.limits.upstream_connections = 10;
    config.limits.upstream_waiting = 20;
  }});
  world.set_server("f1.test", {dead.address()});
  world.set_site("a.test", "f1.test");
  world.set_server("f2.test", {alive.address()});
  world.set_site("b.test", "f2.test");
  std::vector<Peer> stuck;
  for (int i = 0; i < 60; ++i) {
    stuck.push_back(world.connect());
    stuck.back().send(get("/stuck"));
  }
  // A share of the bounds each, and no more: the rest is told so at once.
  eventually([&] {
    return world.ended(Reason::kServerBusy) > 0 && world.in_flight() + static_cast<std::int64_t>(world.ended()) == 60;
  });
  EXPECT_LE(world.in_flight(), 30);
  LoadClient client(world.http, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
  for (int i = 0; i < 200; ++i) EXPECT_EQ(client.get(), 200);
  for (auto& peer : stuck) peer.reset();
}

TEST(Faults, SaysThatAServerGaveNoAnswerInTime) {
  Pair pair({.tune = [](Config& config) { config.timeouts.response_head = 200ms; }});
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  expect_refusal(client.response(), 504, "upstream_head_timeout");
  EXPECT_TRUE(server.await_end());
}

TEST(Faults, SaysThatAnAnswerWasMalformed) {
  for (const std::string_view bad : {
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
           "HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
           "HTTP/2 200\r\n\r\n",
           "hello\r\n\r\n",
           "HTTP/1.1 101 Switching Protocols\r\n\r\n",
       }) {
    Pair pair;
    auto client = pair.world.connect();
    client.send(get("/"));
    auto server = pair.upstream.accept();
    server.receive_until("\r\n\r\n");
    server.send(bad);
    expect_refusal(client.response(), 502, "upstream_malformed");
    EXPECT_TRUE(server.await_end()) << bad;
  }
}

TEST(Faults, SaysThatAnAnswersHeadWasTooLarge) {
  Pair pair({.tune = [](Config& config) { config.limits.upstream_header_bytes = 4'096; }});
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nX: " + std::string(5'000, 'x') + "\r\n\r\n");
  expect_refusal(client.response(), 502, "upstream_head_too_large");
}

// Half an answer must not look like a whole one.
TEST(Faults, ResetsTheClientOfATruncatedAnswer) {
  const std::string get10 = "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n";
  const struct {
    std::string request;
    std::string_view answer;
  } cases[] = {
      {get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
      {get("/"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
      {get10, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
      {get("/"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n"},
  };
  for (const bool is_tls : {false, true}) {
    for (const auto& [request, answer] : cases) {
      Pair pair;
      auto client = is_tls ? pair.world.connect_tls("a.test") : pair.world.connect();
      client.send(request);
      auto server = pair.upstream.accept();
      server.receive_until("\r\n\r\n");
      server.send(answer);
      if (answer.find("nonsense") == std::string_view::npos) client.receive_until("half");
      server.close();
      EXPECT_EQ(client.receive_to_end().find("0\r\n\r\n"), std::string::npos);
      EXPECT_TRUE(client.was_reset()) << answer;
      eventually([&] { return pair.world.in_flight() == 0; });
      EXPECT_EQ(pair.world.ended(Reason::kUpstreamTruncated) + pair.world.ended(Reason::kUpstreamMalformed), 1u);
    }
  }
}

TEST(Faults, ResetsTheClientOfAnAnswerThatStopped) {
  Pair pair({.tune = [](Config& config) { config.timeouts.response_idle = 200ms; }});
  auto client = pair.world.connect();
  client.send(get("/"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  client.receive_to_end();
  EXPECT_TRUE(client.was_reset());
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kUpstreamIdle), 1u);
}

TEST(Faults, SaysThatAServerIsBusyWhenTooManyWait) {
  Pair pair;
  pair.world.set_server("f1.test", {pair.upstream.address()},
                        [](Server& server) { server.limits = {.connections = 1, .waiting = 1}; });
  auto first = pair.world.connect();
  first.send(get("/1"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  auto second = pair.world.connect();
  second.send(get("/2"));
  eventually([&] { return pair.world.in_flight() == 2; });
  Response refused;
  auto third = pair.world.connect();
  third.send(get("/3"));
  refused = third.response();
  expect_refusal(refused, 503, "server_busy");
  EXPECT_EQ(refused.field("Retry-After"), "2");
  server.send(ok("1"));
  EXPECT_EQ(first.response().body, "1");
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /2 "));  // it waited its turn
  server.send(ok("2"));
  EXPECT_EQ(second.response().body, "2");
}

TEST(Faults, LogsEachEndWithItsReason) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/fine?x=1", "User-Agent: tests\r\nReferer: https://r.test/\r\n"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("hello"));
  client.response();
  client.send(get("/bad"));
  server.receive_until("\r\n\r\n");
  server.send("nonsense\r\n\r\n");
  client.response();
  eventually([&] { return pair.world.in_flight() == 0; });
  const auto lines = pair.world.log_lines();
  ASSERT_EQ(lines.size(), 2u);
  for (const std::string_view part :
       {"\"site\":\"a.test\"", "\"host\":\"a.test\"", "\"client\":\"127.0.0.1\"", "\"method\":\"GET\"",
        "\"path\":\"/fine?x=1\"", "\"status\":200", "\"reason\":\"ok\"", "\"protocol\":\"HTTP/1.1\"",
        "\"server\":\"f1.test\"", "\"bytes_out\":5", "\"retries\":0", "\"user_agent\":\"tests\"",
        "\"referer\":\"https://r.test/\""}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << part << " in " << lines[0];
  }
  EXPECT_NE(lines[0].find("\"endpoint\":\"" + pair.upstream.address().to_string() + "\""), std::string::npos)
      << lines[0];
  EXPECT_NE(lines[1].find("\"status\":502"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("\"reason\":\"upstream_malformed\""), std::string::npos) << lines[1];
}

}  // namespace
}  // namespace hybridge::test
