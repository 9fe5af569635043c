#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "proxy/upstream/server.h"
#include "tests/support/test_certificates.h"
#include "tests/support/upstream_story.h"
#include "tests/support/upstream_world.h"
#include "tls/certificate.h"
#include "tls/client_context.h"
#include "tls/trust_store.h"

namespace hybridge {
namespace {

using test::Outcome;
using test::ScriptedServer;
using test::UpstreamWorld;

// The server's end of a TLS connection, of OpenSSL's own and over memory, so that the test decides when what is sent.
class TlsPeer {
 public:
  TlsPeer(test::LoopRunner& runner, std::unique_ptr<test::ScriptedConnection> wire, SSL_CTX* context)
      : runner_(runner), wire_(std::move(wire)), ssl_(SSL_new(context)) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_accept_state(ssl_.get());
  }

  // A step of whatever is under way; the outcome of the handshake.
  bool shake_hands() {
    int result = 0;
    runner_.until([&] {
      exchange();
      result = SSL_do_handshake(ssl_.get());
      const int error = SSL_get_error(ssl_.get(), result);
      exchange();
      return result == 1 || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) || is_at_end_;
    });
    return result == 1;
  }
  std::string receive_until(std::string_view end) {
    std::string received;
    runner_.until([&] {
      exchange();
      char buffer[4096];
      for (int count = 1; count > 0;) {
        count = SSL_read(ssl_.get(), buffer, sizeof buffer);
        if (count > 0) received.append(buffer, static_cast<std::size_t>(count));
      }
      return received.ends_with(end) || is_at_end_;
    });
    return received;
  }
  void send(std::string_view plain) {
    SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
    exchange();
  }
  void say_goodbye() {
    SSL_shutdown(ssl_.get());
    exchange();
  }
  test::ScriptedConnection& wire() { return *wire_; }
  bool is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  std::string_view server_name() const {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
  }

 private:
  void exchange() {
    char buffer[65536];
    for (int count = 1; count > 0;) {
      count = BIO_read(out_, buffer, sizeof buffer);
      if (count > 0) wire_->send({buffer, static_cast<std::size_t>(count)});
    }
    for (;;) {
      const auto count = ::recv(wire_->descriptor(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN)) is_at_end_ = true;
      if (count <= 0) return;
      BIO_write(in_, buffer, static_cast<int>(count));
    }
  }

  test::LoopRunner& runner_;
  std::unique_ptr<test::ScriptedConnection> wire_;
  UniqueSsl ssl_;
  BIO* in_;
  BIO* out_;
  bool is_at_end_ = false;
};

class ClientTls final : public UpstreamTls {
 public:
  ClientTls() : context_(ClientContext::make({}, std::make_shared<TrustStore>(nullptr)).value()) {}
  Result<UniqueSsl> connect(const Server& server) override {
    return context_->connect({.name = server.tls.name, .ca = server.tls.ca, .endpoint = server.name});
  }

 private:
  std::unique_ptr<ClientContext> context_;
};

class UpstreamTlsTest : public testing::Test {
 protected:
  explicit UpstreamTlsTest(const UpstreamSettings& settings = {})
      : world(settings, &tls), listener(world.runner), context(SSL_CTX_new(TLS_server_method())) {
    const auto certificate = authority.certificate({.names = {"f1.test"}});
    const auto& pair = certificate->pairs().front();
    SSL_CTX_use_certificate(context.get(), pair.leaf.get());
    SSL_CTX_use_PrivateKey(context.get(), pair.key.get());
  }
  void SetUp() override { use("f1.test", authority.pem()); }
  void TearDown() override { lease.release(); }

  void use(std::string name, std::string ca) {
    auto made = std::make_shared<Server>();
    made->name = "f1.test";
    made->endpoints = {UpstreamWorld::endpoint(listener)};
    made->tls = {.mode = ServerTls::Mode::kVerify, .name = std::move(name), .ca = std::move(ca)};
    server = &world.upstreams.find(made);
  }
  // A lease over a connection made now, and the server's end of it.
  std::unique_ptr<TlsPeer> connect() {
    request.is_safe = true;
    request.fresh_only = true;
    outcome.emplace(server->lease(request));
    auto peer = std::make_unique<TlsPeer>(world.runner, listener.accept(), context.get());
    peer->shake_hands();
    world.runner.until([&] { return outcome->is_there(); });
    if ((*outcome)->has_value()) lease = std::move(***outcome);
    return peer;
  }
  Reason reason() { return (*outcome)->has_value() ? Reason::kOk : (*outcome)->error().reason; }

  test::TestAuthority authority;
  ClientTls tls;
  UpstreamWorld world;
  ScriptedServer listener;
  SslPtr<SSL_CTX> context;
  UpstreamServer* server = nullptr;
  LeaseRequest request;
  std::optional<Outcome<Result<Lease>>> outcome;
  Lease lease;
};

TEST_F(UpstreamTlsTest, CarriesARequestToAServerWhoseCertificateIsItsOwn) {
  const auto peer = connect();
  ASSERT_TRUE(lease);
  EXPECT_TRUE(lease->is_tls());
  EXPECT_EQ(peer->server_name(), "f1.test");
  test::ask(*lease, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_FALSE(lease->has_written()) << "the handshake is not the request";
  EXPECT_EQ(peer->receive_until("\r\n\r\n"), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(lease->has_written());
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  world.runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 hello");
  EXPECT_TRUE(lease->is_reusable());
}

TEST_F(UpstreamTlsTest, RefusesACertificateOfAnotherName) {
  use("f2.test", authority.pem());
  connect();
  EXPECT_EQ(reason(), Reason::kUpstreamTls);
}

TEST_F(UpstreamTlsTest, RefusesACertificateOfAnUnknownAuthority) {
  use("f1.test", test::TestAuthority("Another Root").pem());
  connect();
  EXPECT_EQ(reason(), Reason::kUpstreamTls);
}

TEST_F(UpstreamTlsTest, RefusesAServerThatSpeaksNoTls) {
  outcome.emplace(server->lease(request));
  const auto peer = listener.accept();
  peer->send("HTTP/1.1 400 Bad Request\r\n\r\n");
  world.runner.until([&] { return outcome->is_there(); });
  EXPECT_EQ(reason(), Reason::kUpstreamTls);
}

TEST_F(UpstreamTlsTest, AServerThatHangsUpDuringTheHandshakeIsAFaultOfItsTls) {
  outcome.emplace(server->lease(request));
  listener.accept()->shutdown();
  world.runner.until([&] { return outcome->is_there(); });
  EXPECT_TRUE(reason() == Reason::kUpstreamTls || reason() == Reason::kUpstreamConnectFailed);
}

TEST_F(UpstreamTlsTest, ResumesItsSession) {
  auto first = connect();
  ASSERT_TRUE(lease);
  EXPECT_FALSE(first->is_resumed());
  test::ask(*lease);
  first->receive_until("\r\n\r\n");
  Outcome<std::string> answer(test::read_answer(*lease));
  first->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  world.runner.until([&] { return answer.is_there(); });
  lease.release();
  const auto second = connect();
  ASSERT_TRUE(lease);
  EXPECT_TRUE(second->is_resumed());
}

class WarmTlsTest : public UpstreamTlsTest {
 protected:
  WarmTlsTest() : UpstreamTlsTest(warming()) {}

 private:
  static UpstreamSettings warming() {
    UpstreamSettings settings;
    settings.warm = 1;
    settings.warm_every = std::chrono::milliseconds(100);
    return settings;
  }
};

TEST_F(WarmTlsTest, WhatIsMadeAheadOfARequestResumesTheSession) {
  world.observed.unwarmed = {"f1.test"};
  const auto first = connect();
  ASSERT_TRUE(lease);
  test::ask(*lease);
  first->receive_until("\r\n\r\n");
  Outcome<std::string> answer(test::read_answer(*lease));
  first->send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  world.runner.until([&] { return answer.is_there(); });
  lease.release();
  world.observed.unwarmed.clear();
  TlsPeer second(world.runner, listener.accept(), context.get());
  EXPECT_TRUE(second.shake_hands());
  EXPECT_TRUE(second.is_resumed());
  world.runner.until([&] { return server->idle() == 1; });
  // Its tickets have come by now, or come while it waits: they are no bytes that nobody asked for.
  world.runner.turns(5);
  lease = world.lease(*server, false);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(lease->is_reused());
  test::ask(*lease);
  EXPECT_EQ(second.receive_until("\r\n\r\n"), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

TEST_F(UpstreamTlsTest, AnEndWithoutGoodbyeTruncatesABodyThatTheCloseEnds) {
  const auto peer = connect();
  test::ask(*lease);
  peer->receive_until("\r\n\r\n");
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->send("HTTP/1.1 200 OK\r\n\r\nhello");
  peer->wire().shutdown();
  world.runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 hello[upstream_truncated]");
}

TEST_F(UpstreamTlsTest, AnEndWithGoodbyeCompletesIt) {
  const auto peer = connect();
  test::ask(*lease);
  peer->receive_until("\r\n\r\n");
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->send("HTTP/1.1 200 OK\r\n\r\nhello");
  peer->say_goodbye();
  peer->wire().shutdown();
  world.runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 hello");
}

TEST_F(UpstreamTlsTest, LargeBodiesGoBothWays) {
  const auto peer = connect();
  const std::string large = std::string(3 << 20, 'x') + "!";
  test::ask_with_body(*lease, {http::Framing::Kind::kLength, large.size()}, "");
  Outcome<std::string> written(test::write(*lease, large));
  lease->finish_body();
  EXPECT_EQ(peer->receive_until("!"), large);
  Outcome<std::string> answer(test::read_answer(*lease));
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n" + large);
  world.runner.until([&] { return answer.is_there(); });
  EXPECT_EQ(*answer, "200 " + large);
  EXPECT_TRUE(lease->is_reusable());
}

}  // namespace
}  // namespace hybridge
