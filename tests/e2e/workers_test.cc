// The workers together: tables that change under load, limits, and the end of the process.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/edge_world.h"
#include "tests/support/origin.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

const std::string kDated = "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n";

TEST(Workers, ShareTheirClients) {
  Origin origin(ok("hello", kDated));
  EdgeWorld world({.workers = 2});
  world.set_server("f1.test", {origin.address()});
  world.set_site("a.test", "f1.test");
  for (int i = 0; i < 64; ++i) {
    LoadClient client(world.http, get("/"));
    ASSERT_EQ(client.get(), 200);
  }
  for (const auto* counters : world.edge->counters()) {
    EXPECT_GT(counters->requests_by_reason[static_cast<std::size_t>(Reason::kOk)].value(), 0u);
  }
  EXPECT_EQ(world.ended(Reason::kOk), 64u);
}

TEST(Workers, ServeByANewTableTheMomentItIsLive) {
  Origin one(ok("one", kDated));
  Origin two(ok("two", kDated));
  EdgeWorld world({.workers = 2});
  world.set_server("f1.test", {one.address()});
  world.set_server("f2.test", {two.address()});
  world.set_site("a.test", "f1.test");
  std::vector<std::unique_ptr<LoadClient>> clients;  // on both workers
  for (int i = 0; i < 16; ++i) clients.push_back(std::make_unique<LoadClient>(world.http, get("/")));
  for (int i = 0; i < 20; ++i) {
    const bool is_first = i % 2 == 0;
    world.set_site("a.test", is_first ? "f1.test" : "f2.test");
    for (const auto& client : clients) {
      ASSERT_EQ(client->get(), 200);
      ASSERT_TRUE(client->last().ends_with(is_first ? "one" : "two"));
    }
  }
}

TEST(Workers, LoseNothingWhileTablesChangeUnderLoad) {
  Origin one(ok("one", kDated));
  Origin two(ok("two", kDated));
  EdgeWorld world({.workers = 2});
  world.set_server("f1.test", {one.address()});
  world.set_server("f2.test", {two.address()});
  world.set_site("a.test", "f1.test");
  std::atomic<bool> is_over{false};
  std::atomic<std::uint64_t> sent{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      LoadClient client(world.http, get("/"));
      while (!is_over) {
        const int status = client.get();
        ++sent;
        if (status != 200) {
          ADD_FAILURE() << "status " << status;
          return;
        }
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    world.set_site("a.test", i % 2 == 0 ? "f2.test" : "f1.test");
    world.set_site("other" + std::to_string(i) + ".test", "f1.test");
    // A server that is edited, too: its connections stay or go, its requests do neither.
    if (i % 10 == 0)
      world.set_server("f1.test", {one.address()},
                       [&](Server& server) { server.limits.waiting = 100u + static_cast<std::uint32_t>(i); });
  }
  is_over = true;
  for (auto& thread : threads) thread.join();
  eventually([&] { return world.in_flight() == 0; });
  EXPECT_EQ(world.ended(Reason::kOk), sent);
  EXPECT_EQ(one.answered() + two.answered(), sent);
}

TEST(Workers, LetARequestEndByTheTableItBeganWith) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  auto client = world.connect();
  client.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  Snapshot::Builder nothing;
  world.publish(std::move(nothing));
  auto next = world.connect();
  next.send(get("/"));
  EXPECT_EQ(next.response().status, 404);
  server.send(ok("still served"));
  EXPECT_EQ(client.response().body, "still served");
}

TEST(Workers, TellAConnectionTooManyWhichLimitItIsOver) {
  EdgeWorld world({.tune = [](Config& config) { config.limits.connections = 2; }});
  auto first = world.connect();
  auto second = world.connect();
  eventually([&] { return world.edge->connections() == 2; });
  auto third = world.connect();
  third.send(get("/", "Accept: application/json\r\n"));
  const auto refusal = third.response();
  EXPECT_EQ(refusal.status, 503);
  EXPECT_EQ(refusal.field("X-Hybridge-Reason"), "too_many_connections");
  EXPECT_EQ(refusal.field("Retry-After"), "2");
  EXPECT_NE(refusal.body.find("limits.connections (2)"), std::string::npos) << refusal.body;
  EXPECT_TRUE(third.await_end());
}

// ---- The end ----

TEST(Workers, EndWhatIsUnderWayWhenDrained) {
  PeerServer upstream;
  EdgeWorld world({.workers = 2});
  world.serve(upstream);
  auto idle = world.connect();
  idle.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
  EXPECT_EQ(idle.response().status, 404);
  auto busy = world.connect_tls("a.test");
  busy.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");

  std::promise<void> gone;
  auto all_gone = gone.get_future();
  world.edge->drain([&] { gone.set_value(); });
  EXPECT_TRUE(idle.await_end());
  idle.close();
  EXPECT_EQ(all_gone.wait_for(0s), std::future_status::timeout);
  const int late = ::socket(AF_INET, SOCK_STREAM, 0);
  eventually([&] { return ::connect(late, world.http.data(), world.http.size()) < 0; });
  ::close(late);
  server.send(ok("the last word"));
  const auto answer = busy.response();
  EXPECT_EQ(answer.body, "the last word");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(busy.await_end());
  busy.close();
  EXPECT_EQ(all_gone.wait_for(10s), std::future_status::ready);
  eventually([&] { return world.edge->connections() == 0; });
}

TEST(Workers, StopThoughRequestsOfEveryKindAreUnderWay) {
  PeerServer upstream;
  EdgeWorld world({.workers = 2});
  world.serve(upstream);
  world.set_server("f2.test", {upstream.address()},
                   [](Server& server) { server.limits = {.connections = 1, .waiting = 9}; });
  world.set_site("b.test", "f2.test");
  auto waits_for_answer = world.connect_tls("a.test");
  waits_for_answer.send(get("/"));
  auto first = upstream.accept();
  auto uploads = world.connect();
  uploads.send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf");
  auto second = upstream.accept();
  second.receive_until("half");
  auto downloads = world.connect();
  downloads.send(get("/x"));
  auto third = upstream.accept();
  third.receive_until("\r\n\r\n");
  third.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  downloads.receive_until("half");
  auto wrote = world.connect();
  wrote.send(post("/x", "whole"));
  auto fourth = upstream.accept();
  fourth.receive_until("whole");
  wrote.reset();  // its upstream leg goes on
  std::array<Peer, 4> queued = {world.connect(), world.connect(), world.connect(), world.connect()};
  for (auto& peer : queued) peer.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
  auto head = world.connect();
  head.send("GET / HT");
  auto handshake = Peer::connect_to(world.https);
  handshake.send("\x16\x03\x01");
  eventually([&] { return world.in_flight() >= 4; });

  world.stop();
  EXPECT_TRUE(waits_for_answer.await_end());
  downloads.receive_to_end();
  EXPECT_TRUE(downloads.was_reset());
  for (auto* peer : {&uploads, &head, &handshake, &first, &second, &third, &fourth}) EXPECT_TRUE(peer->await_end());
}

}  // namespace
}  // namespace hybridge::test
