#include "proxy/upstream/upstreams.h"

#include <gtest/gtest.h>

#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::ScriptedServer;
using test::UpstreamWorld;

TEST(Upstreams, FindsAServerByItsName) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  EXPECT_EQ(world.upstreams.find("f1.test"), nullptr);
  auto& first = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "f1.test"));
  auto& second = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "f2.test"));
  EXPECT_NE(&first, &second);
  EXPECT_EQ(world.upstreams.find("f1.test"), &first);
}

TEST(Upstreams, TakesAnotherPointerAsAChangeOfThatServerAlone) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  ScriptedServer other(world.runner);
  auto& first = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "f1.test"));
  auto& second = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "f2.test"));
  world.lease(first).release();
  world.lease(second).release();
  const auto changed = UpstreamWorld::make_server({UpstreamWorld::endpoint(other)}, {}, "f1.test");
  EXPECT_EQ(&world.upstreams.find(changed), &first);
  EXPECT_EQ(first.configured(), changed);
  EXPECT_EQ(first.idle(), 0U);
  EXPECT_EQ(second.idle(), 1U) << "its connections are none of this change's business";
}

TEST(Upstreams, ForgetsServersThatAreNotUsed) {
  UpstreamSettings settings;
  settings.forget_after = 200ms;
  settings.idle = 100ms;
  UpstreamWorld world(settings);
  ScriptedServer listener(world.runner);
  auto& used = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "used.test"));
  auto& idle = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}, {}, "idle.test"));
  auto lease = world.lease(used);
  world.lease(idle).release();
  EXPECT_TRUE(world.observed.up.contains("idle.test"));
  world.runner.until([&] { return world.upstreams.find("idle.test") == nullptr; });
  EXPECT_FALSE(world.observed.up.contains("idle.test"));
  EXPECT_NE(world.upstreams.find("used.test"), nullptr) << "something is leased from it";
  lease.release();
  world.runner.until([&] { return world.upstreams.find("used.test") == nullptr; });
}

TEST(Upstreams, NewSettingsHoldForWhatBeginsFromNowOn) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  auto& server = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}));
  auto settings = UpstreamSettings{};
  settings.connections = 1;
  settings.waiting = 0;
  world.upstreams.set_settings(settings);
  auto lease = world.lease(server);
  EXPECT_EQ(world.refused(server).reason, Reason::kServerBusy);
}

}  // namespace
}  // namespace hybridge
