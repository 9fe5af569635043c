#include "io/transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "io/acceptor.h"
#include "io/loop.h"
#include "tests/io/side.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::LoopRunner;
using test::pattern;
using test::ScriptedConnection;
using test::ScriptedServer;
using test::Side;

// A transport that connected to a scripted peer.
class ClientTransport : public testing::Test {
 protected:
  void connect() {
    side.emplace(runner);
    side->wants = wants;
    side->transport.connect(listener.address());
    peer = listener.accept();
    runner.until([&] { return side->connected == 1; });
  }
  void SetUp() override { connect(); }

  bool wants = true;
  LoopRunner runner;
  ScriptedServer listener{runner};
  std::optional<Side> side;
  std::unique_ptr<ScriptedConnection> peer;
};

// A transport that was accepted from a scripted peer.
class ServerTransport : public testing::Test, private Acceptor::User {
 protected:
  ServerTransport() : acceptor(runner, *this, Acceptor::listen(*Address::parse("127.0.0.1", 0)).value()) {}
  void SetUp() override {
    acceptor.start();
    peer = test::connect_to(runner, acceptor.local());
    runner.until([&] { return side.has_value(); });
  }
  void on_accept(int descriptor, const Address&) override {
    side.emplace(runner);
    side->transport.open(descriptor);
    side->transport.want_input(true);
  }
  void on_accept_failed(int) override {}

  LoopRunner runner;
  std::optional<Side> side;
  Acceptor acceptor;
  std::unique_ptr<ScriptedConnection> peer;
};

// ---- Connecting ----

TEST_F(ClientTransport, ConnectsAndCarriesBytesBothWays) {
  EXPECT_TRUE(side->transport.is_connected());
  side->transport.write(as_bytes("ping"));
  EXPECT_EQ(peer->receive(4), "ping");
  peer->send("pong");
  runner.until([&] { return side->received == "pong"; });
  EXPECT_EQ(side->transport.bytes_sent(), 4U);
  EXPECT_EQ(side->transport.bytes_received(), 4U);
}

TEST_F(ClientTransport, ARefusedConnectionFails) {
  listener.stop();
  Side refused(runner);
  refused.transport.connect(listener.address());
  EXPECT_EQ(refused.failures, 0) << "never from within a call of the user's own";
  runner.until([&] { return refused.failures == 1; });
  EXPECT_EQ(refused.failure->reason, Reason::kUpstreamConnectFailed);
  EXPECT_EQ(refused.failure->detail, "Connection refused");
  EXPECT_FALSE(refused.transport.is_open());
}

TEST_F(ClientTransport, AnAddressWithoutARouteFailsFromTheLoop) {
  Side unreachable(runner);
  unreachable.transport.connect(*Address::parse("255.255.255.255", 80));  // connect() itself says no
  EXPECT_EQ(unreachable.failures, 0);
  runner.until([&] { return unreachable.failures == 1; });
  EXPECT_EQ(unreachable.failure->reason, Reason::kUpstreamConnectFailed);
}

TEST_F(ClientTransport, BytesWrittenBeforeItIsConnectedFollow) {
  Side early(runner);
  early.transport.connect(listener.address());
  early.transport.write(as_bytes("early"));
  const auto other = listener.accept();
  EXPECT_EQ(other->receive(5), "early");
}

// ---- Input ----

TEST_F(ClientTransport, AUserThatThrowsIsAtItsEndAndNobodyElse) {
  Side other(runner);
  other.transport.connect(listener.address());
  const auto its_peer = listener.accept();
  runner.until([&] { return other.connected == 1; });
  side->throws = true;
  peer->send("what it cannot bear");
  runner.until([&] { return side->failures == 1; });
  EXPECT_FALSE(side->transport.is_open());
  EXPECT_EQ(side->inputs, 1);
  its_peer->send("hello");
  runner.until([&] { return other.received == "hello"; });
}

TEST_F(ClientTransport, WhatIsNotConsumedComesAgainWithWhatFollows) {
  side->takes_all = false;
  peer->send("abc");
  runner.until([&] { return side->inputs == 1; });
  EXPECT_EQ(as_text(side->transport.input()), "abc");
  side->takes = 2;
  peer->send("def");
  runner.until([&] { return side->inputs == 2; });
  EXPECT_EQ(side->received, "ab");
  EXPECT_EQ(as_text(side->transport.input()), "cdef");
  side->takes_all = true;
  peer->send("g");
  runner.until([&] { return side->inputs == 3; });
  EXPECT_EQ(side->received, "abcdefg");
  EXPECT_TRUE(side->transport.input().empty());
}

TEST_F(ClientTransport, ByteByByteIsTheSame) {
  const auto bytes = pattern(300);
  peer->send_bytewise(bytes);
  runner.until([&] { return side->received.size() == bytes.size(); });
  EXPECT_EQ(side->received, bytes);
}

TEST_F(ClientTransport, WhoWantsNoInputIsNotGivenAny) {
  side->transport.want_input(false);
  peer->send("unwanted");
  runner.turns(5);
  EXPECT_EQ(side->inputs, 0);
  EXPECT_EQ(side->transport.bytes_received(), 0U);
  side->transport.want_input(true);
  EXPECT_EQ(side->inputs, 0) << "never from within a call of the user's own";
  runner.until([&] { return side->received == "unwanted"; });
}

TEST_F(ClientTransport, StoppingInTheMidstOfMuchInputStops) {
  side->stops_after = 1;
  const auto bytes = pattern(8 << 20);
  std::size_t sent = 0;
  while (true) {
    const auto count = ::send(peer->descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<std::size_t>(count);
    runner.turns(1);
  }
  EXPECT_LE(side->received.size(), Loop::kReceiveBytes);
  side->stops_after.reset();
  side->transport.want_input(true);
  runner.until([&] { return side->received.size() == sent; });
}

TEST_F(ClientTransport, OneThatReceivesMuchDoesNotStarveOthers) {
  Side other(runner);
  other.transport.connect(listener.address());
  const auto other_peer = listener.accept();
  runner.until([&] { return other.connected == 1; });
  const auto bytes = pattern(8 << 20);
  ::send(peer->descriptor(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  other_peer->send("me too");
  runner.turns(1);
  EXPECT_EQ(other.received, "me too");
  EXPECT_LE(side->received.size(), 2U << 20) << "all buffers of a ring, at most";
}

TEST_F(ClientTransport, DeliversLeftOverInputAgainWhenAsked) {
  side->takes_all = false;
  peer->send("abc");
  runner.until([&] { return side->inputs == 1; });
  side->takes_all = true;
  side->transport.deliver_again();
  EXPECT_EQ(side->inputs, 1);
  runner.until([&] { return side->received == "abc"; });
}

// ---- Ends ----

TEST_F(ClientTransport, TellsTheEndBehindAllThatWasSent) {
  peer->send("last words");
  peer->shutdown();
  runner.until([&] { return side->ended; });
  EXPECT_EQ(side->received, "last words");
  EXPECT_FALSE(side->transport.is_truncated());
  EXPECT_EQ(side->failures, 0);
  side->transport.write(as_bytes("half-closed"));
  EXPECT_EQ(peer->receive(11), "half-closed");
}

TEST_F(ClientTransport, AnEndBehindUnreadInputIsToldWhenItIsReached) {
  side->transport.want_input(false);
  peer->send("abc");
  peer->shutdown();
  runner.turns(5);
  EXPECT_FALSE(side->transport.at_end());
  side->transport.want_input(true);
  runner.until([&] { return side->ended; });
  EXPECT_EQ(side->received, "abc");
}

TEST_F(ClientTransport, OurEndFollowsAllOutput) {
  const auto bytes = pattern(3 << 20);
  side->transport.write(as_bytes(bytes));
  side->transport.shutdown_output();
  EXPECT_EQ(peer->receive_to_end(), bytes);
}

TEST_F(ClientTransport, NothingIsWrittenBehindOurEnd) {
  side->transport.write(as_bytes("a"));
  side->transport.shutdown_output();
  side->transport.write(as_bytes("b"));
  EXPECT_EQ(peer->receive_to_end(), "a");
}

TEST_F(ClientTransport, AResetFails) {
  peer->reset();
  runner.until([&] { return side->failures == 1; });
  EXPECT_EQ(side->failure->reason, Reason::kUpstreamClosed);
  EXPECT_FALSE(side->ended);
  EXPECT_FALSE(side->transport.is_open());
}

TEST_F(ClientTransport, WhatAServerSaidBeforeItsResetIsReadFirst) {
  side->transport.want_input(false);
  peer->send("why");
  runner.turns(3);
  peer->reset();
  runner.turns(3);
  EXPECT_EQ(side->failures, 0) << "what it said is still to be read";
  side->transport.want_input(true);
  runner.until([&] { return side->failures == 1; });
  EXPECT_EQ(side->received, "why");
  EXPECT_FALSE(side->ended) << "a reset is no end";
}

TEST_F(ClientTransport, AnAnswerIsReadThoughOutputFailed) {
  side->transport.want_input(false);
  side->transport.write(as_bytes("a request"));
  runner.turns(2);
  peer->send("no");
  peer->reset();  // with our bytes unread
  const auto large = pattern(1 << 20);
  side->transport.write(as_bytes(large));
  runner.turns(3);
  EXPECT_EQ(side->transport.pending_output(), 0U) << "nobody will take it";
  EXPECT_EQ(side->failures, 0);
  side->transport.want_input(true);
  runner.until([&] { return side->failures == 1; });
  EXPECT_EQ(side->received, "no");
}

TEST_F(ClientTransport, ACloseIsHeardByThePeerAndByNobodyElse) {
  side->transport.close();
  runner.turns(3);
  EXPECT_TRUE(peer->is_at_end());
  EXPECT_EQ(side->inputs + side->failures, 0);
}

TEST_F(ServerTransport, AClientThatResetsIsGoneThoughNobodyReads) {
  side->transport.want_input(false);
  peer->send("unread");
  runner.turns(3);
  peer->reset();
  runner.until([&] { return side->failures == 1; });
  EXPECT_EQ(side->failure->reason, Reason::kClientGone);
}

TEST_F(ServerTransport, AResetOfOursIsSeenAsOne) {
  side->transport.write(as_bytes("half an answer"));
  side->transport.close_with_reset();
  runner.turns(1);
  char byte = 0;
  errno = 0;
  EXPECT_LT(::recv(peer->descriptor(), &byte, 1, 0), 0);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(ServerTransport, BothEndsShutIsNoFailure) {
  side->transport.shutdown_output();
  runner.turns(2);
  peer->send("still here");
  peer->shutdown();
  runner.until([&] { return side->ended; });
  EXPECT_EQ(side->received, "still here");
  runner.turns(3);
  EXPECT_EQ(side->failures, 0);
}

// ---- Output ----

TEST_F(ClientTransport, SmallPiecesOfATurnGoOutTogether) {
  for (const auto* piece : {"HTTP/1.1 200 OK\r\n", "\r\n", "body"}) side->transport.write(as_bytes(piece));
  EXPECT_FALSE(peer->has_input()) << "not before the turn ends";
  runner.turns(2);
  char buffer[64];
  EXPECT_EQ(::recv(peer->descriptor(), buffer, sizeof buffer, MSG_DONTWAIT), 23);
}

TEST_F(ClientTransport, FlushSendsAtOnce) {
  side->transport.write(as_bytes("now"));
  side->transport.flush();
  runner.loop().driver().turn(0);  // a ring submits when it waits
  EXPECT_TRUE(peer->has_input());
}

TEST_F(ClientTransport, MuchOutputArrivesWholeAndInOrder) {
  std::string expected;
  for (const std::size_t size : {1UL, 100UL, 5'000UL, 70'000UL, 3UL, 16'384UL, 2'000'000UL, 9UL}) {
    const auto piece = pattern(size);
    side->transport.write(as_bytes(piece));
    expected += piece;
  }
  EXPECT_EQ(peer->receive(expected.size()), expected);
  runner.until([&] { return side->transport.pending_output() == 0; });
  EXPECT_EQ(side->transport.bytes_sent(), expected.size());
}

TEST_F(ClientTransport, TellsWhenThePeerTakesNoMoreAndWhenItDoesAgain) {
  std::size_t written = 0;
  const auto piece = pattern(1 << 20);
  while (side->transport.pending_output() < Transport::kHighWater) {
    side->transport.write(as_bytes(piece));
    written += piece.size();
    runner.turns(1);
  }
  EXPECT_GE(side->blocked, 1);
  EXPECT_EQ(side->writable, 0);
  const auto stuck_since = side->transport.last_progress();
  runner.for_at_least(50ms);
  EXPECT_EQ(side->transport.last_progress(), stuck_since);
  std::size_t received = 0;
  while (received < written) received += peer->receive(std::min<std::size_t>(written - received, 65'536)).size();
  runner.until([&] { return side->writable == 1; });
  EXPECT_GT(side->transport.last_progress(), stuck_since);
}
}  // namespace
}  // namespace hybridge
