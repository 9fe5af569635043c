// Tickets end to end: who may resume, and how long.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/tls/tls_server_fixture.h"
#include "tls/ticket_keys.h"

namespace hybridge {
namespace {

using std::chrono::hours;

class SessionTicketTest : public test::TlsServerTest, public testing::WithParamInterface<int> {
 protected:
  SessionTicketTest() {
    client_speaks(GetParam());
    SSL_CTX_set_session_cache_mode(client_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(client_.get(), this);
    SSL_CTX_sess_set_new_cb(client_.get(), [](SSL* ssl, SSL_SESSION* session) {
      auto* test = static_cast<SessionTicketTest*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      test->tickets_.emplace_back(session);
      return 1;
    });
    store("a.example");
    store("b.example");
  }

  SslPtr<SSL_SESSION> session_of(const std::string& name) {
    tickets_.clear();
    auto tls = connect(name);
    EXPECT_TRUE(shake_hands(tls));
    EXPECT_EQ(tickets_.size(), 1u) << "one ticket, not two";
    return std::move(tickets_.back());
  }
  bool resumes(const std::string& name, SSL_SESSION* session, ServerContext* context = nullptr) {
    // OpenSSL gives a session up once it brought a new ticket; a client that keeps copies does not.
    const SslPtr<SSL_SESSION> copy(SSL_SESSION_dup(session));
    auto tls = connect(name, copy.get(), context);
    EXPECT_TRUE(shake_hands(tls));
    latest_.reset(SSL_get1_session(tls.client.engine().ssl()));
    EXPECT_EQ(tls.server.engine().is_resumed(), tls.client.engine().is_resumed());
    EXPECT_EQ(tls.server.engine().server_name(), name);
    EXPECT_EQ(tls.to_server("x"), "x");
    return tls.server.engine().is_resumed();
  }

  std::vector<SslPtr<SSL_SESSION>> tickets_;
  SslPtr<SSL_SESSION> latest_;  // of the client that last tried to resume
};

TEST_P(SessionTicketTest, ResumesForTheSameCertificate) {
  const auto session = session_of("a.example");
  EXPECT_TRUE(resumes("a.example", session.get()));
}

TEST_P(SessionTicketTest, GivesANewTicketWhereTheyAreUsedOnce) {
  const auto session = session_of("a.example");
  tickets_.clear();
  EXPECT_TRUE(resumes("a.example", session.get()));
  EXPECT_EQ(tickets_.size(), GetParam() == TLS1_3_VERSION ? 1u : 0u);
}

TEST_P(SessionTicketTest, DoesNotResumeForAnotherCertificate) {
  const auto session = session_of("a.example");
  auto tls = connect("b.example", session.get());
  ASSERT_TRUE(shake_hands(tls));
  EXPECT_FALSE(tls.server.engine().is_resumed());
  EXPECT_EQ(test::peer_of(tls.client.engine().ssl()), "b.example");
  EXPECT_FALSE(resumes("", session.get())) << "nor for the default";
}

TEST_P(SessionTicketTest, DoesNotResumeAfterTheCertificateWasReplaced) {
  const auto session = session_of("a.example");
  store("a.example", 2);
  EXPECT_FALSE(resumes("a.example", session.get()));
}

TEST_P(SessionTicketTest, IsGoodOnAnotherWorkerWithTheSameKeys) {
  TicketKeyring ring{TimePoint{}};
  const auto other = make_context();
  context_->set_ticket_keys(ring.keys());
  const auto session = session_of("a.example");
  EXPECT_FALSE(resumes("a.example", session.get(), other.get())) << "it has keys of its own";
  other->set_ticket_keys(ring.keys());
  EXPECT_TRUE(resumes("a.example", session.get(), other.get()));
}

TEST_P(SessionTicketTest, OutlivesRotationsUntilItsKeyIsTooOld) {
  TimePoint now{};
  TicketKeyring ring(now, hours(12), hours(24));
  context_->set_ticket_keys(ring.keys());
  const auto session = session_of("a.example");
  for (const int hour : {12, 24}) {
    now = TimePoint{} + hours(hour);
    ASSERT_TRUE(ring.rotate(now));
    context_->set_ticket_keys(ring.keys());
    EXPECT_TRUE(resumes("a.example", session.get())) << hour;
    EXPECT_TRUE(resumes("a.example", session_of("a.example").get())) << "with the new key";
  }
  ASSERT_TRUE(ring.rotate(TimePoint{} + hours(36)));
  context_->set_ticket_keys(ring.keys());
  EXPECT_FALSE(resumes("a.example", session.get()));
}

TEST_P(SessionTicketTest, ReplacesATicketOfAnOldKey) {
  TicketKeyring ring{TimePoint{}};
  context_->set_ticket_keys(ring.keys());
  const auto session = session_of("a.example");
  ring.rotate(ring.next_rotation());
  context_->set_ticket_keys(ring.keys());
  EXPECT_TRUE(resumes("a.example", session.get()));
  context_->set_ticket_keys(std::make_shared<const TicketKeys>(std::vector{ring.keys()->keys().front()}));
  EXPECT_TRUE(resumes("a.example", std::exchange(latest_, nullptr).get())) << "it came from the new key";
}

TEST_P(SessionTicketTest, DoesNotResumeAForgedTicket) {
  auto session = session_of("a.example");
  const unsigned char* ticket = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &ticket, &size);
  ASSERT_GT(size, 16u);
  const_cast<unsigned char*>(ticket)[size - 1] ^= 1;
  EXPECT_FALSE(resumes("a.example", session.get()));
}

INSTANTIATE_TEST_SUITE_P(Versions, SessionTicketTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13"; });

TEST(TicketKeyring, RotatesWhenItIsTimeAndDropsKeysThatAreTooOld) {
  TicketKeyring ring(TimePoint{}, hours(12), hours(24));
  const auto first = ring.keys();
  EXPECT_EQ(ring.next_rotation(), TimePoint{} + hours(12));
  EXPECT_FALSE(ring.rotate(TimePoint{} + hours(11)));
  EXPECT_EQ(ring.keys(), first);
  EXPECT_TRUE(ring.rotate(TimePoint{} + hours(12)));
  EXPECT_FALSE(ring.rotate(TimePoint{} + hours(12)));
  EXPECT_EQ(ring.keys()->keys().size(), 2u);
  EXPECT_NE(ring.keys()->keys()[0].name, first->keys()[0].name);
  EXPECT_EQ(ring.keys()->keys()[1].name, first->keys()[0].name);
  EXPECT_TRUE(ring.rotate(TimePoint{} + hours(24)));
  EXPECT_EQ(ring.keys()->keys().size(), 3u);
  EXPECT_TRUE(ring.rotate(TimePoint{} + hours(36)));
  EXPECT_EQ(ring.keys()->keys().size(), 3u) << "the first stopped sealing 24 hours ago";
}

}  // namespace
}  // namespace hybridge
