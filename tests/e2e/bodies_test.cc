// Large bodies both ways, in bounded memory; and what happens when either side leaves in the middle of them.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/support/edge_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

class Pair {
 public:
  explicit Pair(EdgeWorld::Options options = {}) : world(std::move(options)) { world.serve(upstream); }

  PeerServer upstream;
  EdgeWorld world;
};

std::string numbered(std::size_t bytes) {
  std::string body;
  for (int i = 0; body.size() < bytes; ++i) body += std::to_string(i) + ' ';
  body.resize(bytes);
  return body;
}

std::string post_of(std::size_t bytes) {
  return "POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

// ---- Uploads ----

TEST(Bodies, CarriesALargeUploadUnharmed) {
  for (const bool is_tls : {false, true}) {
    Pair pair;
    const auto body = numbered(5'000'000);
    auto client = is_tls ? pair.world.connect_tls("a.test") : pair.world.connect();
    std::thread sender([&] { client.send(post_of(body.size()) + body); });
    auto server = pair.upstream.accept();
    server.receive_until("\r\n\r\n");
    EXPECT_TRUE(server.receive(body.size()) == body);
    server.send(ok("thanks"));
    sender.join();
    EXPECT_EQ(client.response().body, "thanks");
    eventually([&] { return pair.world.in_flight() == 0; });
    EXPECT_NE(pair.world.log_lines().at(0).find("\"bytes_in\":5000000"), std::string::npos);
  }
}

TEST(Bodies, StopsReadingAnUploadThatItsServerDoesNotTake) {
  Pair pair;
  auto client = pair.world.connect();
  client.limit_buffers(64 * 1024);
  client.send(post_of(200'000'000));
  auto server = pair.upstream.accept();
  server.limit_buffers(64 * 1024);
  server.receive_until("\r\n\r\n");
  const std::string piece(256 * 1024, 'u');
  const auto sent = client.send_until_blocked(piece, 200'000'000);
  EXPECT_LT(sent, 40'000'000u);  // the kernel's buffers and one high-water mark
  // As the server takes, so may the client send.
  EXPECT_EQ(server.receive(sent - sent / 4).size(), sent - sent / 4);
  EXPECT_GT(client.send_until_blocked(piece, 1'000'000), 0u);
  client.reset();
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
}

TEST(Bodies, GivesUpOnAServerThatTakesNothingOfAnUpload) {
  Pair pair({.tune = [](Config& config) { config.timeouts.write_idle = 300ms; }});
  auto client = pair.world.connect();
  client.send(post_of(200'000'000));
  auto server = pair.upstream.accept();
  server.limit_buffers(64 * 1024);
  server.receive_until("\r\n\r\n");
  client.send_until_blocked(std::string(256 * 1024, 'u'), 200'000'000);
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 504) << answer.head;
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), "upstream_idle");
}

TEST(Bodies, DeliversAnAnswerThatComesBeforeTheUploadsEnd) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post_of(10'000'000) + std::string(50'000, 'u'));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, "no");
  EXPECT_EQ(answer.field("Connection"), "close");
  client.send(std::string(1'000'000, 'u'));  // is swallowed for a while
  client.shutdown();
  EXPECT_TRUE(client.await_end());
  EXPECT_FALSE(client.was_reset());
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kOk), 1u);
}

TEST(Bodies, DeliversTheAnswerOfAServerThatRefusesAnUploadAndCloses) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post_of(10'000'000));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  server.close();
  std::thread sender([&] { client.send_until_blocked(std::string(100'000, 'u'), 5'000'000); });
  sender.join();
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "no");
}

TEST(Bodies, RefusesAnUploadThatGrowsTooLarge) {
  Pair pair({.tune = [](Config& config) { config.limits.body_bytes = 100'000; }});
  auto client = pair.world.connect();
  client.send(post_of(100'001));
  auto refusal = client.response();
  EXPECT_EQ(refusal.status, 413);
  EXPECT_EQ(refusal.field("X-Hybridge-Reason"), "body_too_large");
  EXPECT_FALSE(pair.upstream.has_caller());  // of the one that said so

  auto grows = pair.world.connect();
  grows.send("POST /upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  const std::string chunk = "c350\r\n" + std::string(50'000, 'u') + "\r\n";
  for (int i = 0; i < 3; ++i) grows.send(chunk);
  EXPECT_EQ(grows.response().status, 413);
  const auto seen = server.receive_to_end();
  EXPECT_EQ(seen.find("\r\n0\r\n\r\n"), std::string::npos);  // never a whole request
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kBodyTooLarge), 2u);
}

TEST(Bodies, NeverCompletesARequestWhoseBodyWasMalformed) {
  Pair pair;
  auto client = pair.world.connect();
  client.send("POST /upload HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n");
  auto server = pair.upstream.accept();
  EXPECT_EQ(client.response().status, 400);
  const auto seen = server.receive_to_end();
  EXPECT_EQ(seen.find("\r\n0\r\n\r\n"), std::string::npos) << seen;
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kBadChunk), 1u);
}

TEST(Bodies, SaysThatABodyCameTooSlowly) {
  Pair pair({.tune = [](Config& config) { config.timeouts.body_idle = 200ms; }});
  auto client = pair.world.connect();
  client.send(post_of(10) + "half");
  auto server = pair.upstream.accept();
  const auto answer = client.response();
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.field("X-Hybridge-Reason"), "body_timeout");
  EXPECT_TRUE(server.await_end());
}

// ---- Downloads ----

TEST(Bodies, CarriesALargeDownloadUnharmed) {
  for (const bool is_tls : {false, true}) {
    Pair pair;
    const auto body = numbered(5'000'000);
    auto client = is_tls ? pair.world.connect_tls("a.test") : pair.world.connect();
    client.send(get("/download"));
    auto server = pair.upstream.accept();
    server.receive_until("\r\n\r\n");
    std::thread sender([&] { server.send(ok(body)); });
    EXPECT_TRUE(client.response().body == body);
    sender.join();
  }
}

TEST(Bodies, HoldsAServerBackWhileTheClientDoesNotRead) {
  for (const bool is_tls : {false, true}) {
    Pair pair;
    auto client = is_tls ? pair.world.connect_tls("a.test") : pair.world.connect();
    client.limit_buffers(64 * 1024);
    client.send(get("/endless"));
    auto server = pair.upstream.accept();
    server.limit_buffers(64 * 1024);
    server.receive_until("\r\n\r\n");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n");
    const std::string piece(256 * 1024, 'd');
    const auto sent = server.send_until_blocked(piece, 200'000'000);
    EXPECT_LT(sent, 40'000'000u);
    // As the client reads, so may the server send.
    client.receive(sent - sent / 4);
    EXPECT_GT(server.send_until_blocked(piece, 1'000'000), 0u);
    client.reset();
    EXPECT_TRUE(server.await_end());
    eventually([&] { return pair.world.in_flight() == 0; });
    EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
  }
}

TEST(Bodies, CutsAClientThatTakesNothing) {
  Pair pair({.tune = [](Config& config) { config.timeouts.write_idle = 300ms; }});
  auto client = pair.world.connect();
  client.limit_buffers(64 * 1024);
  client.send(get("/endless"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n");
  server.send_until_blocked(std::string(256 * 1024, 'd'), 200'000'000);
  EXPECT_TRUE(server.await_end());
  client.receive_to_end();
  EXPECT_TRUE(client.was_reset());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientTooSlow), 1u);
}

// ---- Clients that leave (decisions 4) ----

TEST(Bodies, DropsAGetUpstreamWhenItsClientLeaves) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/slow"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  client.reset();
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
  EXPECT_EQ(pair.world.upstream_connections(UpstreamState::kIdle), 0);
}

TEST(Bodies, KeepsAWholePostUpstreamWhenItsClientLeaves) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post("/write", "body"));
  auto server = pair.upstream.accept();
  server.receive_until("body");
  client.reset();
  eventually([&] { return pair.world.connections(Side::kDownstream, ConnectionProtocol::kHttp1) <= 1; });
  EXPECT_FALSE(server.is_at_end());
  EXPECT_EQ(pair.world.in_flight(), 1);  // it still counts
  server.send(ok("written"));
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
  // Its answer was read to the end: the connection can be used again.
  auto next = pair.world.connect();
  next.send(get("/next"));
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /next "));
  server.send(ok("next"));
  EXPECT_EQ(next.response().body, "next");
}

TEST(Bodies, ReadsTheRestOfAPostsAnswerWhenItsClientLeaves) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post("/write", "body"));
  auto server = pair.upstream.accept();
  server.receive_until("body");
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\nbegun");
  client.receive_until("begun");
  client.reset();
  server.send(std::string(2'999'995, 'd'));  // somebody takes it
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
  EXPECT_FALSE(server.is_at_end());
}

TEST(Bodies, DropsAPostUpstreamThatWasNotSentWhole) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(post_of(1'000) + "half");
  auto server = pair.upstream.accept();
  server.receive_until("half");
  client.reset();
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
}

TEST(Bodies, BoundsHowLongAPostOutlivesItsClient) {
  Pair pair({.tune = [](Config& config) { config.timeouts.response_head = 300ms; }});
  auto client = pair.world.connect();
  client.send(post("/write", "body"));
  auto server = pair.upstream.accept();
  server.receive_until("body");
  client.reset();
  EXPECT_TRUE(server.await_end());
  eventually([&] { return pair.world.in_flight() == 0; });
}

TEST(Bodies, ForgetsARequestWhoseClientLeftWhileItWaitedForAConnection) {
  Pair pair;
  pair.world.set_server("f1.test", {pair.upstream.address()},
                        [](Server& server) { server.limits = {.connections = 1, .waiting = 10}; });
  auto first = pair.world.connect();
  first.send(get("/1"));
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  auto leaves = pair.world.connect();
  leaves.send(post("/never", "body"));
  eventually([&] { return pair.world.in_flight() == 2; });
  leaves.reset();
  eventually([&] { return pair.world.in_flight() == 1; });
  auto stays = pair.world.connect();
  stays.send(get("/2"));
  eventually([&] { return pair.world.in_flight() == 2; });
  server.send(ok("1"));
  EXPECT_EQ(first.response().body, "1");
  EXPECT_TRUE(server.receive_until("\r\n\r\n").starts_with("GET /2 "));
  server.send(ok("2"));
  EXPECT_EQ(stays.response().body, "2");
  EXPECT_EQ(pair.world.ended(Reason::kClientGone), 1u);
}

TEST(Bodies, ServesAClientThatHasHalfClosed) {
  Pair pair;
  auto client = pair.world.connect();
  client.send(get("/"));
  client.shutdown();
  auto server = pair.upstream.accept();
  server.receive_until("\r\n\r\n");
  server.send(ok("served"));
  EXPECT_TRUE(client.receive_to_end().ends_with("\r\n\r\nserved"));
}

}  // namespace
}  // namespace hybridge::test
