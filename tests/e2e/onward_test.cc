// Servers that the table knows by their address, called by their name (forward.suffixes); the rest of what is forwarded
// is tried with a real agent's nginx: blackbox/test_onward.py.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

Result<std::vector<Address>> look_up(const std::string& name) {
  if (name == "f9.hybrid.test") return std::vector{Address::parse("127.0.0.1", 0).value()};
  if (name == "elsewhere.hybrid.test") return std::vector{Address::parse("127.0.0.99", 0).value()};
  return make_error(Reason::kUpstreamUnresolved, "the name " + name + " does not resolve");
}

class OnwardByAddress : public testing::Test {
 protected:
  OnwardByAddress()
      : world({.tune =
                   [](Config& config) {
                     config.server_name = "n1.test";
                     config.forward.suffixes = {"hybrid.test"};
                   },
               .look_up = look_up}) {
    world.set_server("127.0.0.1", {agent.address()},
                     [&](Server& server) { server.agent_port = agent.address().port(); });
  }
  Response call(const std::string& server) {
    auto client = world.connect();
    client.send("GET /" + server + "/agent/ping HTTP/1.1\r\nHost: n1.test\r\nAccept: text/html\r\n\r\n");
    return client.response();
  }

  PeerServer agent;
  EdgeWorld world;
};

TEST_F(OnwardByAddress, ConnectsToTheAddressInTheTableAndAsksForTheName) {
  auto client = world.connect();
  client.send("GET /f9.hybrid.test/agent/ping HTTP/1.1\r\nHost: n1.test\r\n\r\n");
  auto connected = agent.accept();
  const auto hello = connected.receive_until("f9.hybrid.test");  // SNI: RFC 6066 3
  EXPECT_TRUE(hello.starts_with("\x16\x03\x01")) << "TLS, never less";
  connected.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), "upstream_tls");
}

TEST_F(OnwardByAddress, IsNoRelayToWhatTheTableDoesNotHave) {
  for (const auto* server : {"elsewhere.hybrid.test", "unresolved.hybrid.test", "f9.other.test", "hybrid.test",
                             "xhybrid.test", "127.0.0.99"}) {
    const auto answer = call(server);
    EXPECT_EQ(answer.status, 404) << server;
    EXPECT_EQ(answer.field("X-Hybridge-Reason"), "unknown_server") << server;
    EXPECT_EQ(answer.field("Content-Type"), "application/problem+json") << server;
  }
  EXPECT_FALSE(agent.has_caller());
}

TEST_F(OnwardByAddress, SurvivesAClientThatLeavesDuringTheLookUp) {
  for (int i = 0; i < 20; ++i) {
    auto client = world.connect();
    client.send("GET /unresolved" + std::to_string(i) + ".hybrid.test/agent/ping HTTP/1.1\r\nHost: n1.test\r\n\r\n");
    client.reset();
  }
  eventually([&] { return world.in_flight() == 0; });
}

}  // namespace
}  // namespace hybridge::test
