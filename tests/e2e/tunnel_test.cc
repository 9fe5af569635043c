// WebSockets and other upgrades: raw bytes both ways, half-closes, time-outs, and the end of the process.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "proxy/http/forwarded.h"
#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

const std::string kUpgrade = get("/socket.io/?transport=websocket",
                                 "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
const std::string kSwitched =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

class TunnelWorld {
 public:
  explicit TunnelWorld(EdgeWorld::Options options = {}, bool is_tls = false)
      : world((std::move(options))),
        client((world.serve(upstream), is_tls ? world.connect_tls("a.test") : world.connect())),
        server(begin()) {}

  Peer begin() {
    client.send(kUpgrade);
    auto accepted = upstream.accept();
    seen = accepted.receive_until("\r\n\r\n");
    accepted.send(kSwitched);
    answer = client.response();
    return accepted;
  }
  void expect_end(Reason reason) {
    eventually([&] { return world.ended() == 1; });
    EXPECT_EQ(world.ended(reason), 1u);
    eventually([&] { return world.connections(Side::kDownstream, ConnectionProtocol::kTunnel) == 0; });
  }

  PeerServer upstream;
  EdgeWorld world;
  Peer client;
  std::string seen;
  Response answer;
  Peer server;
};

TEST(Tunnel, CarriesBytesBothWays) {
  for (const bool is_tls : {false, true}) {
    TunnelWorld tunnel({}, is_tls);
    EXPECT_NE(tunnel.seen.find("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"), std::string::npos) << tunnel.seen;
    EXPECT_NE(tunnel.seen.find("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), std::string::npos);
    EXPECT_EQ(tunnel.answer.status, 101);
    EXPECT_EQ(tunnel.answer.field("Upgrade"), "websocket");
    EXPECT_EQ(tunnel.answer.field("Connection"), "upgrade");
    EXPECT_EQ(tunnel.answer.field("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(tunnel.answer.field("X-Proxy-Upstream"), http::proxy_upstream_name("f1.test"));
    tunnel.client.send("\x81\x05hello");
    EXPECT_EQ(tunnel.server.receive(7), "\x81\x05hello");
    tunnel.server.send(
        "\x81\x03"
        "bye");
    EXPECT_EQ(tunnel.client.receive(5),
              "\x81\x03"
              "bye");
    EXPECT_EQ(tunnel.world.in_flight(), 0);  // a tunnel is no request
    tunnel.client.close();
    EXPECT_TRUE(tunnel.server.await_end());
    tunnel.server.close();
    eventually([&] { return tunnel.world.ended() == 1; });
  }
}

TEST(Tunnel, LosesNoBytesBehindTheHeads) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  auto client = world.connect();
  client.send(kUpgrade + "early from the client");
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(kSwitched + "early from the server");
  EXPECT_EQ(client.response().status, 101);
  EXPECT_EQ(client.receive_until("server"), "early from the server");
  EXPECT_EQ(server.receive_until("client"), "early from the client");
}

TEST(Tunnel, SendsNothingBehindTheHeadBeforeTheServerHasAgreed) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  auto client = world.connect();
  client.send(kUpgrade + get("/next"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("no upgrade today"));
  EXPECT_EQ(client.response().body, "no upgrade today");
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /next "));  // it was a request after all
  server.send(ok("next"));
  EXPECT_EQ(client.response().body, "next");
}

TEST(Tunnel, PassesHalfClosesOn) {
  {
    TunnelWorld tunnel;
    tunnel.client.send("last");
    tunnel.client.shutdown();
    EXPECT_EQ(tunnel.server.receive_to_end(), "last");
    tunnel.server.send("still here");
    EXPECT_EQ(tunnel.client.receive_until("here"), "still here");
    tunnel.server.close();
    EXPECT_EQ(tunnel.client.receive_to_end(), "");
    EXPECT_FALSE(tunnel.client.was_reset());
    tunnel.expect_end(Reason::kUpgraded);
  }
  TunnelWorld tunnel;
  tunnel.server.send("last");
  tunnel.server.shutdown();
  EXPECT_EQ(tunnel.client.receive_to_end(), "last");
  tunnel.client.send("still here");
  EXPECT_EQ(tunnel.server.receive_until("here"), "still here");
  tunnel.client.close();
  EXPECT_EQ(tunnel.server.receive_to_end(), "");
  tunnel.expect_end(Reason::kUpgraded);
}

TEST(Tunnel, EndsWhenTheClientResets) {
  TunnelWorld tunnel;
  tunnel.client.reset();
  EXPECT_TRUE(tunnel.server.await_end());
  tunnel.expect_end(Reason::kClientGone);
}

TEST(Tunnel, EndsWhenTheServerResets) {
  TunnelWorld tunnel;
  tunnel.server.reset();
  tunnel.client.receive_to_end();
  EXPECT_TRUE(tunnel.client.was_reset());
  tunnel.expect_end(Reason::kUpstreamClosed);
}

TEST(Tunnel, EndsWhenNothingMoves) {
  for (const bool is_tls : {false, true}) {
    TunnelWorld tunnel({.tune = [](Config& config) { config.timeouts.tunnel_idle = 300ms; }}, is_tls);
    EXPECT_TRUE(tunnel.client.await_end());
    EXPECT_TRUE(tunnel.server.await_end());
    tunnel.expect_end(Reason::kTunnelIdle);
  }
}

TEST(Tunnel, StaysWhileEitherSideMoves) {
  TunnelWorld tunnel({.tune = [](Config& config) { config.timeouts.tunnel_idle = 1s; }});
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(300ms);  // time itself is what is tested
    tunnel.server.send("ping");
    EXPECT_EQ(tunnel.client.receive(4), "ping");
  }
  EXPECT_EQ(tunnel.world.ended(), 0u);
}

TEST(Tunnel, EndsWhenItsHalfClosedHalfIsAllThatIsLeftAndIdle) {
  TunnelWorld tunnel({.tune = [](Config& config) { config.timeouts.tunnel_idle = 300ms; }});
  tunnel.client.shutdown();
  EXPECT_EQ(tunnel.server.receive_to_end(), "");
  EXPECT_TRUE(tunnel.client.await_end());
  tunnel.expect_end(Reason::kTunnelIdle);
}

TEST(Tunnel, EndsWhenBothDirectionsWaitForTheClient) {
  TunnelWorld tunnel({.tune = [](Config& config) { config.timeouts.tunnel_idle = 300ms; }});
  tunnel.client.limit_buffers(64 * 1024);
  tunnel.server.send_until_blocked(std::string(256 * 1024, 's'), 200'000'000);
  EXPECT_TRUE(tunnel.server.await_end());
  tunnel.client.receive_to_end();
  EXPECT_TRUE(tunnel.client.was_reset());
  tunnel.expect_end(Reason::kTunnelIdle);
}

TEST(Tunnel, HoldsBackWhoSendsMoreThanIsTaken) {
  TunnelWorld tunnel;
  tunnel.client.limit_buffers(64 * 1024);
  const std::string piece(256 * 1024, 's');
  const auto sent = tunnel.server.send_until_blocked(piece, 200'000'000);
  EXPECT_LT(sent, 40'000'000u);
  tunnel.client.receive(sent - sent / 4);
  EXPECT_GT(tunnel.server.send_until_blocked(piece, 1'000'000), 0u);
  tunnel.client.reset();
  EXPECT_TRUE(tunnel.server.await_end());
  tunnel.expect_end(Reason::kClientGone);
}

TEST(Tunnel, CarriesNoUpgradeWithABody) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  auto client = world.connect();
  client.send(post("/x", "body", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  auto server = upstream.accept();
  const auto seen = server.receive_until("body");
  EXPECT_EQ(seen.find("Upgrade"), std::string::npos) << seen;
  server.send(kSwitched);
  EXPECT_EQ(client.response().status, 502);
}

TEST(Tunnel, OutlivesADrainUntilTunnelsAreClosed) {
  TunnelWorld tunnel;
  std::promise<void> gone;
  tunnel.world.edge->drain([&] { gone.set_value(); });
  auto future = gone.get_future();
  tunnel.client.send("still");
  EXPECT_EQ(tunnel.server.receive(5), "still");
  EXPECT_EQ(future.wait_for(0s), std::future_status::timeout);
  tunnel.world.edge->close_tunnels();
  EXPECT_EQ(future.wait_for(10s), std::future_status::ready);
  EXPECT_TRUE(tunnel.client.await_end());
  EXPECT_TRUE(tunnel.server.await_end());
  tunnel.expect_end(Reason::kShuttingDown);
}

}  // namespace
}  // namespace hybridge::test
