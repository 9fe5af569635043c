// A lease that only asks whether the server is there: let in where others are not, and counted against nobody.
#include <gtest/gtest.h>

#include "proxy/upstream/server.h"
#include "tests/support/upstream_story.h"
#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::Outcome;
using test::ScriptedServer;
using test::UpstreamWorld;

struct Probe {
  explicit Probe(UpstreamServer& server) {
    request.site = "a.test";
    request.is_safe = true;
    request.is_probe = true;
    outcome.emplace(server.lease(request));
  }
  LeaseRequest request;
  std::optional<Outcome<Result<Lease>>> outcome;
};

UpstreamSettings easily_down() {
  UpstreamSettings settings;
  settings.failures = 1;
  settings.retry_after = 1h;
  settings.retry_after_max = 1h;
  return settings;
}

TEST(UpstreamProbe, TriesAServerThatIsLeftAlone) {
  UpstreamWorld world(easily_down());
  ScriptedServer listener(world.runner);
  auto& server = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}));
  listener.stop();
  EXPECT_EQ(world.refused(server).reason, Reason::kUpstreamConnectFailed);
  EXPECT_EQ(world.refused(server).reason, Reason::kUpstreamDown);
  listener.start_again();
  Probe probe(server);
  world.runner.until([&] { return probe.outcome->is_there(); });
  EXPECT_TRUE((*probe.outcome)->has_value());
  EXPECT_TRUE(server.is_up()) << "what it found is true for everybody";
  EXPECT_TRUE(world.lease(server));
}

TEST(UpstreamProbe, ItsFailureMakesNobodyLeaveTheServerAlone) {
  UpstreamWorld world(easily_down());
  ScriptedServer listener(world.runner);
  auto& server = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}));
  listener.stop();
  for (int i = 0; i < 3; ++i) {
    Probe probe(server);
    world.runner.until([&] { return probe.outcome->is_there(); });
    EXPECT_EQ((*probe.outcome)->error().reason, Reason::kUpstreamConnectFailed);
    EXPECT_TRUE(server.is_up());
  }
}

TEST(UpstreamProbe, NeedsNoFreePlace) {
  UpstreamSettings settings;
  settings.connections = 1;
  settings.waiting = 0;
  settings.site_share = 100;
  UpstreamWorld world(settings);
  ScriptedServer listener(world.runner);
  auto& server = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}));
  auto lease = world.lease(server);
  EXPECT_EQ(world.refused(server).reason, Reason::kServerBusy);
  {
    Probe probe(server);
    world.runner.until([&] { return probe.outcome->is_there(); });
    EXPECT_TRUE((*probe.outcome)->has_value());
    EXPECT_EQ(server.in_use(), 2U);
  }
  EXPECT_EQ(server.in_use(), 1U);
}

}  // namespace
}  // namespace hybridge
