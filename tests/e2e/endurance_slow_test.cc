// 100,000 requests of every kind leave nothing behind.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/allocations.h"
#include "tests/support/edge_world.h"
#include "tests/support/origin.h"

namespace hybridge::test {
namespace {

const std::string kAnswer = ok("hello", "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n");

TEST(Endurance, HundredThousandRequestsDoNotGrow) {
  Origin origin(kAnswer);
  EdgeWorld world({.tune = [](Config& config) { config.limits.requests_per_connection = 1'000'000; }, .workers = 2});
  world.set_server("f1.test", {origin.address()});
  world.set_site("a.test", "f1.test");
  constexpr int kClients = 8;
  constexpr int kBatch = 25;
  const auto run = [&](int requests) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kClients; ++i) {
      threads.emplace_back([&, i] {
        LoadClient client(world.http, get("/"));
        // Half of them come back again and again instead of staying.
        int left = requests / kClients;
        auto again = std::make_unique<LoadClient>(world.http, get("/"));
        while (left > 0) {
          if (i % 2 == 0) {
            ASSERT_TRUE(client.get_pipelined(kBatch));
          } else {
            again = std::make_unique<LoadClient>(world.http, get("/"));
            for (int j = 0; j < kBatch; ++j) ASSERT_EQ(again->get(), 200);
          }
          left -= kBatch;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    eventually([&] { return world.edge->connections() == 0; });
  };
  run(20'000);
  const auto before = bytes_in_use();
  run(100'000);
  EXPECT_GE(world.ended(Reason::kOk), 120'000u);
  EXPECT_EQ(world.ended(Reason::kOk), world.ended());
  if (kCountsAllocations) {
    EXPECT_LE(bytes_in_use(), before + 128 * 1024);
  }
}

// Requests that end in every other way.
TEST(Endurance, AbortedRequestsDoNotGrow) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      auto client = world.connect();
      client.send(i % 3 == 0 ? post("/x", "body") : get("/x"));
      auto server = upstream.accept();
      server.receive_until("\r\n\r\n");
      if (i % 2 == 0) {
        client.reset();
        server.reset();
      } else {
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        server.close();
        client.receive_to_end();
      }
    }
    eventually([&] { return world.edge->connections() == 0 && world.in_flight() == 0; });
  };
  run(300);
  const auto before = bytes_in_use();
  run(3'000);
  if (kCountsAllocations) {
    EXPECT_LE(bytes_in_use(), before + 128 * 1024);
  }
}

}  // namespace
}  // namespace hybridge::test
