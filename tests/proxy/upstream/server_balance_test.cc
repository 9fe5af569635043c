// Which of its endpoints a server uses, and when none.
#include "proxy/upstream/server.h"

#include <gtest/gtest.h>

#include "tests/proxy/upstream/server_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

TEST(UpstreamServer, ADeadServerFailsFastAfterAFewTries) {
  ServerWorld world({.failures = 2, .retry_after = 1s});
  EXPECT_TRUE(world.observed.up["f1.test"]);
  world.listener.stop();
  EXPECT_EQ(world.refused().reason, Reason::kUpstreamConnectFailed);
  EXPECT_EQ(world.refused().reason, Reason::kUpstreamConnectFailed);
  EXPECT_FALSE(world.server.is_up());
  EXPECT_FALSE(world.observed.up["f1.test"]);
  Waiting third(world.server);
  ASSERT_TRUE(third.has_failed()) << "at once, without a connection";
  EXPECT_EQ(third.reason(), Reason::kUpstreamDown);
  EXPECT_EQ(world.server.in_use(), 0U);

  world.listener.start_again();
  world.runner.for_at_least(1s);
  Waiting probe(world.server);
  Waiting meanwhile(world.server);
  ASSERT_TRUE(meanwhile.has_failed()) << "one probe is enough";
  EXPECT_EQ(meanwhile.reason(), Reason::kUpstreamDown);
  world.runner.until([&] { return probe.has_lease(); });
  EXPECT_TRUE(world.server.is_up());
  EXPECT_TRUE(world.observed.up["f1.test"]);
  EXPECT_TRUE(world.lease());
}

TEST(UpstreamServer, AProbeWhoseClientLeavesIsLeftToTheNext) {
  ServerWorld world({.failures = 1, .retry_after = 100ms});
  world.listener.stop();
  EXPECT_EQ(world.refused().reason, Reason::kUpstreamConnectFailed);
  world.listener.start_again();
  world.runner.for_at_least(100ms);
  Waiting probe(world.server);
  probe.request.cancel();
  EXPECT_EQ(probe.reason(), Reason::kClientGone);
  EXPECT_TRUE(world.lease());
}

TEST(UpstreamServer, AnotherEndpointTakesOverWithinTheSameLease) {
  UpstreamWorld world;
  ScriptedServer dead(world.runner);
  ScriptedServer alive(world.runner);
  auto& server = world.upstreams.find(
      UpstreamWorld::make_server({UpstreamWorld::endpoint(dead, 1000), UpstreamWorld::endpoint(alive)}));
  dead.stop();
  for (int i = 0; i < 10; ++i) {
    auto lease = world.lease(server);
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->endpoint(), alive.address());
  }
  EXPECT_TRUE(server.is_up());
}

TEST(UpstreamServer, WhenEveryEndpointFailsTheLastErrorIsTold) {
  UpstreamWorld world;
  ScriptedServer first(world.runner);
  ScriptedServer second(world.runner);
  auto& server = world.upstreams.find(
      UpstreamWorld::make_server({UpstreamWorld::endpoint(first), UpstreamWorld::endpoint(second)}));
  first.stop();
  second.stop();
  const auto error = world.refused(server);
  EXPECT_EQ(error.reason, Reason::kUpstreamConnectFailed);
  EXPECT_EQ(error.detail, second.address().to_string() + ": Connection refused");
}

TEST(UpstreamServer, BalancesByWeight) {
  UpstreamWorld world;
  ScriptedServer first(world.runner);
  ScriptedServer second(world.runner);
  auto& server = world.upstreams.find(
      UpstreamWorld::make_server({UpstreamWorld::endpoint(first, 3), UpstreamWorld::endpoint(second, 1)}));
  std::string order;
  for (int i = 0; i < 8; ++i) {
    auto lease = world.lease(server);
    order += lease->endpoint() == first.address() ? 'a' : 'b';
  }
  EXPECT_EQ(order, "aabaaaba");
}

TEST(UpstreamServer, AnEndpointOfWeightZeroIsThereForWhenNothingElseIs) {
  UpstreamSettings settings;
  settings.failures = 1;
  UpstreamWorld world(settings);
  ScriptedServer first(world.runner);
  ScriptedServer spare(world.runner);
  auto& server = world.upstreams.find(
      UpstreamWorld::make_server({UpstreamWorld::endpoint(spare, 0), UpstreamWorld::endpoint(first, 1)}));
  auto lease = world.lease(server);
  EXPECT_EQ(lease->endpoint(), first.address());
  lease->abort(make_error(Reason::kClientGone));
  first.stop();
  EXPECT_EQ(world.lease(server)->endpoint(), spare.address());
}

TEST(UpstreamServer, ServersDoNotShareTheirBounds) {
  UpstreamSettings settings;
  settings.connections = 1;
  settings.connect = 300ms;
  UpstreamWorld world(settings);
  ScriptedServer full(world.runner, "127.0.0.1", 0);
  ScriptedServer healthy(world.runner);
  auto& dead = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(full)}, {}, "dead.test"));
  auto& alive = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(healthy)}, {}, "alive.test"));
  // A full backlog drops what comes: connecting hangs.
  const auto filling = connect_to(world.runner, full.address());
  Waiting hangs(dead);
  Waiting waits(dead);
  EXPECT_TRUE(world.lease(alive));
  world.runner.until([&] { return hangs.has_failed(); });
  EXPECT_EQ(hangs.reason(), Reason::kUpstreamConnectTimeout);
  waits.request.cancel();
}

}  // namespace
}  // namespace hybridge::test
