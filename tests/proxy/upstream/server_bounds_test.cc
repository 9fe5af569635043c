// What a server may have at a time, and who waits.
#include "proxy/upstream/server.h"

#include <gtest/gtest.h>

#include "tests/proxy/upstream/server_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

TEST(UpstreamServer, WaitsForAFreeConnectionInOrder) {
  ServerWorld world({.connections = 1, .site_share = 100});
  auto lease = world.lease();
  const auto peer = world.listener.accept();
  Waiting first(world.server);
  Waiting second(world.server);
  EXPECT_EQ(world.server.waiting(), 2U);
  EXPECT_EQ(world.observed.waiting, 2);
  run_request(world, std::move(lease), *peer);
  EXPECT_TRUE(first.has_lease());
  EXPECT_FALSE(second.outcome->is_there());
  EXPECT_GT(first.request.queue_microseconds, 0U);
  run_request(world, first.take(), *peer);
  EXPECT_TRUE(second.has_lease());
  EXPECT_EQ(world.observed.waiting, 0);
}

TEST(UpstreamServer, RefusesAtOnceWhenTooManyWait) {
  ServerWorld world({.connections = 1, .waiting = 1, .site_share = 100});
  auto lease = world.lease();
  Waiting waiting(world.server);
  Waiting refused(world.server);
  ASSERT_TRUE(refused.has_failed());
  EXPECT_EQ(refused.reason(), Reason::kServerBusy);
  EXPECT_FALSE(waiting.outcome->is_there());
  lease.release();
  world.runner.until([&] { return waiting.has_lease(); });
}

TEST(UpstreamServer, AWaitHasADeadline) {
  ServerWorld world({.wait = 100ms, .connections = 1});
  auto lease = world.lease();
  Waiting waiting(world.server);
  world.runner.until([&] { return waiting.has_failed(); });
  EXPECT_EQ(waiting.reason(), Reason::kServerBusy);
  EXPECT_EQ(world.server.waiting(), 0U);
}

TEST(UpstreamServer, ACancelledWaitLeavesItsPlaceToTheNext) {
  ServerWorld world({.connections = 1, .site_share = 100});
  auto lease = world.lease();
  Waiting first(world.server);
  Waiting second(world.server);
  first.request.cancel();
  ASSERT_TRUE(first.has_failed());
  EXPECT_EQ(first.reason(), Reason::kClientGone);
  lease.release();
  world.runner.until([&] { return second.has_lease(); });
}

TEST(UpstreamServer, OneSiteCannotTakeEverything) {
  ServerWorld world({.connections = 4, .waiting = 4, .site_share = 50});
  std::vector<Lease> greedy;
  greedy.push_back(world.lease(true, "greedy.test"));
  greedy.push_back(world.lease(true, "greedy.test"));
  Waiting third(world.server, "greedy.test");
  Waiting fourth(world.server, "greedy.test");
  Waiting fifth(world.server, "greedy.test");
  EXPECT_FALSE(third.outcome->is_there()) << "half of the connections are its share";
  EXPECT_FALSE(fourth.outcome->is_there());
  ASSERT_TRUE(fifth.has_failed()) << "and half of the waiting requests";
  EXPECT_EQ(fifth.reason(), Reason::kServerBusy);
  auto modest = world.lease(true, "modest.test");
  EXPECT_TRUE(modest) << "the neighbour's share is free";
  greedy.clear();
  world.runner.until([&] { return third.has_lease() && fourth.has_lease(); });
}

TEST(UpstreamServer, SitesThatWaitAreServedInTurn) {
  ServerWorld world({.connections = 2, .waiting = 100, .site_share = 50});
  auto first = world.lease(true, "other.test");
  auto second = world.lease(true, "greedy.test");
  std::vector<std::unique_ptr<Waiting>> greedy;
  for (int i = 0; i < 10; ++i) greedy.push_back(std::make_unique<Waiting>(world.server, "greedy.test"));
  Waiting modest(world.server, "modest.test");
  first.release();
  world.runner.until([&] { return modest.has_lease(); });
  EXPECT_FALSE(greedy.front()->outcome->is_there()) << "it came first, but its site has its share";
  for (auto& waiting : greedy) waiting->request.cancel();
}

TEST(UpstreamServer, AServersOwnLimitIsDividedAmongTheWorkers) {
  ServerWorld world({.site_share = 100, .workers = 4}, {.connections = 8, .waiting = 4});
  auto first = world.lease();
  auto second = world.lease();
  Waiting third(world.server);
  EXPECT_FALSE(third.outcome->is_there());
  Waiting fourth(world.server);
  ASSERT_TRUE(fourth.has_failed());
  EXPECT_EQ(fourth.reason(), Reason::kServerBusy);
  third.request.cancel();
}

TEST(UpstreamServer, ManyWaitersOfAServerThatDiesFailWithoutGrowingTheStack) {
  ServerWorld world({.connections = 1, .waiting = 100'000, .site_share = 100, .failures = 1});
  auto lease = world.lease();
  std::vector<std::unique_ptr<Waiting>> waiting;
  for (int i = 0; i < 20'000; ++i) waiting.push_back(std::make_unique<Waiting>(world.server));
  world.listener.stop();
  lease->abort(make_error(Reason::kClientGone));
  lease.release();
  world.runner.until([&] { return world.server.waiting() == 0; });
  for (auto& one : waiting) {
    ASSERT_TRUE(one->has_failed());
    EXPECT_TRUE(one->reason() == Reason::kUpstreamConnectFailed || one->reason() == Reason::kUpstreamDown);
  }
}

TEST(UpstreamServer, TunnelsHoldNoRequestUpButHaveABoundOfTheirOwn) {
  ServerWorld world({.connections = 1, .tunnels = 1, .site_share = 100});
  auto tunnel = world.lease();
  const auto peer = world.listener.accept();
  Waiting waiting(world.server);
  ask(*tunnel, "GET / HTTP/1.1\r\n\r\n", http::Method::kGet, {.upgrade = true});
  Outcome<std::string> status(read_status(*tunnel));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  world.runner.until([&] { return status.is_there(); });
  EXPECT_FALSE(waiting.outcome->is_there());
  tunnel->start_tunnel();
  world.runner.until([&] { return waiting.has_lease(); });
  waiting.take().release();
  LeaseRequest request;
  request.site = "a.test";
  request.is_safe = request.is_tunnel = true;
  Outcome<Result<Lease>> another(world.server.lease(request));
  ASSERT_TRUE(another.is_there());
  EXPECT_EQ(another->error().reason, Reason::kServerBusy);
}

}  // namespace
}  // namespace hybridge::test
