// What becomes of the connections of a held site: of clients that leave while they wait, and of WebSockets.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/hold_world.h"

namespace hybridge::test {
namespace {

class Leaving : public testing::TestWithParam<bool> {};  // with TLS
INSTANTIATE_TEST_SUITE_P(Holds, Leaving, testing::Bool());

Peer connect(EdgeWorld& world, bool with_tls) {
  return with_tls ? world.connect_tls("a.test") : world.connect();
}

TEST_P(Leaving, FreesTheClientsPlaceAtOnceAndIsNeverForwarded) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = connect(world.edge_world, GetParam());
  client.send(get("/gone"));
  world.await_waiting(1);
  client.close();
  world.await_waiting(0);
  EXPECT_EQ(world.counts().of(HoldOutcome::kClientGone), 1u);
  world.release();
  EXPECT_FALSE(upstream.has_caller());
}

TEST_P(Leaving, IsSeenBehindABodyThatNobodyReads) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = connect(world.edge_world, GetParam());
  client.send(post("/save", std::string(8000, 'x')));
  world.await_waiting(1);
  client.shutdown();
  world.await_waiting(0);
  world.release();
  EXPECT_FALSE(upstream.has_caller());
}

TEST_P(Leaving, IsAResetToo) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = connect(world.edge_world, GetParam());
  client.send(post("/save", std::string(8000, 'x')));
  world.await_waiting(1);
  client.reset();
  world.await_waiting(0);
}

TEST(Holds, TakeACloseNotifyForLeaving) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  auto client = world.edge_world.connect_tls("a.test");
  client.send(get("/gone"));
  world.await_waiting(1);
  SSL_shutdown(client.ssl());  // close_notify alone: no FIN behind it
  world.await_waiting(0);
}

TEST(Holds, ServeAHalfClosedClientWhenTheyDoNotHoldIt) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/"));
  client.shutdown();
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("served"));
  EXPECT_EQ(client.response().body, "served");
}

const std::string kUpgrade =
    "GET /socket.io/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const std::string kSwitched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

struct OpenWebSocket {
  explicit OpenWebSocket(EdgeWorld& world, PeerServer& upstream)
      : client(world.connect()), server([&] {
          client.send(kUpgrade);
          auto accepted = upstream.accept();
          accepted.receive_until("\r\n\r\n");
          accepted.send(kSwitched);
          return accepted;
        }()) {
    client.receive_until("\r\n\r\n");
  }
  Peer client;
  Peer server;
};

TEST(Holds, KeepWebSocketsThatAreOpen) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  OpenWebSocket open(world.edge_world, upstream);
  world.hold();
  EXPECT_TRUE(eventually([&] { return world.has_drained(); }));  // they are no part of it
  EXPECT_EQ(world.counts().tunnels, 1);
  open.server.send("\x81\x02hi");
  EXPECT_EQ(open.client.receive(4), "\x81\x02hi");
}

TEST(Holds, CloseWebSocketsBetweenTwoFramesWhereThatIsWished) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  OpenWebSocket open(world.edge_world, upstream);
  open.server.send(
      "\x81\x05"
      "he");  // a frame that has begun
  EXPECT_EQ(open.client.receive(4),
            "\x81\x05"
            "he");
  world.hold([](HoldTerms& terms) { terms.closes_websockets = true; });
  EXPECT_FALSE(open.client.has_input());
  open.server.send(
      "llo"
      "\x81\x04lost");
  // The rest of the frame, then a Close with 1012: the service restarts (RFC 6455 7.4).
  EXPECT_EQ(open.client.receive_to_end(), std::string("llo\x88\x02\x03\xf4"));
  EXPECT_FALSE(open.client.was_reset());
  open.client.close();
  EXPECT_TRUE(open.server.await_end());
}

}  // namespace
}  // namespace hybridge::test
