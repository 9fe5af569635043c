#include "tls/client_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/tls/tls_server_fixture.h"

namespace hybridge {
namespace {

using test::TestAuthority;
using test::TlsPair;
using testing::HasSubstr;

// An upstream is a server of ours; what matters is what the client makes of it.
class ClientContextTest : public test::TlsServerTest {
 protected:
  struct Outcome {
    bool done = false;
    bool resumed = false;
    std::string error;
    std::string server_name;
  };

  Outcome connect_to(const TlsPeer& peer) {
    auto ssl = clients_->connect(peer);
    Outcome outcome;
    if (!ssl) {
      outcome.error = ssl.error().detail;
      return outcome;
    }
    TlsPair tls(std::move(*ssl), context_->accept(&listener_));
    outcome.done = shake_hands(tls);
    outcome.resumed = tls.client.engine().is_resumed();
    outcome.error = tls.client.engine().error().detail;
    outcome.server_name = tls.server.engine().server_name();
    if (outcome.done) {
      EXPECT_EQ(tls.to_server("GET"), "GET");
    } else {
      EXPECT_EQ(tls.client.engine().error().reason, Reason::kUpstreamTls);
    }
    return outcome;
  }
  void upstream_is(const test::Wanted& wanted) { context_->set_default(root_.certificate(wanted)); }

  std::shared_ptr<TrustStore> trust_ = TrustStore::load("").value();
  std::unique_ptr<ClientContext> clients_ = ClientContext::make({.sessions = 2}, trust_).value();
  const std::string ca_ = root_.pem();
};

TEST_F(ClientContextTest, ConnectsToAServerThatItsCaVouchesFor) {
  upstream_is({.names = {"erp.acme.example"}});
  const auto outcome = connect_to({.name = "erp.acme.example", .ca = ca_, .endpoint = "192.0.2.1:443"});
  EXPECT_TRUE(outcome.done) << outcome.error;
  EXPECT_EQ(outcome.server_name, "erp.acme.example");
}

TEST_F(ClientContextTest, FindsItsWayThroughIntermediates) {
  context_->set_default(root_.intermediate("Middle").certificate({.names = {"erp.acme.example"}}));
  EXPECT_TRUE(connect_to({.name = "erp.acme.example", .ca = ca_, .endpoint = "e"}).done);
}

TEST_F(ClientContextTest, RefusesACertificateOfAnotherCa) {
  upstream_is({.names = {"erp.acme.example"}});
  const auto other = TestAuthority("Other").pem();
  EXPECT_THAT(connect_to({.name = "erp.acme.example", .ca = other, .endpoint = "e"}).error,
              HasSubstr("certificate verify failed"));
  EXPECT_THAT(connect_to({.name = "erp.acme.example", .ca = "", .endpoint = "e"}).error,
              HasSubstr("certificate verify failed"));
}

TEST_F(ClientContextTest, RefusesACertificateForAnotherName) {
  upstream_is({.names = {"other.example", "*.acme.example"}});
  EXPECT_EQ(connect_to({.name = "erp.example", .ca = ca_, .endpoint = "e"}).error,
            "certificate verify failed: hostname mismatch");
  EXPECT_FALSE(connect_to({.name = "a.b.acme.example", .ca = ca_, .endpoint = "e"}).done);
  EXPECT_TRUE(connect_to({.name = "b.acme.example", .ca = ca_, .endpoint = "e"}).done);
}

TEST_F(ClientContextTest, DoesNotTakeTheCommonNameForAName) {
  upstream_is({.names = {"x.example"}, .subject = "erp.acme.example"});
  EXPECT_FALSE(connect_to({.name = "erp.acme.example", .ca = ca_, .endpoint = "e"}).done);
}

TEST_F(ClientContextTest, RefusesAnExpiredCertificate) {
  upstream_is({.names = {"erp.acme.example"}, .not_after = 1'650'000'000});
  EXPECT_EQ(connect_to({.name = "erp.acme.example", .ca = ca_, .endpoint = "e"}).error,
            "certificate verify failed: certificate has expired");
}

TEST_F(ClientContextTest, ChecksAddressesAndSendsNoNameForThem) {
  upstream_is({.names = {"erp.acme.example"}, .addresses = {"192.0.2.1", "2001:db8::1"}});
  const auto outcome = connect_to({.name = "192.0.2.1", .ca = ca_, .endpoint = "e"});
  EXPECT_TRUE(outcome.done) << outcome.error;
  EXPECT_EQ(outcome.server_name, "");
  EXPECT_TRUE(connect_to({.name = "2001:db8::1", .ca = ca_, .endpoint = "e"}).done);
  EXPECT_EQ(connect_to({.name = "192.0.2.2", .ca = ca_, .endpoint = "e"}).error,
            "certificate verify failed: IP address mismatch");
}

TEST_F(ClientContextTest, TrustsAGivenCertificateThatIsNoCa) {
  const auto own = test::self_signed({.names = {"erp.acme.example"}});
  context_->set_default(parse_certificate({own}).value());
  EXPECT_TRUE(connect_to({.name = "erp.acme.example", .ca = own.chain, .endpoint = "e"}).done);
}

TEST_F(ClientContextTest, SaysWhatIsWrongWithItsOrders) {
  EXPECT_EQ(connect_to({.name = "", .ca = ca_, .endpoint = "e"}).error,
            "there is no name to verify the certificate for");
  EXPECT_THAT(connect_to({.name = "a.example", .ca = "nonsense", .endpoint = "e"}).error,
              HasSubstr("the server's CA: the chain has no -----BEGIN CERTIFICATE-----"));
  EXPECT_FALSE(connect_to({.name = std::string_view("a\0b", 3), .ca = ca_, .endpoint = "e"}).done);
}

TEST_F(ClientContextTest, ResumesForTheSameEndpointNameAndCa) {
  upstream_is({.names = {"a.example", "b.example"}});
  const auto same_root_again = ca_ + "\n";
  const TlsPeer peer{.name = "a.example", .ca = ca_, .endpoint = "e"};
  EXPECT_FALSE(connect_to(peer).resumed);
  EXPECT_TRUE(connect_to(peer).resumed);
  EXPECT_TRUE(connect_to(peer).resumed) << "a session is used more than once, or replaced";
  EXPECT_FALSE(connect_to({.name = "b.example", .ca = ca_, .endpoint = "e"}).resumed);
  EXPECT_FALSE(connect_to({.name = "a.example", .ca = ca_, .endpoint = "f"}).resumed);
  EXPECT_FALSE(connect_to({.name = "a.example", .ca = same_root_again, .endpoint = "e"}).resumed);
}

TEST_F(ClientContextTest, ResumesWithTls12) {
  upstream_is({.names = {"a.example"}});
  const auto only12 = [&] {
    auto ssl = clients_->connect({.name = "a.example", .ca = ca_, .endpoint = "e"}).value();
    SSL_set_max_proto_version(ssl.get(), TLS1_2_VERSION);
    TlsPair tls(std::move(ssl), context_->accept(&listener_));
    EXPECT_TRUE(shake_hands(tls));
    EXPECT_EQ(tls.client.engine().version(), "TLSv1.2");
    return tls.client.engine().is_resumed();
  };
  EXPECT_FALSE(only12());
  EXPECT_TRUE(only12());
  EXPECT_TRUE(only12());
}

TEST_F(ClientContextTest, KeepsABoundedNumberOfSessions) {
  upstream_is({.names = {"a.example"}});
  const auto resumed = [&](std::string_view endpoint) {
    return connect_to({.name = "a.example", .ca = ca_, .endpoint = endpoint}).resumed;
  };
  EXPECT_FALSE(resumed("1"));
  EXPECT_FALSE(resumed("2"));
  EXPECT_TRUE(resumed("1"));
  EXPECT_FALSE(resumed("3"));  // pushes out 2, used longest ago
  EXPECT_EQ(clients_->sessions(), 2u);
  EXPECT_TRUE(resumed("1"));
  EXPECT_FALSE(resumed("2"));
}

TEST_F(ClientContextTest, ForgetsTheSessionOfAHandshakeThatDidNotEnd) {
  upstream_is({.names = {"a.example"}});
  const TlsPeer peer{.name = "a.example", .ca = ca_, .endpoint = "e"};
  connect_to(peer);
  ASSERT_EQ(clients_->sessions(), 1u);
  { const auto never_begun = clients_->connect(peer).value(); }
  EXPECT_EQ(clients_->sessions(), 1u);
  {
    TlsPair tls(clients_->connect(peer).value(), context_->accept(&listener_));
    EXPECT_EQ(tls.client.handshake({}), Step::kNeedsInput);
  }
  EXPECT_EQ(clients_->sessions(), 0u);
}

TEST_F(ClientContextTest, OffersHttp11) {
  upstream_is({.names = {"a.example"}});
  TlsPair tls(clients_->connect({.name = "a.example", .ca = ca_, .endpoint = "e"}).value(),
              context_->accept(&listener_));
  ASSERT_TRUE(tls.shake_hands());
  EXPECT_EQ(tls.client.engine().alpn(), "http/1.1");
}

TEST_F(ClientContextTest, RefusesTls11) {
  SslPtr<SSL_CTX> old(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
  SSL_CTX_set_security_level(old.get(), 0);
  UniqueSsl server(SSL_new(old.get()));
  SSL_set_accept_state(server.get());
  TlsPair tls(clients_->connect({.name = "a.example", .ca = ca_, .endpoint = "e"}).value(), std::move(server));
  EXPECT_FALSE(tls.shake_hands());
}

TEST(TrustStore, NamesABundleThatCannotBeRead) {
  const auto missing = TrustStore::load("/nonexistent/bundle.pem");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().detail,
            "no certificates can be read from /nonexistent/bundle.pem; a PEM bundle of CAs is wanted");
}

TEST(TrustStore, ParsesACaOnce) {
  const auto trust = TrustStore::load("").value();
  const auto ca = TestAuthority("Root").pem();
  const auto one = trust->find(ca).value();
  const auto two = trust->find(ca).value();
  EXPECT_EQ(one.store.get(), two.store.get());
  EXPECT_EQ(one.id, two.id);
  EXPECT_NE(trust->find(TestAuthority("Other").pem()).value().id, one.id);
  EXPECT_NE(trust->find("").value().id, one.id);
}

}  // namespace
}  // namespace hybridge
