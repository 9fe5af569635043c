// What the proxy answers under its own name, and the port by which an API of a floor above answers below it.
#include "proxy/own_host.h"

#include <gtest/gtest.h>

#include <new>
#include <string>
#include <thread>

#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

// Reads the body, leaves the worker for another thread, comes back, and says what it was asked.
class TellingApi final : public OwnApi {
 public:
  Task<void> serve(Call call) override {
    auto& stream = call.stream;
    std::string told = stream.request().method_name == "POST" ? "posted " : "asked ";
    told += std::string(stream.request().target) + " by " + call.client.ip() + ": ";
    for (;;) {
      const auto piece = co_await stream.read_body();
      if (!piece || piece->empty()) break;
      told += as_text(*piece);
    }
    Elsewhere elsewhere{call};
    co_await elsewhere;
    http::ResponseHead head;
    head.status = 202;
    head.phrase = "Accepted";
    head.framing = {http::Framing::Kind::kLength, told.size()};
    stream.write_head(head);
    const auto written = co_await stream.write_body(as_bytes(told));
    if (written) stream.finish();
  }

 private:
  struct Elsewhere {
    Call& call;
    std::thread thread = {};
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) {
      thread = std::thread([post = call.post, waiting] { post([waiting] { waiting.resume(); }); });
    }
    void await_resume() { thread.join(); }  // it has left the loop before the loop can go
  };
};

// Runs out of memory, before or behind the head of its answer.
class ThrowingApi final : public OwnApi {
 public:
  Task<void> serve(Call call) override {
    if (call.stream.request().method_name == "POST") {
      http::ResponseHead head;
      head.status = 200;
      head.phrase = "OK";
      head.framing = {http::Framing::Kind::kLength, 5};
      call.stream.write_head(head);
    }
    throw std::bad_alloc();
    co_return;
  }
};

std::string request(std::string_view method, std::string_view target, std::string_view more = "\r\n") {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: N1.fc.test:443\r\n" + std::string(more);
}

class OwnHost : public testing::Test {
 protected:
  static EdgeWorld::Options options(OwnApi* api, bool redirects = false) {
    return {.tune =
                [redirects](Config& config) {
                  config.domain = "fc.test";
                  config.server_name = "n1.fc.test";
                  config.redirect_to_https = redirects;
                },
            .own_api = api};
  }
};

TEST_F(OwnHost, HasAHomePageAndNothingElse) {
  EdgeWorld world(options(nullptr));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("GET", "/"));
  EXPECT_EQ(client.response().status, 200);
  for (const auto* target : {"/nowhere", "/agents", "/f1/agent/ping"}) {
    client.send(request("GET", target));
    EXPECT_EQ(client.response().status, 404) << target;
  }
  EXPECT_EQ(world.ended(Reason::kOwnPage), 1u);
  EXPECT_EQ(world.ended(Reason::kNotFound), 2u);
  EXPECT_EQ(world.ended(Reason::kUnknownServer), 1u);
}

TEST_F(OwnHost, AsksToComeAgainWhileItsApiStarts) {
  EdgeWorld world(options(nullptr));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("GET", "/agent/ping"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.field("Retry-After"), "2");
  EXPECT_EQ(answer.field("Content-Type"), "application/problem+json");
}

TEST_F(OwnHost, LetsAnApiAnswerBelowAgent) {
  TellingApi api;
  EdgeWorld world(options(&api));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("POST", "/agent//proxy/hosts?x=1", "Content-Length: 5\r\n\r\nhello"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "posted /agent//proxy/hosts?x=1 by 127.0.0.1: hello");
  client.send(request("GET", "/agent"));
  EXPECT_EQ(client.response().body, "asked /agent by 127.0.0.1: ");
  EXPECT_EQ(world.ended(Reason::kOwnApi), 2u);
  EXPECT_EQ(world.ended(), 2u);
}

TEST_F(OwnHost, EndsTheOneRequestThatThrows) {
  ThrowingApi api;
  EdgeWorld world(options(&api));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("GET", "/agent/ping"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), "internal");
  client.send(request("GET", "/"));  // the connection, and all others, go on
  EXPECT_EQ(client.response().status, 200);
  EXPECT_EQ(world.ended(Reason::kInternal), 1u);
}

TEST_F(OwnHost, CutsAnAnswerThatThrowsHalfway) {
  ThrowingApi api;
  EdgeWorld world(options(&api));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("POST", "/agent/ping", "Content-Length: 0\r\n\r\n"));
  EXPECT_FALSE(client.response().is_whole);
  EXPECT_TRUE(eventually([&] { return world.ended(Reason::kInternal) == 1u; }));  // it is cut before it is counted
  auto next = world.connect_tls("n1.fc.test");
  next.send(request("GET", "/"));
  EXPECT_EQ(next.response().status, 200);
}

TEST_F(OwnHost, IsOnlyAskedForItsOwnName) {
  TellingApi api;
  EdgeWorld world(options(&api));
  auto client = world.connect_tls("other.test");
  client.send("GET /agent/ping HTTP/1.1\r\nHost: other.test\r\n\r\n");
  EXPECT_EQ(client.response().status, 307);
  EXPECT_EQ(world.ended(Reason::kOwnApi), 0u);
}

TEST_F(OwnHost, TakesNoPasswordWherePort80OnlyRedirects) {
  TellingApi api;
  EdgeWorld world(options(&api, true));
  auto client = world.connect();
  client.send(request("GET", "/agent/ping", "Authorization: bearer secret\r\n\r\n"));
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 308);
  EXPECT_EQ(answer.field("Location"), "https://n1.fc.test/agent/ping");
  EXPECT_EQ(world.ended(Reason::kRedirectToHttps), 1u);
  EXPECT_EQ(world.ended(Reason::kOwnApi), 0u);
}

TEST_F(OwnHost, SpeaksJsonWhereProgramsCall) {
  EdgeWorld world(options(nullptr));
  auto client = world.connect_tls("n1.fc.test");
  for (const auto* target : {"/agent/nowhere", "/f1.fc.test/agent/nowhere", "/f1.fc.test:8443/agent"}) {
    client.send(request("GET", target, "Accept: text/html\r\n\r\n"));
    EXPECT_EQ(client.response().field("Content-Type"), "application/problem+json") << target;
  }
  client.send(request("GET", "/elsewhere", "Accept: text/html\r\n\r\n"));
  EXPECT_EQ(client.response().field("Content-Type"), "text/html; charset=utf-8");
}

TEST_F(OwnHost, AccountsOnceForACallerWhoLeaves) {
  TellingApi api;
  EdgeWorld world(options(&api));
  auto client = world.connect_tls("n1.fc.test");
  client.send(request("POST", "/agent/x", "Content-Length: 5\r\n\r\nhel"));
  ASSERT_TRUE(eventually([&] { return world.in_flight() == 1; }));  // a reset would take what is on its way along
  client.reset();
  EXPECT_TRUE(eventually([&] { return world.ended() == 1; }));
  EXPECT_EQ(world.ended(Reason::kClientGone), 1u);
}

}  // namespace
}  // namespace hybridge::test
