#include "proxy/onward.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

TEST(OnwardPath, IsAServerAndOneOfItsDoors) {
  const auto path = onward_path("/f1.example.com/agent/jobs/1,2?x=%2F/a//b");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->server, "f1.example.com");
  EXPECT_EQ(path->port, 0);
  EXPECT_EQ(path->target, "/agent/jobs/1,2?x=%2F/a//b");
  EXPECT_EQ(onward_path("/F1.Example.Com./metrics?x")->target, "/metrics?x");
  EXPECT_EQ(onward_path("/f1.test/status")->target, "/status");
  EXPECT_EQ(onward_path("/f1.test/agent//server/reload")->target, "/agent//server/reload");
}

TEST(OnwardPath, MayNameOneOfTwoPorts) {
  EXPECT_EQ(onward_path("/f1.test:443/agent/ping")->port, 443);
  const auto path = onward_path("/f1.test:8443/agent/ping");
  EXPECT_EQ(path->port, 8443);
  EXPECT_EQ(path->server, "f1.test");
  for (const auto* other : {"/f1.test:80/agent", "/f1.test:/agent", "/f1.test:0443/agent", "/f1.test:44300/agent",
                            "/f1.test:443x/agent", "/f1.test:-443/agent"}) {
    EXPECT_FALSE(onward_path(other)) << other;
  }
}

TEST(OnwardPath, TakesAddressesToo) {
  EXPECT_EQ(onward_path("/203.0.113.7/agent/ping")->server, "203.0.113.7");
  const auto path = onward_path("/[2001:db8::1]:8443/agent/ping");
  EXPECT_EQ(path->server, "2001:db8::1");
  EXPECT_EQ(path->port, 8443);
  EXPECT_EQ(onward_path("/[2001:db8::1]/agent/ping")->port, 0);
}

TEST(OnwardPath, IsNoneOfOtherPaths) {
  for (const auto* other : {"", "*", "/", "/agent", "/agent/ping", "/f1.test", "/f1.test/", "//agent/ping",
                            "/f1.test/agent-jobs", "/f1.test/agentx/y", "/f1.test/other/agent", "/f1.test/?/agent",
                            "/f1.test?/agent/ping", "http://f1.test/agent/ping", "/f1.test/%61gent/ping"}) {
    EXPECT_FALSE(onward_path(other)) << other;
  }
}

std::shared_ptr<const Server> known(std::string ca) {
  auto server = std::make_shared<Server>();
  server->name = "f1.test";
  server->endpoints = {{.address = "203.0.113.7", .port = 80}};
  server->agent_port = 8443;
  server->tls.ca = std::move(ca);
  return server;
}

TEST(OnwardServers, AreVerifiedByTheirNameAtTheAddressThatIsKnown) {
  OnwardServers servers;
  const auto server = known("CA");
  const auto onward = servers.find(server, "f1.test", "203.0.113.7", 0);
  EXPECT_EQ(onward->name, "f1.test:8443") << "apart from the connections of its sites";
  ASSERT_EQ(onward->endpoints.size(), 1U);
  EXPECT_EQ(onward->endpoints[0].address, "203.0.113.7");
  EXPECT_EQ(onward->endpoints[0].port, 8443);
  EXPECT_EQ(onward->tls.mode, ServerTls::Mode::kVerify);
  EXPECT_EQ(onward->tls.name, "f1.test");
  EXPECT_EQ(onward->tls.ca, "CA");
  EXPECT_EQ(servers.find(server, "f1.test", "203.0.113.7", 443)->endpoints[0].port, 443);
}

TEST(OnwardServers, AreTheSameUntilTheirServerChanges) {
  OnwardServers servers;
  const auto before = known("one");
  const auto onward = servers.find(before, "f1.test", "203.0.113.7", 0);
  EXPECT_EQ(servers.find(before, "f1.test", "203.0.113.7", 0), onward);
  EXPECT_EQ(servers.find(known("two"), "f1.test", "203.0.113.7", 0)->tls.ca, "two");
}

}  // namespace
}  // namespace hybridge
