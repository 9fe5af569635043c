// A server of several endpoints: requests are shared out among them, but what must find its session again.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

TEST(Secondaries, SocketIoStaysWithThePrimary) {
  EdgeWorld world;
  PeerServer primary;
  PeerServer secondary;
  world.set_server("f1.test", {primary.address(), secondary.address()});
  world.set_site("a.test", "f1.test");
  auto client = world.connect();
  client.send(get("/socket.io/?EIO=4"));
  auto server = primary.accept();
  for (const auto* target : {"/socket.io/?EIO=4", "/socket.io", "/x/..//socket.io/a", "/%73ocket.io/"}) {
    if (std::string_view(target) != "/socket.io/?EIO=4") client.send(get(target));
    EXPECT_NE(server.receive_until("\r\n\r\n").find(target), std::string::npos);
    server.send(ok("polled"));
    const auto answer = client.response();
    EXPECT_EQ(answer.body, "polled") << target;
    EXPECT_TRUE(answer.field("X-Proxy-Upstream").ends_with("_primary")) << target;
  }
  EXPECT_FALSE(secondary.has_caller());
  // Whoever wants none of it goes to either.
  client.send(get("/one"));
  server.receive_until("\r\n\r\n");
  server.send(ok("one"));
  const auto answer = client.response();
  EXPECT_EQ(answer.body, "one");
  EXPECT_FALSE(answer.field("X-Proxy-Upstream").ends_with("_primary"));
  client.send(get("/two"));
  auto other = secondary.accept();
  other.receive_until("\r\n\r\n");
  other.send(ok("two"));
  EXPECT_EQ(client.response().body, "two");
}

}  // namespace
}  // namespace hybridge::test
