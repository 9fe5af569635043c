#include "proxy/upstream/connection.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/upstream_story.h"
#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using http::Framing;
using test::ask;
using test::ask_with_body;
using test::Outcome;
using test::ScriptedConnection;
using test::ScriptedServer;
using test::UpstreamWorld;

class UpstreamConnectionTest : public testing::Test {
 protected:
  void begin(const UpstreamSettings& settings = {}) {
    lease.release();
    world.emplace(settings);
    listener.emplace(world->runner);
    server = &world->upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(*listener)}));
    lease = world->lease(*server);
    peer = listener->accept();
  }
  void SetUp() override { begin(); }
  void TearDown() override {
    lease.release();
    peer.reset();
  }

  // The answer to a GET, sent at once and then byte by byte.
  std::string answer_to(std::string_view bytes, bool then_close = false, http::Method method = http::Method::kGet,
                        UpstreamAsks asks = {}) {
    std::string told;
    for (const bool bytewise : {false, true}) {
      begin();
      ask(*lease, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", method, asks);
      Outcome<std::string> answer(test::read_answer(*lease));
      peer->receive_until("\r\n\r\n");
      if (bytewise) {
        for (const char byte : bytes) {
          if (answer.is_there()) break;
          peer->send({&byte, 1});
          world->runner.turns(2);
        }
      } else {
        peer->send(bytes);
      }
      if (then_close) peer->shutdown();
      world->runner.until([&] { return answer.is_there(); });
      if (bytewise) {
        EXPECT_EQ(*answer, told) << "byte by byte";
      }
      told = *answer;
    }
    return told;
  }

  std::optional<UpstreamWorld> world;
  std::optional<ScriptedServer> listener;
  UpstreamServer* server = nullptr;
  Lease lease;
  std::unique_ptr<ScriptedConnection> peer;
};

// ---- Requests ----

TEST_F(UpstreamConnectionTest, SendsTheHeadAsItIs) {
  ask(*lease, "GET /a?b HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(peer->receive_until("\r\n\r\n"), "GET /a?b HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_FALSE(peer->has_input());
}

TEST_F(UpstreamConnectionTest, SendsABodyOfKnownLengthAsItIs) {
  ask_with_body(*lease, {Framing::Kind::kLength, 6});
  Outcome<std::string> first(test::write(*lease, "abc"));
  Outcome<std::string> second(test::write(*lease, "def"));
  lease->finish_body();
  EXPECT_EQ(*first, "written");
  EXPECT_EQ(*second, "written");
  peer->receive_until("\r\n\r\n");
  EXPECT_EQ(peer->receive(6), "abcdef");
  world->runner.turns(2);
  EXPECT_FALSE(peer->has_input());
}

TEST_F(UpstreamConnectionTest, FramesAChunkedBody) {
  ask_with_body(*lease, {Framing::Kind::kChunked});
  Outcome<std::string> first(test::write(*lease, "hello"));
  Outcome<std::string> empty(test::write(*lease, ""));
  Outcome<std::string> second(test::write(*lease, std::string(26, 'x')));
  lease->finish_body();
  peer->receive_until("\r\n\r\n");
  EXPECT_EQ(peer->receive_until("0\r\n\r\n"), "5\r\nhello\r\n1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
}

TEST_F(UpstreamConnectionTest, WaitsWhileTheServerTakesLessThanWeGive) {
  ask_with_body(*lease, {Framing::Kind::kLength, 64 << 20});
  const std::string megabyte(1 << 20, 'x');
  std::size_t written = 0;
  std::optional<Outcome<std::string>> pending;
  for (int i = 0; i < 64; ++i) {
    pending.emplace(test::write(*lease, megabyte));
    world->runner.turns(2);
    written += megabyte.size();
    if (!pending->is_there()) break;
  }
  ASSERT_FALSE(pending->is_there()) << "all 64 MB went into the void";
  std::size_t received = 0;
  peer->receive_until("\r\n\r\n");
  while (received < written) received += peer->receive(std::min<std::size_t>(65536, written - received)).size();
  world->runner.until([&] { return pending->is_there(); });
  EXPECT_EQ(**pending, "written");
}

TEST_F(UpstreamConnectionTest, SaysWhetherAnyByteWasGivenToTheKernel) {
  lease->begin(http::Method::kGet, {});
  EXPECT_FALSE(lease->has_written());
  lease->write_head("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_FALSE(lease->has_written()) << "only queued";
  world->runner.turns(2);
  EXPECT_TRUE(lease->has_written());
  EXPECT_FALSE(lease->has_received());
}

// ---- Answers ----

TEST_F(UpstreamConnectionTest, ReadsABodyOfKnownLength) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "200 hello");
}

TEST_F(UpstreamConnectionTest, ReadsAChunkedBody) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
            "200 hello!");
}

TEST_F(UpstreamConnectionTest, ReadsABodyUntilTheClose) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\n\r\nhello", true), "200 hello");
  EXPECT_FALSE(lease->is_reusable());
}

TEST_F(UpstreamConnectionTest, AnAnswerToHeadHasNoBody) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, http::Method::kHead), "200 ");
  EXPECT_TRUE(lease->is_reusable());
}

TEST_F(UpstreamConnectionTest, ABodyCutShortIsTruncated) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", true), "200 hello[upstream_truncated]");
}

TEST_F(UpstreamConnectionTest, AChunkedBodyWithoutItsLastChunkIsTruncated) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true),
            "200 hello[upstream_truncated]");
}

TEST_F(UpstreamConnectionTest, ABodyThatEndsInAResetIsTruncatedHoweverItIsFramed) {
  ask(*lease);
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 200 OK\r\n\r\nhello");
  world->runner.turns(2);
  peer->reset();
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 hello[upstream_truncated]");
}

TEST_F(UpstreamConnectionTest, AMalformedChunkEndsTheExchange) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n"),
            "200 [upstream_malformed]");
  EXPECT_FALSE(lease->is_reusable());
}

TEST_F(UpstreamConnectionTest, AnAnswerThatIsNoneIsMalformed) {
  EXPECT_EQ(answer_to("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "upstream_malformed");
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"), "upstream_malformed");
}

TEST_F(UpstreamConnectionTest, AHeadBeyondTheLimitIsTooLarge) {
  const std::string large = "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n";
  ask(*lease);
  Outcome<std::string> status(test::read_status(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send(large);
  world->runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "upstream_head_too_large");
}

TEST_F(UpstreamConnectionTest, AServerThatClosesWithoutAnAnswerIsSeenAsThat) {
  EXPECT_EQ(answer_to("", true), "upstream_closed");
  EXPECT_FALSE(lease->has_received());
  EXPECT_EQ(answer_to("HTTP/1.1 2", true), "upstream_closed");
  EXPECT_TRUE(lease->has_received());
}

TEST_F(UpstreamConnectionTest, WhatIsNotReadIsNotTakenFromTheSocket) {
  ask(*lease);
  Outcome<std::string> status(test::read_status(*lease));
  const std::string megabyte(1 << 20, 'x');
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
  world->runner.until([&] { return status.is_there(); });
  // Into the kernel's buffers goes what they hold, to us one receive.
  std::size_t sent = 0;
  for (int turn = 0; turn < 200; ++turn) {
    const auto count = ::send(peer->descriptor(), megabyte.data(), megabyte.size(), MSG_DONTWAIT);
    if (count > 0) sent += static_cast<std::size_t>(count);
    world->runner.turns(1);
  }
  EXPECT_LT(sent, 32U << 20);
  EXPECT_LE(lease->bytes_received(), Loop::kReceiveBytes * 2);
}

TEST_F(UpstreamConnectionTest, AnEarlyAnswerIsReadWhileTheBodyIsStillComing) {
  ask_with_body(*lease, {Framing::Kind::kLength, 1 << 20});
  Outcome<std::string> answer(test::read_answer(*lease));
  Outcome<std::string> piece(test::write(*lease, "only this"));
  peer->receive_until("only this");
  peer->send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "413 no");
  EXPECT_FALSE(lease->is_reusable()) << "the request was never finished";
}

TEST_F(UpstreamConnectionTest, AnAnswerBeforeAResetIsReadThoughTheBodyCannotBeWritten) {
  ask_with_body(*lease, {Framing::Kind::kLength, 1 << 20});
  world->runner.turns(1);
  Outcome<std::string> piece(test::write(*lease, std::string(1000, 'x')));
  peer->receive_until("\r\n\r\n");
  // The reset comes of itself: the peer closes with bytes of ours unread.
  peer->send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  world->runner.turns(1);
  peer.reset();
  Outcome<std::string> more(test::write(*lease, std::string(100'000, 'x')));
  Outcome<std::string> answer(test::read_answer(*lease));
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "413 no");
}

// ---- Informational heads ----

TEST_F(UpstreamConnectionTest, PassesInformationalHeadsOn) {
  EXPECT_EQ(answer_to("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "103 200 ");
}

TEST_F(UpstreamConnectionTest, DropsA100ThatNobodyAskedFor) {
  const std::string_view bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(answer_to(bytes), "200 ");
  EXPECT_EQ(answer_to(bytes, false, http::Method::kPost, {.continue_100 = true}), "100 200 ");
}

TEST_F(UpstreamConnectionTest, EndlessInformationalHeadsAreMalformed) {
  std::string bytes;
  for (int i = 0; i < UpstreamConnection::kMaxInformational; ++i) bytes += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(answer_to(bytes + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "200 ");
  EXPECT_EQ(answer_to(bytes + "HTTP/1.1 100 Continue\r\n\r\n"), "upstream_malformed");
}

TEST_F(UpstreamConnectionTest, A101ThatNobodyAskedForIsMalformed) {
  EXPECT_EQ(answer_to("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
            "upstream_malformed");
}

// ---- Tunnels ----

TEST_F(UpstreamConnectionTest, A101BecomesATunnelOfRawBytes) {
  ask(*lease, "GET / HTTP/1.1\r\n\r\n", http::Method::kGet, {.upgrade = true});
  Outcome<std::string> status(test::read_status(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nbehind the head");
  world->runner.until([&] { return status.is_there(); });
  ASSERT_EQ(*status, "101");
  lease->start_tunnel();
  EXPECT_EQ(server->tunnels(), 1U);
  EXPECT_EQ(server->in_use(), 0U);
  Outcome<std::string> down(test::read_whole_body(*lease));
  Outcome<std::string> up(test::write(*lease, "raw"));
  EXPECT_EQ(peer->receive(3), "raw");
  peer->send(" and more");
  peer->shutdown();
  world->runner.until([&] { return down.is_there(); });
  EXPECT_EQ(*down, "behind the head and more");
  Outcome<std::string> after(test::write(*lease, "half-closed is not closed"));
  EXPECT_EQ(peer->receive(25), "half-closed is not closed");
  lease->shutdown_output();
  world->runner.turns(2);
  EXPECT_TRUE(peer->is_at_end());
  EXPECT_FALSE(lease->is_reusable());
  lease.release();
  EXPECT_EQ(server->tunnels(), 0U);
}

TEST_F(UpstreamConnectionTest, OurHalfCloseDoesNotLoseWhatTheServerStillSends) {
  ask(*lease, "GET / HTTP/1.1\r\n\r\n", http::Method::kGet, {.upgrade = true});
  Outcome<std::string> status(test::read_status(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  world->runner.until([&] { return status.is_there(); });
  lease->start_tunnel();
  lease->shutdown_output();
  world->runner.turns(2);
  // Both directions are shut before anybody reads.
  peer->send(std::string(100'000, 'x'));
  peer->close();
  world->runner.turns(10);
  Outcome<std::string> down(test::read_whole_body(*lease));
  world->runner.until([&] { return down.is_there(); });
  EXPECT_EQ(down->size(), 100'000U);
}

// ---- Ends ----

TEST_F(UpstreamConnectionTest, AbortEndsTheWaitsWithItsError) {
  ask_with_body(*lease, {Framing::Kind::kLength, 64 << 20});
  peer->limit_buffers(4096);
  std::optional<Outcome<std::string>> piece;
  do {
    piece.emplace(test::write(*lease, std::string(1 << 20, 'x')));
    world->runner.turns(1);
  } while (piece->is_there());
  Outcome<std::string> status(test::read_status(*lease));
  lease->abort(make_error(Reason::kClientGone));
  EXPECT_EQ(*status, "client_gone");
  EXPECT_EQ(**piece, "client_gone");
  Outcome<std::string> later(test::read_status(*lease));
  EXPECT_EQ(*later, "client_gone");
  EXPECT_FALSE(lease->is_reusable());
}

TEST_F(UpstreamConnectionTest, AFaultFoundByTheReaderEndsTheWriterToo) {
  ask_with_body(*lease, {Framing::Kind::kLength, 64 << 20});
  peer->limit_buffers(4096);
  std::optional<Outcome<std::string>> piece;
  do {
    piece.emplace(test::write(*lease, std::string(1 << 20, 'x')));
    world->runner.turns(1);
  } while (piece->is_there());
  peer->send("nonsense\r\n\r\n");
  world->runner.turns(5);
  Outcome<std::string> status(test::read_status(*lease));
  world->runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "upstream_malformed");
  EXPECT_EQ(**piece, "upstream_malformed");
}

TEST_F(UpstreamConnectionTest, ReleasingALeaseEndsWhatStillWaitsOnIt) {
  ask(*lease);
  Outcome<std::string> status(test::read_status(*lease));
  world->runner.turns(1);
  lease.release();
  EXPECT_EQ(*status, "upstream_closed");
}

TEST_F(UpstreamConnectionTest, BytesBehindACompleteAnswerSpoilTheConnection) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "200 ok");
  EXPECT_TRUE(lease->is_reusable());
  begin();
  ask(*lease);
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 ok");
  EXPECT_FALSE(lease->is_reusable());
}

TEST_F(UpstreamConnectionTest, BytesFromBeforeTheRequestAreNobodysAnswer) {
  // They lie in the kernel when the request is queued, and are seen before it is sent.
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother");
  ask(*lease);
  Outcome<std::string> answer(test::read_answer(*lease));
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "upstream_closed");
  EXPECT_FALSE(lease->has_written());
}

TEST_F(UpstreamConnectionTest, ConnectionCloseInTheAnswerIsObeyed) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), "200 ");
  EXPECT_FALSE(lease->is_reusable());
}

// ---- Time-outs ----

TEST_F(UpstreamConnectionTest, AServerThatDoesNotAnswerIsGivenUp) {
  begin({.response_head = 100ms});
  ask(*lease);
  Outcome<std::string> status(test::read_status(*lease));
  world->runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "upstream_head_timeout");
}

TEST_F(UpstreamConnectionTest, TheWaitForTheHeadBeginsWithTheRequestsEnd) {
  begin({.response_head = 200ms});
  ask_with_body(*lease, {Framing::Kind::kLength, 1});
  Outcome<std::string> status(test::read_status(*lease));
  world->runner.for_at_least(500ms);
  EXPECT_FALSE(status.is_there());
  Outcome<std::string> piece(test::write(*lease, "x"));
  lease->finish_body();
  world->runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "upstream_head_timeout");
}

TEST_F(UpstreamConnectionTest, AnAnswerThatStopsIsGivenUp) {
  begin({.response_idle = 500ms});
  ask(*lease);
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  for (int i = 0; i < 4; ++i) {
    world->runner.for_at_least(200ms);
    peer->send("x");
  }
  EXPECT_FALSE(answer.is_there()) << "each piece begins the time-out again";
  world->runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 xxxx[upstream_idle]");
}

TEST_F(UpstreamConnectionTest, ASlowReaderIsNoFaultOfTheServer) {
  begin({.response_idle = 100ms});
  ask(*lease);
  Outcome<std::string> status(test::read_status(*lease));
  peer->receive_until("\r\n\r\n");
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  world->runner.until([&] { return status.is_there(); });
  world->runner.for_at_least(400ms);
  Outcome<std::string> body(test::read_whole_body(*lease));
  EXPECT_EQ(*body, "ok");
}

TEST_F(UpstreamConnectionTest, AServerThatTakesNothingOfTheRequestIsGivenUp) {
  begin({.write_idle = 200ms});
  ask_with_body(*lease, {Framing::Kind::kLength, 64 << 20});
  peer->limit_buffers(4096);
  Outcome<std::string> status(test::read_status(*lease));
  std::optional<Outcome<std::string>> piece;
  do {
    piece.emplace(test::write(*lease, std::string(1 << 20, 'x')));
    world->runner.turns(1);
  } while (piece->is_there());
  world->runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "upstream_idle");
  EXPECT_EQ(**piece, *status);
}

}  // namespace
}  // namespace hybridge
