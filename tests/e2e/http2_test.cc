// HTTP/2 through a whole edge: bodies and windows both ways, what becomes of a request whose client takes it back,
// holds, WebSockets, and the end of the process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "proxy/http/websocket.h"
#include "tests/support/hold_world.h"
#include "tests/support/http2_peer.h"

namespace hybridge::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::size_t kFirstWindow = 65'535;  // RFC 9113 6.9.2
constexpr std::uint32_t kMore = 1 << 20;
const std::string kTrailers =
    "Server-Timing: db;dur=5\r\nContent-Digest: sha-256=:x:\r\nContent-Type: text/evil\r\nSet-Cookie: a=b\r\n"
    "Transfer-Encoding: gzip\r\nX-Request-ID: theirs\r\nX-Hop: 1\r\n";

class Http2 : public testing::Test {
 protected:
  Http2() : client((world.serve(upstream), world)) {}

  // A request that has reached its server.
  Peer begin(std::uint32_t stream, const http2::Fields& fields, bool ends = true) {
    client.send(http2::headers(stream, fields, ends));
    auto server = upstream.accept();
    seen = server.receive_until("\r\n\r\n");
    return server;
  }

  PeerServer upstream;
  EdgeWorld world;
  Http2Peer client;
  std::string seen;
};

TEST_F(Http2, AsksAServerInHttp1) {
  auto server = begin(1, http2::request("GET", "/a?b=c"));
  EXPECT_THAT(seen, testing::StartsWith("GET /a?b=c HTTP/1.1\r\nHost: a.test\r\n"));
  server.send(ok("page"));
  const auto& answer = client.answer(1);
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "page");
  EXPECT_TRUE(answer.is_whole);
}

TEST_F(Http2, SendsABodyWithItsLengthOrInChunks) {
  auto server = begin(1, http2::request("POST", "/", {{"content-length", "4"}}), false);
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Length: 4\r\n"));
  client.send(http2::data(1, "bo", false) + http2::data(1, "dy"));
  EXPECT_EQ(server.receive(4), "body");
  server.send(ok("1"));
  EXPECT_EQ(client.answer(1).body, "1");

  client.send(http2::headers(3, http2::request("POST"), false));
  EXPECT_THAT(server.receive_until("\r\n\r\n"), HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  client.send(http2::data(3, "body"));
  EXPECT_EQ(server.receive_until("0\r\n\r\n"), "4\r\nbody\r\n0\r\n\r\n");
  server.send(ok("3"));
  EXPECT_EQ(client.answer(3).body, "3");
}

TEST_F(Http2, SendsNoMoreThanTheClientsWindowTakes) {
  auto server = begin(1, http2::request());
  const std::string body(3 * kFirstWindow, 'x');
  server.send(ok(body));
  EXPECT_EQ(client.answer_so_far(1, kFirstWindow).body.size(), kFirstWindow);
  client.catch_up();
  EXPECT_EQ(client.answer_so_far(1).body.size(), kFirstWindow);
  client.send(http2::window_update(0, kMore) + http2::window_update(1, kMore));
  EXPECT_EQ(client.answer(1).body, body);
}

TEST_F(Http2, PassesTrailersOnThatMayStandThere) {
  auto server = begin(1, http2::request());
  server.send("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n");
  server.send(kTrailers + "\r\n");
  EXPECT_EQ(client.answer(1).body, "page");
  EXPECT_THAT(client.answer(1).trailers,
              ElementsAre(Pair("server-timing", "db;dur=5"), Pair("content-digest", "sha-256=:x:")));

  client.send(http2::headers(3, http2::request()));  // and the server's connection goes on
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: a=b\r\n\r\n");
  EXPECT_TRUE(client.answer(3).is_whole);
  EXPECT_TRUE(client.answer(3).trailers.empty());
}

TEST_F(Http2, SendsTrailersBehindABodyThatWaitedForTheWindow) {
  auto server = begin(1, http2::request());
  const std::string body(2 * kFirstWindow, 'x');
  server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1fffe\r\n" + body + "\r\n0\r\nX-Sum: 1\r\n\r\n");
  client.answer_so_far(1, kFirstWindow);
  client.send(http2::window_update(0, kMore) + http2::window_update(1, kMore));
  EXPECT_EQ(client.answer(1).body, body);
  EXPECT_THAT(client.answer(1).trailers, ElementsAre(Pair("x-sum", "1")));
}

TEST_F(Http2, EndsWhatAServerDoesForARequestThatIsTakenBack) {
  auto server = begin(1, http2::request());
  client.send(http2::rst_stream(1));
  EXPECT_TRUE(server.await_end());
  EXPECT_TRUE(eventually([&] { return world.ended(Reason::kClientGone) == 1; }));
}

TEST_F(Http2, LetsAServerFinishWhatIsNoSafeRequest) {
  auto server = begin(1, http2::request("POST"));
  client.send(http2::rst_stream(1));
  client.catch_up();
  server.send(ok("done"));
  EXPECT_TRUE(eventually([&] { return world.ended(Reason::kClientGone) == 1; }));
  client.send(http2::headers(3, http2::request()));  // by the same connection, which was kept
  EXPECT_THAT(server.receive_until("\r\n\r\n"), HasSubstr("GET / HTTP/1.1\r\n"));
  server.send(ok("next"));
  EXPECT_EQ(client.answer(3).body, "next");
}

TEST_F(Http2, CarriesAWebSocket) {
  auto server = begin(1,
                      {{":method", "CONNECT"},
                       {":protocol", "websocket"},
                       {":scheme", "https"},
                       {":authority", "a.test"},
                       {":path", "/socket.io/"},
                       {"sec-websocket-version", "13"}},
                      false);
  EXPECT_THAT(seen, testing::StartsWith("GET /socket.io/ HTTP/1.1\r\n"));
  const std::string name = "Sec-WebSocket-Key: ";
  const auto at = seen.find(name) + name.size();
  server.send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
      http::websocket_accept(seen.substr(at, seen.find('\r', at) - at)) + "\r\n\r\nhello");
  EXPECT_EQ(client.answer_so_far(1, 5).body, "hello");
  EXPECT_EQ(client.answer_so_far(1).status(), 200);
  client.send(http2::data(1, "world", false));
  EXPECT_EQ(server.receive(5), "world");
  server.close();
  EXPECT_TRUE(client.answer(1).is_over());
}

TEST_F(Http2, EndsWithTwoGoawaysAndTheAnswersThatAreDue) {
  auto server = begin(1, http2::request());
  std::promise<void> gone;
  world.edge->drain([&] { gone.set_value(); });
  auto goaway = client.frame_of(http2::kGoaway);
  EXPECT_EQ(goaway.number(), 0x7fffffffu);
  EXPECT_EQ(client.frame_of(http2::kPing).stream, 0u);
  client.send(http2::headers(3, http2::request("GET", "/late")));  // sent before the client has read that
  auto second = upstream.accept();
  second.receive_until("\r\n\r\n");
  client.send(http2::frame(http2::kPing, http2::kAck, 0, std::string(8, '\0')));
  goaway = client.frame_of(http2::kGoaway);
  EXPECT_EQ(goaway.number(), 3u);
  EXPECT_EQ(goaway.number(4), std::uint32_t{NGHTTP2_NO_ERROR});
  second.send(ok("late"));
  server.send(ok("first"));
  EXPECT_EQ(client.answer(1).body, "first");
  EXPECT_EQ(client.answer(3).body, "late");
  client.peer().close();  // or the edge would wait for it a while
  gone.get_future().wait();
}

TEST(Http2Hold, KeepsARequestWaitingAndItsBodyWithTheClient) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  Http2Peer client(world.edge_world);
  world.hold();
  const std::string body(kFirstWindow, 'x');
  client.send(http2::headers(1, http2::request("POST"), false));
  for (std::size_t at = 0; at < body.size(); at += 16'000) {
    client.send(http2::data(1, std::string_view(body).substr(at, 16'000), false));
  }
  world.await_waiting(1);
  client.catch_up();
  EXPECT_EQ(client.answer_so_far(1).window_opened, 0u);
  EXPECT_FALSE(upstream.has_caller());

  world.release();
  auto server = upstream.accept();
  server.receive_until("\r\n\r\n");
  while (client.answer_so_far(1).window_opened == 0) client.frame_of(http2::kWindowUpdate);
  client.send(http2::data(1, "end"));
  EXPECT_THAT(server.receive_until("0\r\n\r\n"), HasSubstr("end\r\n"));
  server.send(ok("saved"));
  EXPECT_EQ(client.answer(1).body, "saved");
}

TEST(Http2Hold, LetsARequestGoThatIsTakenBack) {
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  Http2Peer client(world.edge_world);
  world.hold();
  client.send(http2::headers(1, http2::request()));
  world.await_waiting(1);
  client.send(http2::rst_stream(1));
  world.await_waiting(0);
  EXPECT_EQ(world.counts().of(HoldOutcome::kClientGone), 1u);
  world.release();
  EXPECT_FALSE(upstream.has_caller());
}

}  // namespace
}  // namespace hybridge::test
