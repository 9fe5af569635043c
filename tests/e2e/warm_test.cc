// Connections that are made ahead of requests, as servers and clients see them.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "tests/support/hold_world.h"

namespace hybridge::test {
namespace {

EdgeWorld::Options warming() {
  return {.tune = [](Config& config) { config.upstream.warm = 1; }};
}

// A request of `site` for which the server has made a connection, and after whose answer it closes.
void ask_once(EdgeWorld& world, PeerServer& upstream, const std::string& site) {
  auto client = world.connect();
  client.send("GET / HTTP/1.1\r\nHost: " + site + "\r\n\r\n");
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("last", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, "last");
}

// The worker has looked for servers that lack a connection: one that does has got it.
void look(EdgeWorld& world) {
  PeerServer witness;
  world.set_server("witness.test", {witness.address()});
  world.set_site("witness.test", "witness.test");
  ask_once(world, witness, "witness.test");
  witness.accept();
}

TEST(Warm, TheRequestAfterACloseWaitsForNoConnection) {
  PeerServer upstream;
  EdgeWorld world(warming());
  world.serve(upstream);
  ask_once(world, upstream, "a.test");
  auto server = upstream.accept();
  EXPECT_TRUE(eventually([&] { return world.upstream_connections(UpstreamState::kIdle) == 1; }));
  EXPECT_FALSE(server.has_input());
  auto client = world.connect();
  client.send(post("/saved", "body"));
  EXPECT_TRUE(server.receive_until("body").starts_with("POST /saved HTTP/1.1\r\n"));
  server.send(ok("saved"));
  EXPECT_EQ(client.response().body, "saved");
  EXPECT_TRUE(eventually([&] { return world.log_lines().size() == 2; }));
  const auto lines = world.log_lines();
  EXPECT_EQ(lines[0].find("\"connect\":null"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("\"connect\":null"), std::string::npos) << lines[1];
}

TEST(Warm, ASafeRequestGoesAgainWhereTheServerClosedWhatWasMadeAhead) {
  PeerServer upstream;
  EdgeWorld world(warming());
  world.serve(upstream);
  ask_once(world, upstream, "a.test");
  auto ahead = upstream.accept();
  EXPECT_TRUE(eventually([&] { return world.upstream_connections(UpstreamState::kIdle) == 1; }));
  // From here on whoever connects has a request.
  world.set_config([](Config& config) { config.upstream.warm = 0; },
                   world.authority.certificate({.names = {"default.test"}}));
  auto client = world.connect();
  client.send(get("/again"));
  ahead.receive_until("\r\n\r\n");
  ahead.close();
  auto server = upstream.accept();
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /again HTTP/1.1\r\n"));
  server.send(ok("served"));
  EXPECT_EQ(client.response().body, "served");
  EXPECT_EQ(world.retries(), 1U);
}

TEST(Warm, IsNoServerThatWasRemoved) {
  PeerServer upstream;
  EdgeWorld world(warming());
  world.serve(upstream);
  auto client = world.connect();
  client.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  Snapshot::Builder builder(world.snapshot());
  builder.erase_server("f1.test");
  world.publish(std::move(builder));
  std::vector<Peer> before;
  while (upstream.has_caller()) before.push_back(upstream.accept());
  server.send(ok("last", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, "last");
  before.clear();
  look(world);
  EXPECT_FALSE(upstream.has_caller());
}

TEST(Warm, IsNoServerThatIsHeldUntilItIsNot) {
  PeerServer upstream;
  HoldWorld world(warming());
  world.edge_world.serve(upstream);
  auto client = world.edge_world.connect();
  client.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  world.hold([](HoldTerms& terms) {
    terms.is_of_server = true;
    terms.names = {"f1.test"};
  });
  std::vector<Peer> before;
  while (upstream.has_caller()) before.push_back(upstream.accept());
  server.send(ok("last", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, "last");
  before.clear();
  look(world.edge_world);
  EXPECT_FALSE(upstream.has_caller());
  world.unhold();
  EXPECT_TRUE(eventually([&] { return upstream.has_caller(); }));
}

TEST(Warm, IsNoServerOfAnEdgeThatIsRetiring) {
  PeerServer upstream;
  std::atomic<bool> is_gone = false;
  EdgeWorld world(warming());
  world.serve(upstream);
  auto client = world.connect();
  client.send(get("/"));
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  world.edge->retire([&] { is_gone = true; });
  world.publish(Snapshot::Builder(world.snapshot()));  // comes behind it
  std::vector<Peer> before;
  while (upstream.has_caller()) before.push_back(upstream.accept());
  server.send(ok("last", "Connection: close\r\n"));
  EXPECT_EQ(client.response().body, "last");
  EXPECT_TRUE(eventually([&] { return is_gone.load(); }));
  // Nobody is there to tell when it has looked: it does so every second.
  const auto end = Clock::now() + std::chrono::milliseconds(2500);
  while (Clock::now() < end) ASSERT_FALSE(upstream.has_caller());
}

}  // namespace
}  // namespace hybridge::test
