// Endpoints that do not answer when they are asked (proxy/health_prober.h), as leases see them.
#include <gtest/gtest.h>

#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using test::ScriptedServer;
using test::UpstreamWorld;

std::shared_ptr<const EndpointSet> down(std::initializer_list<Endpoint> endpoints) {
  auto set = std::make_shared<EndpointSet>();
  for (const auto& endpoint : endpoints) set->insert(endpoint_key("f1.test", endpoint));
  return set;
}

struct TwoEndpoints {
  UpstreamWorld world;
  ScriptedServer first{world.runner};
  ScriptedServer second{world.runner};
  Endpoint one = UpstreamWorld::endpoint(first);
  Endpoint other = UpstreamWorld::endpoint(second);
  UpstreamServer& server = world.upstreams.find(UpstreamWorld::make_server({one, other}));

  std::string order(int leases) {
    std::string order;
    for (int i = 0; i < leases; ++i) order += world.lease(server)->endpoint() == first.address() ? 'a' : 'b';
    return order;
  }
};

TEST(DownEndpoints, AreNotLeasedWhileThereAreOthers) {
  TwoEndpoints two;
  EXPECT_EQ(two.order(4), "abab");
  two.world.upstreams.set_down(down({two.one}));
  EXPECT_EQ(two.order(4), "bbbb");
  two.world.upstreams.set_down(down({}));
  EXPECT_NE(two.order(4).find('a'), std::string::npos);
}

TEST(DownEndpoints, AreLeasedWhenThereIsNothingElse) {
  TwoEndpoints two;
  two.world.upstreams.set_down(down({two.one, two.other}));
  EXPECT_EQ(two.order(4), "abab");
  two.world.upstreams.set_down(down({two.one}));
  two.second.stop();
  two.server.close_idle();
  EXPECT_EQ(two.order(1), "a");
}

TEST(DownEndpoints, AreKnownToServersThatAreMadeOrChangedLater) {
  TwoEndpoints two;
  ScriptedServer third(two.world.runner);
  const auto added = UpstreamWorld::endpoint(third);
  two.world.upstreams.set_down(down({added}));
  auto& changed = two.world.upstreams.find(UpstreamWorld::make_server({two.one, added}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(two.world.lease(changed)->endpoint(), two.first.address());
}

TEST(DownEndpoints, AreOfOneServerOnly) {
  TwoEndpoints two;
  two.world.upstreams.set_down(down({two.one}));
  auto& other = two.world.upstreams.find(UpstreamWorld::make_server({two.one, two.other}, {}, "f2.test"));
  EXPECT_EQ(two.world.lease(other)->endpoint(), two.first.address());
}

}  // namespace
}  // namespace hybridge
