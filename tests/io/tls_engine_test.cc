#include "io/tls_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "tests/support/test_certificates.h"
#include "tests/support/tls_pair.h"

namespace hybridge {
namespace {

using Step = TlsEngine::Step;
using test::TlsPair;

// A server with one certificate, as plain as OpenSSL has it: the engine knows nothing of ours.
class TlsEngineTest : public testing::TestWithParam<int> {
 protected:
  TlsEngineTest() {
    const auto certificate = test::TestAuthority("Root").certificate({.names = {"a.example"}});
    const auto& pair = certificate->pairs().front();
    SSL_CTX_use_cert_and_key(server_.get(), pair.leaf.get(), pair.key.get(), pair.intermediates.get(), 1);
    SSL_CTX_set_options(server_.get(), SSL_OP_NO_RENEGOTIATION);
    for (auto* context : {client_.get(), server_.get()}) {
      SSL_CTX_set_min_proto_version(context, GetParam());
      SSL_CTX_set_max_proto_version(context, GetParam());
    }
  }

  UniqueSsl server() {
    UniqueSsl ssl(SSL_new(server_.get()));
    SSL_set_accept_state(ssl.get());
    return ssl;
  }

  SslPtr<SSL_CTX> client_ = test::any_client();
  SslPtr<SSL_CTX> server_{SSL_CTX_new(TLS_server_method())};
};

std::string letters(std::size_t size) {
  std::string text(size, 'a');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

TEST_P(TlsEngineTest, ShakesHandsAndCarriesBytesBothWays) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands());
  EXPECT_EQ(tls.server.engine().version(), GetParam() == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_EQ(tls.server.engine().server_name(), "a.example");
  EXPECT_EQ(tls.server.engine().alpn(), "");
  EXPECT_FALSE(tls.server.engine().is_resumed());
  EXPECT_EQ(tls.to_server("GET / HTTP/1.1\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(tls.server_step, Step::kNeedsInput);
  EXPECT_EQ(tls.to_client("HTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
}

TEST_P(TlsEngineTest, TakesItsInputOneByteAtATime) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands(1));
  EXPECT_EQ(tls.to_server("hello", 1), "hello");
  EXPECT_EQ(tls.to_client(letters(20'000), 1), letters(20'000));
}

TEST_P(TlsEngineTest, CarriesLargeWritesInWholeRecords) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands());
  const auto large = letters(1'000'000);
  EXPECT_EQ(tls.to_client(large), large);
  EXPECT_EQ(tls.to_server(large, 10'000), large);
  ASSERT_TRUE(tls.server.engine().write({reinterpret_cast<const std::uint8_t*>(large.data()), 16'384 * 4}));
  EXPECT_LT(tls.server.output_size(), (16'384 + 40) * 4u);
}

TEST_P(TlsEngineTest, SaysWhatItHasNotTaken) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands());
  tls.client.engine().write(std::vector<std::uint8_t>(1'000, 'x'));
  const auto bytes = tls.client.take_output();
  auto& engine = tls.server.engine();
  engine.feed(bytes);
  EXPECT_EQ(engine.input().size(), bytes.size());
  std::vector<std::uint8_t> plain(10'000);
  const auto read = engine.read(plain);
  EXPECT_EQ(read.step, Step::kDone);
  EXPECT_EQ(read.bytes, 1'000u);
  EXPECT_TRUE(engine.input().empty());
  EXPECT_EQ(engine.read(plain).step, Step::kNeedsInput);
}

TEST_P(TlsEngineTest, GivesBytesThatCameWithTheLastOfTheHandshake) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  auto& client = tls.client;
  auto& server_end = tls.server;
  EXPECT_EQ(client.handshake({}), Step::kNeedsInput);
  EXPECT_EQ(server_end.handshake(client.take_output()), Step::kNeedsInput);
  auto step = client.handshake(server_end.take_output());
  if (GetParam() == TLS1_2_VERSION) {
    EXPECT_EQ(step, Step::kNeedsInput);
    EXPECT_EQ(server_end.handshake(client.take_output()), Step::kDone);
    step = client.handshake(server_end.take_output());
  }
  ASSERT_EQ(step, Step::kDone);
  ASSERT_TRUE(client.engine().write(std::vector<std::uint8_t>{'G', 'E', 'T'}));
  const auto last = client.take_output();
  if (GetParam() == TLS1_3_VERSION) {
    ASSERT_EQ(server_end.handshake(last), Step::kDone);
  }
  Step read_step{};
  EXPECT_EQ(server_end.read(GetParam() == TLS1_2_VERSION ? last : std::vector<std::uint8_t>(), read_step), "GET");
}

TEST_P(TlsEngineTest, TellsTheEndThatThePeerAnnounced) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands());
  tls.client.engine().write(std::vector<std::uint8_t>{'b', 'y', 'e'});
  tls.client.engine().close_notify();
  auto bytes = tls.client.take_output();
  tls.client.engine().close_notify();
  EXPECT_EQ(tls.client.output_size(), 0u) << "once is enough";
  EXPECT_FALSE(tls.client.engine().write(std::vector<std::uint8_t>{'x'}));
  Step step{};
  EXPECT_EQ(tls.server.read(bytes, step), "bye");
  EXPECT_EQ(step, Step::kClosed);
  EXPECT_EQ(tls.server.read({}, step), "");
  EXPECT_EQ(step, Step::kClosed);
  EXPECT_EQ(tls.to_client("still sending"), "still sending") << "an end is half an end";
}

TEST_P(TlsEngineTest, SaysGoodbyeOnlyAfterTheHandshake) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  tls.server.engine().close_notify();
  EXPECT_EQ(tls.server.output_size(), 0u);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_P(TlsEngineTest, FailsOnAForgedRecordAndStaysFailed) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ASSERT_TRUE(tls.shake_hands());
  tls.client.engine().write(std::vector<std::uint8_t>(100, 'x'));
  auto bytes = tls.client.take_output();
  bytes.back() ^= 1;
  Step step{};
  EXPECT_EQ(tls.server.read(bytes, step), "");
  EXPECT_EQ(step, Step::kFailed);
  EXPECT_EQ(tls.server.engine().error().reason, Reason::kBadHandshake);
  EXPECT_EQ(tls.server.engine().error().detail, "decryption failed or bad record mac");
  EXPECT_GT(tls.server.output_size(), 0u) << "an alert";
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_FALSE(tls.server.engine().write(bytes));
  tls.client.engine().write(std::vector<std::uint8_t>(100, 'x'));
  EXPECT_EQ(tls.server.read(tls.client.take_output(), step), "");
  EXPECT_EQ(step, Step::kFailed);
}

TEST_P(TlsEngineTest, FailsOnPlainHttp) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  const std::string request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
  EXPECT_EQ(tls.server.handshake({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()}),
            Step::kFailed);
  EXPECT_EQ(tls.server.engine().error(), make_error(Reason::kBadHandshake, "http request"));
}

TEST_P(TlsEngineTest, ClientSaysWhyItDoesNotTrustTheServer) {
  SSL_CTX_set_verify(client_.get(), SSL_VERIFY_PEER, nullptr);
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  EXPECT_FALSE(tls.shake_hands());
  EXPECT_EQ(tls.client.engine().error(),
            make_error(Reason::kUpstreamTls, "certificate verify failed: unable to get local issuer certificate"));
  EXPECT_EQ(tls.server.engine().error().reason, Reason::kBadHandshake);
  EXPECT_THAT(tls.server.engine().error().detail, testing::HasSubstr("alert unknown ca"));
}

TEST_P(TlsEngineTest, IsNotMisledByAnErrorThatSomebodyLeftBehind) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  ERR_raise(ERR_LIB_USER, 1);
  EXPECT_EQ(tls.client.handshake({}), Step::kNeedsInput);
  ERR_raise(ERR_LIB_USER, 1);
  EXPECT_EQ(tls.server.handshake({}), Step::kNeedsInput);
  ASSERT_TRUE(tls.shake_hands());
  ERR_raise(ERR_LIB_USER, 1);
  EXPECT_EQ(tls.to_server("x", 1), "x");
  EXPECT_EQ(tls.server_step, Step::kNeedsInput);
  ERR_clear_error();
}

TEST_P(TlsEngineTest, WriteBeforeTheHandshakeIsAFault) {
  TlsPair tls{test::client_of(client_.get(), "a.example"), server()};
  EXPECT_FALSE(tls.server.engine().write(std::vector<std::uint8_t>{'x'}));
  EXPECT_EQ(tls.server.engine().error().reason, Reason::kInternal);
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsEngineTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13"; });

TEST(TlsEngine, RefusesToRenegotiateAndGoesOn) {
  const auto certificate = test::TestAuthority().certificate({.names = {"a.example"}});
  const SslPtr<SSL_CTX> server_context(SSL_CTX_new(TLS_server_method()));
  const auto& pair = certificate->pairs().front();
  SSL_CTX_use_cert_and_key(server_context.get(), pair.leaf.get(), pair.key.get(), nullptr, 1);
  SSL_CTX_set_options(server_context.get(), SSL_OP_NO_RENEGOTIATION);
  const auto client_context = test::any_client();
  SSL_CTX_set_max_proto_version(client_context.get(), TLS1_2_VERSION);
  UniqueSsl server(SSL_new(server_context.get()));
  SSL_set_accept_state(server.get());
  TlsPair tls(test::client_of(client_context.get(), "a.example"), std::move(server));
  ASSERT_TRUE(tls.shake_hands());
  ASSERT_EQ(SSL_renegotiate(tls.client.engine().ssl()), 1);
  SSL_do_handshake(tls.client.engine().ssl());  // a ClientHello goes out
  Step step{};
  EXPECT_EQ(tls.server.read(tls.client.take_output(), step), "");
  EXPECT_EQ(step, Step::kNeedsInput) << "the server is not drawn into it";
  tls.client.read(tls.server.take_output(), step);
  EXPECT_EQ(step, Step::kFailed);
  EXPECT_EQ(tls.client.engine().error().detail, "no renegotiation");
}

}  // namespace
}  // namespace hybridge
