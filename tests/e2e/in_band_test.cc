// Trigger A of holds: what becomes of requests that their site's server answers 503, and what the site is asked.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/maintenance_observer.h"
#include "tests/support/deflated.h"
#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

const std::string kStopped = R"({"exc_type":"SessionStopped","exc":"[]"})";
const std::string kPong = R"({"message":"pong"})";

std::string answer(int status, std::string_view body, std::string_view type = "application/json",
                   std::string_view more = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" + std::string(body);
}

// Whoever keeps windows, played by the test.
class Windows final : public MaintenanceObserver {
 public:
  void begin_in_band(std::string site, std::function<void(bool)> done) override {
    const std::lock_guard lock(mutex_);
    done_ = std::move(done);
    note("begin " + site);
  }
  void renew_in_band(std::string_view site) override {
    const std::lock_guard lock(mutex_);
    note("renew " + std::string(site));
  }
  void end_in_band(std::string_view site) override {
    const std::lock_guard lock(mutex_);
    note("end " + std::string(site));
  }

  bool wait_for(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return std::find(told_.begin(), told_.end(), what) != told_.end(); });
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  void done(bool held) {
    std::unique_lock lock(mutex_);
    const auto done = std::exchange(done_, {});
    lock.unlock();
    done(held);
  }

 private:
  void note(std::string what) {
    told_.push_back(std::move(what));
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
  std::function<void(bool)> done_;
};

class InBandTest : public testing::Test {
 protected:
  explicit InBandTest(const std::function<void(Config&)>& tune = {})
      : world({.tune = tune, .workers = 2, .maintenance = &windows}) {
    world.serve(upstream);
  }

  // The next request to the site's server, by a connection of its own; the server's end. `request` is what came.
  Peer served(std::size_t body = 0) {
    auto server = upstream.accept();
    request = server.receive_until("\r\n\r\n");
    request += server.receive(body);
    return server;
  }
  // The site is asked whether it works, and says so, or not.
  void answer_ping(const std::string& bytes) {
    const auto before = request;
    auto server = served();
    EXPECT_EQ(request.substr(0, request.find("\r\n")), "GET /api/method/ping HTTP/1.1");
    server.send(bytes);
    request = before;
  }
  void open_window() {
    answer_ping(answer(503, kStopped));
    ASSERT_TRUE(windows.wait_for("begin a.test"));
    windows.done(true);
  }

  Windows windows;
  PeerServer upstream;
  EdgeWorld world;
  std::string request;  // the last that served() saw
};

TEST_F(InBandTest, AsksTheSiteExactlySo) {
  auto client = world.connect();
  client.send(get("/"));
  auto server = served();
  server.send(answer(503, "busy", "text/plain"));
  auto ping = served();
  EXPECT_EQ(request,
            "GET /api/method/ping HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.test\r\n"
            "Accept: application/json\r\nUser-Agent: Hybridge\r\n\r\n");
  ping.send(answer(200, kPong));
  EXPECT_EQ(client.response().status, 503);
}

TEST_F(InBandTest, PassesA503WhoseSiteWorksAsItCame) {
  auto client = world.connect();
  client.send(get("/"));
  auto server = served();
  server.send(answer(503, "<h1>busy</h1>", "text/html", "X-Own: 1\r\n"));
  answer_ping(answer(200, kPong));
  const auto response = client.response();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "<h1>busy</h1>");
  EXPECT_EQ(response.field("x-own"), "1");
  EXPECT_TRUE(windows.told().empty());
}

TEST_F(InBandTest, AsksNobodyAgainFor5SecondsAfterThat) {
  auto client = world.connect();
  client.send(get("/"));
  auto server = served();
  server.send(answer(503, "busy", "text/plain"));
  answer_ping(answer(200, kPong));
  EXPECT_EQ(client.response().status, 503);
  for (int i = 0; i < 3; ++i) {
    client.send(get("/"));
    // By the connection that is there: had the site been asked, the answer would wait for it.
    EXPECT_NE(server.receive_until("\r\n\r\n").find("GET / "), std::string::npos);
    server.send(answer(503, "busy", "text/plain"));
    EXPECT_EQ(client.response().status, 503);
  }
}

TEST_F(InBandTest, SendsAPostAgainThatItsSiteStopped) {
  auto client = world.connect();
  client.send(post("/api/method/x", "some body"));
  auto first = served(9);
  first.send(answer(503, kStopped));
  open_window();
  auto again = first.receive_until("\r\n\r\n");
  again += first.receive(9);
  EXPECT_EQ(again, request) << "the same, to the letter";
  first.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
  EXPECT_EQ(windows.told().front(), "begin a.test");
}

TEST_F(InBandTest, SendsAChunkedBodyAgain) {
  auto client = world.connect();
  client.send(
      "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n5\r\n body\r\n0\r\n\r\n");
  auto first = upstream.accept();
  first.receive_until("0\r\n\r\n");
  first.send(answer(503, kStopped));
  open_window();
  EXPECT_TRUE(first.receive_until("0\r\n\r\n").ends_with("\r\n\r\n9\r\nsome body\r\n0\r\n\r\n"));
  first.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
}

TEST_F(InBandTest, ReadsACompressed503) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, deflated(kStopped, Wrapping::kGzip), "application/json", "Content-Encoding: gzip\r\n"));
  open_window();
  first.receive(9);
  first.receive_until("some body");
  first.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
}

TEST_F(InBandTest, SendsAGetAgainOnTheWordOfTheSiteAlone) {
  auto client = world.connect();
  client.send(get("/app", "Accept: text/html\r\n"));
  auto first = served();
  first.send(answer(503, "<title>Updating</title>", "text/html"));
  open_window();
  EXPECT_TRUE(first.receive_until("\r\n\r\n").starts_with("GET /app HTTP/1.1\r\n"));
  first.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
}

TEST_F(InBandTest, SendsAHeadAgain) {
  auto client = world.connect();
  client.send("HEAD /app HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto first = served();
  first.send("HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\n");
  open_window();
  EXPECT_TRUE(first.receive_until("\r\n\r\n").starts_with("HEAD /app HTTP/1.1\r\n"));
  first.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  EXPECT_EQ(client.response(true).status, 200);
}

TEST_F(InBandTest, NeverSendsAPostAgainOnTheWordOfTheSiteAlone) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, "<title>Updating</title>", "text/html", "Connection: close\r\n"));
  const auto response = client.response();  // it waits for nobody
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "<title>Updating</title>");
  // But the next ones may be held.
  answer_ping(answer(503, kStopped));
  EXPECT_TRUE(windows.wait_for("begin a.test"));
  windows.done(true);
}

TEST_F(InBandTest, PassesTheReadOnlyModeAndAsksNobody) {
  auto client = world.connect();
  for (int i = 0; i < 2; ++i) {
    client.send(post("/p", "some body"));
    if (i == 0) {
      auto first = served(9);
      first.send(answer(503, R"({"exc_type":"InReadOnlyMode"})", "application/json", "Connection: close\r\n"));
    } else {
      // The next connection brings the next request, not a ping.
      auto next = served(9);
      EXPECT_TRUE(request.starts_with("POST /p "));
      next.send(ok("done"));
    }
    EXPECT_EQ(client.response().status, i == 0 ? 503 : 200);
  }
}

TEST_F(InBandTest, PassesThe503OfABodyThatIsTooLongToBeKept) {
  const std::string body(64 * 1024 + 1, 'x');
  auto client = world.connect();
  client.send(post("/p", body));
  auto first = served(body.size());
  first.send(answer(503, kStopped, "application/json", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, kStopped);
  answer_ping(answer(503, kStopped));
  EXPECT_TRUE(windows.wait_for("begin a.test")) << "for those who come after it";
  windows.done(true);
}

TEST_F(InBandTest, SendsABodyOf64KiBAgain) {
  const std::string body(64 * 1024, 'x');
  auto client = world.connect();
  client.send(post("/p", body));
  auto first = served(body.size());
  first.send(answer(503, kStopped));
  open_window();
  first.receive_until("\r\n\r\n");
  EXPECT_EQ(first.receive(body.size()), body);
  first.send(ok("done"));
  EXPECT_EQ(client.response().body, "done");
}

TEST_F(InBandTest, PassesA503ThatIsTooLongToBeRead) {
  const auto body = kStopped + std::string(70'000, ' ');
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, body, "application/json", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, body);
  answer_ping(answer(200, kPong));
}

TEST_F(InBandTest, PassesA503InChunksOfAnyLength) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  const std::string piece(16'384, 'y');
  first.send(
      "HTTP/1.1 503 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  for (int i = 0; i < 8; ++i) first.send("4000\r\n" + piece + "\r\n");
  first.send("0\r\n\r\n");
  EXPECT_EQ(client.response().body.size(), 8 * piece.size());
  answer_ping(answer(200, kPong));
}

TEST_F(InBandTest, SendsAgainAtOnceWhatWasStoppedWhenTheSiteWorksAgain) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, kStopped));
  answer_ping(answer(200, kPong));
  first.receive_until("some body");
  // Once: if it says so again, the client hears it.
  first.send(answer(503, kStopped));
  answer_ping(answer(200, kPong));
  EXPECT_EQ(client.response().body, kStopped);
  EXPECT_TRUE(windows.told().empty());
}

TEST_F(InBandTest, PassesThe503WhereTheWindowIsRefused) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, kStopped));
  answer_ping(answer(503, kStopped));
  ASSERT_TRUE(windows.wait_for("begin a.test"));
  windows.done(false);
  EXPECT_EQ(client.response().body, kStopped);
}

TEST_F(InBandTest, AsksOnceForRequestsOfEveryWorker) {
  std::vector<Peer> clients;
  std::vector<Peer> servers;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(world.connect());
    clients.back().send(post("/p", "some body"));
    servers.push_back(served(9));
  }
  for (auto& server : servers) server.send(answer(503, kStopped));
  answer_ping(answer(503, kStopped));
  ASSERT_TRUE(windows.wait_for("begin a.test"));
  windows.done(true);
  for (auto& server : servers) server.receive_until("some body");
  for (auto& server : servers) server.send(ok("done"));
  for (auto& client : clients) EXPECT_EQ(client.response().body, "done");
  const auto told = windows.told();
  EXPECT_EQ(std::count(told.begin(), told.end(), "begin a.test"), 1);
}

TEST_F(InBandTest, ForgetsARequestWhoseClientLeavesWhileTheSiteIsAsked) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, kStopped));
  auto ping = served();
  client.close();
  EXPECT_TRUE(eventually([&] { return world.ended(Reason::kClientGone) == 1; }));
  ping.send(answer(503, kStopped));
  ASSERT_TRUE(windows.wait_for("begin a.test"));
  windows.done(true);
  EXPECT_EQ(world.in_flight(), 0);
}

TEST_F(InBandTest, EndsTheWindowWithThePong) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto first = served(9);
  first.send(answer(503, kStopped));
  auto ping = served();
  ping.send(answer(503, kStopped));
  ASSERT_TRUE(windows.wait_for("begin a.test"));
  windows.done(true);
  first.receive_until("some body");
  first.send(ok("done", "Connection: close\r\n"));
  client.response();

  // While it lasts: the site's word, a 404 and silence are all maintenance.
  ping.receive_until("\r\n\r\n");
  ping.send(answer(503, kStopped));
  EXPECT_TRUE(windows.wait_for("renew a.test"));
  ping.receive_until("\r\n\r\n");
  ping.send(answer(404, "no such site", "text/plain", "Connection: close\r\n"));
  auto next = served();
  EXPECT_TRUE(request.starts_with("GET /api/method/ping "));
  EXPECT_EQ(windows.told().back(), "renew a.test");
  next.send(answer(200, kPong));
  EXPECT_TRUE(windows.wait_for("end a.test"));
}

TEST_F(InBandTest, LooksWhereTheTableHasTheSiteNow) {
  auto client = world.connect();
  client.send(get("/"));
  auto first = served();
  first.send(answer(503, kStopped));
  open_window();
  first.receive_until("\r\n\r\n");
  first.send(ok("done", "Connection: close\r\n"));
  client.response();
  PeerServer other;
  world.set_server("f2.test", {other.address()});
  world.set_site("a.test", "f2.test");
  auto ping = other.accept();
  EXPECT_TRUE(ping.receive_until("\r\n\r\n").starts_with("GET /api/method/ping "));
  ping.send(answer(200, kPong));
  EXPECT_TRUE(windows.wait_for("end a.test"));
}

TEST_F(InBandTest, LeavesASiteAloneThatIsExcepted) {
  Snapshot::Builder builder(world.snapshot());
  builder.set_site("a.test", {.server = "f1.test", .in_band = false});
  world.publish(std::move(builder));
  auto client = world.connect();
  client.send(get("/"));
  auto server = served();
  server.send(answer(503, kStopped));
  EXPECT_EQ(client.response().body, kStopped);
  client.send(get("/next"));
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /next "));
  server.send(ok("done"));
  EXPECT_EQ(client.response().status, 200);
  EXPECT_TRUE(windows.told().empty());
}

class InBandOff : public InBandTest {
 protected:
  InBandOff() : InBandTest([](Config& config) { config.holds.in_band = false; }) {}
};

TEST_F(InBandOff, PassesEvery503) {
  auto client = world.connect();
  client.send(post("/p", "some body"));
  auto server = served(9);
  server.send(answer(503, kStopped));
  EXPECT_EQ(client.response().body, kStopped);
}

TEST_F(InBandTest, PassesThe503OfAnUpgrade) {
  auto client = world.connect();
  client.send(get("/socket.io",
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  auto server = served();
  server.send(answer(503, kStopped));
  EXPECT_EQ(client.response().body, kStopped);
}

}  // namespace
}  // namespace hybridge::test
