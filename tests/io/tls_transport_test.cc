#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "io/acceptor.h"
#include "io/transport.h"
#include "tests/io/side.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_pair.h"

namespace hybridge {
namespace {

using test::LoopRunner;
using test::pattern;
using test::Side;

class TlsTransport : public testing::Test, private Acceptor::User {
 protected:
  TlsTransport() : acceptor(runner, *this, Acceptor::listen(*Address::parse("127.0.0.1", 0)).value()) {
    context.reset(SSL_CTX_new(TLS_server_method()));
    const auto certificate = authority.certificate({.names = {"a.test"}});
    SSL_CTX_use_certificate(context.get(), certificate->pairs().front().leaf.get());
    SSL_CTX_use_PrivateKey(context.get(), certificate->pairs().front().key.get());
  }
  void SetUp() override {
    acceptor.start();
    client.emplace(runner);
    client->transport.connect(acceptor.local());
    client->transport.start_tls(test::client_of(any.get(), "a.test"));
    runner.until([&] { return client->connected == 1 && server && server->connected == 1; });
  }
  void on_accept(int descriptor, const Address&) override {
    server.emplace(runner);
    server->wants = !server_waits;
    server->wants_once_there_is_some = server_waits;
    server->transport.open(descriptor);
    UniqueSsl ssl(SSL_new(context.get()));
    SSL_set_accept_state(ssl.get());
    server->transport.start_tls(std::move(ssl));
  }
  void on_accept_failed(int) override {}
  std::unique_ptr<test::ScriptedConnection> let_a_stranger_call() {
    server.reset();
    auto stranger = test::connect_to(runner, acceptor.local());
    runner.until([&] { return server.has_value(); });
    return stranger;
  }

  LoopRunner runner;
  test::TestAuthority authority;
  SslPtr<SSL_CTX> context;
  SslPtr<SSL_CTX> any = test::any_client();
  bool server_waits = false;  // with wanting input, until some has come with the handshake
  std::optional<Side> client;
  std::optional<Side> server;
  Acceptor acceptor;
};

TEST_F(TlsTransport, InputThatCameWithTheHandshakeIsFollowedByTheRest) {
  server_waits = true;
  server.reset();
  client.emplace(runner);
  client->greeting = pattern(1'000'000);
  client->transport.connect(acceptor.local());
  client->transport.start_tls(test::client_of(any.get(), "a.test"));
  runner.until([&] { return server && server->connected == 1; });
  if (server->inputs == 0) server->transport.want_input(true);  // a ring may bring it later
  runner.until([&] { return server->received.size() == client->greeting.size(); });
  EXPECT_EQ(server->received, client->greeting);
}

TEST_F(TlsTransport, CarriesBytesBothWays) {
  client->transport.write(as_bytes("ping"));
  runner.until([&] { return server->received == "ping"; });
  server->transport.write(as_bytes("pong"));
  runner.until([&] { return client->received == "pong"; });
  EXPECT_EQ(server->transport.tls()->server_name(), "a.test");
  EXPECT_GT(client->transport.bytes_sent(), 4U) << "as they go on the wire";
}

TEST_F(TlsTransport, MuchArrivesWholeAndInOrder) {
  std::string expected;
  for (const std::size_t size : {1UL, 16'383UL, 16'384UL, 16'385UL, 5UL, 1'000'000UL, 40'000UL, 2UL}) {
    const auto piece = pattern(size);
    server->transport.write(as_bytes(piece));
    expected += piece;
  }
  runner.until([&] { return client->received.size() >= expected.size(); });
  EXPECT_EQ(client->received, expected);
}

// Nothing overtakes what was gathered before it, whichever of both is enciphered from where it is.
TEST_F(TlsTransport, PiecesOfEverySizeKeepTheirOrder) {
  std::string expected;
  for (const std::size_t first : {0UL, 1UL, 8'191UL, 8'192UL, 16'383UL, 16'384UL}) {
    for (const std::size_t second :
         {0UL, 1UL, 8'191UL, 8'192UL, 8'193UL, 16'384UL, 24'575UL, 24'576UL, 24'577UL, 40'000UL}) {
      for (const auto size : {first, second, std::size_t{1}}) {
        const auto piece = pattern(expected.size() + size).substr(expected.size());
        server->transport.write(as_bytes(piece));
        expected += piece;
      }
      runner.until([&] { return client->received.size() == expected.size(); });
    }
  }
  EXPECT_EQ(client->received, expected);
}

TEST_F(TlsTransport, LargePiecesAreARecordOfTheirOwnAndSmallOnesAreGathered) {
  runner.until([&] { return server->transport.pending_output() == 0; });  // session tickets
  std::size_t expected = 0;
  const auto overhead_of = [&](std::size_t first, std::size_t second) {
    const auto before = server->transport.bytes_sent();
    server->transport.write(as_bytes(pattern(first)));
    server->transport.write(as_bytes(pattern(second)));
    expected += first + second;
    runner.until([&] { return client->received.size() == expected; });
    return server->transport.bytes_sent() - before - first - second;
  };
  const auto of_one = overhead_of(1, 1);
  EXPECT_EQ(overhead_of(8'191, 1), of_one);
  EXPECT_EQ(overhead_of(8'192, 1), 2 * of_one);
}

TEST_F(TlsTransport, SmallPiecesShareARecord) {
  runner.until([&] { return server->transport.pending_output() == 0; });  // session tickets
  const auto before = server->transport.bytes_sent();
  for (int i = 0; i < 10; ++i) server->transport.write(as_bytes("0123456789"));
  runner.until([&] { return client->received.size() == 100; });
  EXPECT_LT(server->transport.bytes_sent() - before, 150U);
}

TEST_F(TlsTransport, LeftOverPlaintextIsKept) {
  client->takes_all = false;
  client->takes = 1;
  const auto bytes = pattern(100'000);
  server->transport.write(as_bytes(bytes));
  runner.until([&] { return client->received.size() + client->transport.input().size() == bytes.size(); });
  client->takes_all = true;
  client->transport.deliver_again();
  runner.until([&] { return client->received.size() == bytes.size(); });
  EXPECT_EQ(client->received, bytes);
}

TEST_F(TlsTransport, AGoodbyeIsATrustedEnd) {
  server->transport.write(as_bytes("all of it"));
  server->transport.shutdown_output();
  runner.until([&] { return client->ended; });
  EXPECT_EQ(client->received, "all of it");
  EXPECT_FALSE(client->transport.is_truncated());
}

TEST_F(TlsTransport, AnEndWithoutGoodbyeIsNot) {
  runner.until([&] { return server->transport.pending_output() == 0; });
  server->transport.write(as_bytes("some of it"));
  server->transport.flush();
  server->transport.close();
  runner.until([&] { return client->ended; });
  EXPECT_EQ(client->received, "some of it");
  EXPECT_TRUE(client->transport.is_truncated());
}

TEST_F(TlsTransport, BackPressureReachesThePeer) {
  client->transport.want_input(false);
  const auto piece = pattern(1 << 20);
  std::size_t written = 0;
  for (int i = 0; i < 64 && server->transport.pending_output() < Transport::kHighWater; ++i) {
    server->transport.write(as_bytes(piece));
    written += piece.size();
    runner.turns(3);
  }
  EXPECT_LT(written, 64U << 20);
  EXPECT_LE(client->received.size(), 100'000U);
  client->transport.want_input(true);
  runner.until([&] { return client->received.size() == written; });
  EXPECT_GE(server->writable, 1);
}

TEST_F(TlsTransport, GarbageInsteadOfAHandshakeFails) {
  const auto stranger = let_a_stranger_call();
  stranger->send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  runner.until([&] { return server->failures == 1; });
  EXPECT_EQ(server->failure->reason, Reason::kBadHandshake);
  EXPECT_EQ(server->connected, 0);
}

TEST_F(TlsTransport, AHangUpDuringTheHandshakeFails) {
  const auto stranger = let_a_stranger_call();
  stranger->send("\x16\x03\x01");
  stranger->shutdown();
  runner.until([&] { return server->failures == 1; });
  EXPECT_EQ(server->failure->reason, Reason::kBadHandshake);
}

TEST_F(TlsTransport, ARecordThatWasTamperedWithFails) {
  const auto stranger = let_a_stranger_call();
  // A record of application data on a connection that has agreed on nothing.
  stranger->send(std::string("\x17\x03\x03\x00\x05hello", 10));
  runner.until([&] { return server->failures == 1; });
  EXPECT_EQ(server->received, "");
}

}  // namespace
}  // namespace hybridge
