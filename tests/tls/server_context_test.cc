#include "tls/server_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/tls/tls_server_fixture.h"

namespace hybridge {
namespace {

using test::TestKey;
using test::TlsPair;
using testing::HasSubstr;

class ServerContextTest : public test::TlsServerTest {};

TEST_F(ServerContextTest, ServesEachNameItsCertificate) {
  store("a.example");
  store("b.example");
  store("*.c.example");
  EXPECT_EQ(shown("a.example"), "a.example");
  EXPECT_EQ(shown("B.Example"), "b.example");
  EXPECT_EQ(shown("x.c.example"), "*.c.example");
  EXPECT_EQ(shown("y.x.c.example"), "default.example");
  EXPECT_EQ(shown("unknown.example"), "default.example");
  EXPECT_EQ(shown(""), "default.example");
}

TEST_F(ServerContextTest, TakesTheOwnCertificateBeforeTheWildcard) {
  store("*.c.example");
  store("x.c.example");
  EXPECT_EQ(shown("x.c.example"), "x.c.example");
}

TEST_F(ServerContextTest, SendsTheIntermediates) {
  const auto lower = root_.intermediate("Middle").intermediate("Lower");
  store("a.example", {lower.issue({.names = {"a.example"}})});
  auto tls = connect("a.example");
  ASSERT_TRUE(shake_hands(tls));
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(tls.client.engine().ssl())), 3);
}

TEST_F(ServerContextTest, ChoosesBetweenEcAndRsaByWhatTheClientCanVerify) {
  store("a.example", {root_.issue({.names = {"a.example"}, .subject = "ec"}),
                      root_.issue({.names = {"a.example"}, .key = TestKey::kRsa, .subject = "rsa"})});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_speaks(version);
    SSL_CTX_set1_sigalgs_list(client_.get(), "ECDSA+SHA256:rsa_pss_rsae_sha256");
    EXPECT_EQ(shown("a.example"), "ec");
    SSL_CTX_set1_sigalgs_list(client_.get(), "rsa_pss_rsae_sha256:ECDSA+SHA256");
    EXPECT_EQ(shown("a.example"), "ec") << "the cheaper one, whatever the client would rather have";
    SSL_CTX_set1_sigalgs_list(client_.get(), "rsa_pss_rsae_sha256");
    EXPECT_EQ(shown("a.example"), "rsa");
  }
}

TEST_F(ServerContextTest, WorksOneByteAtATime) {
  store("a.example");
  EXPECT_EQ(shown("a.example"), "a.example");
  auto tls = connect("a.example");
  EXPECT_TRUE(tls.shake_hands(1));
}

TEST_F(ServerContextTest, WaitsForACertificateAndIsToldWhenItIsThere) {
  store("a.example");
  auto tls = connect("a.example");
  EXPECT_FALSE(tls.shake_hands());
  EXPECT_EQ(tls.server_step, Step::kNeedsCertificate);
  EXPECT_EQ(tls.server.handshake({}), Step::kNeedsCertificate) << "asking again changes nothing";
  EXPECT_EQ(context_->waiting(), 1u);
  run(loads_);
  EXPECT_EQ(listener_.ready, 0) << "only on the worker's thread";
  run(posted_);
  EXPECT_EQ(listener_.ready, 1);
  EXPECT_EQ(context_->waiting(), 0u);
  tls.server_step = tls.server.handshake({});
  EXPECT_TRUE(tls.finish());
  EXPECT_EQ(context_->counts().waited, 1u);

  auto next = connect("a.example");
  EXPECT_TRUE(next.shake_hands()) << "at hand now";
  EXPECT_EQ(reads_["a.example"], 1);
}

TEST_F(ServerContextTest, LoadsOnceForAllConnectionsOfAllWorkers) {
  store("a.example");
  const auto other = make_context();
  auto one = connect("a.example");
  auto two = connect("a.example");
  auto three = connect("a.example", nullptr, other.get());
  EXPECT_FALSE(one.shake_hands());
  EXPECT_FALSE(two.shake_hands());
  EXPECT_FALSE(three.shake_hands());
  EXPECT_EQ(loads_.size(), 1u);
  EXPECT_TRUE(shake_hands(one));
  EXPECT_TRUE(shake_hands(two));
  EXPECT_TRUE(shake_hands(three));
  EXPECT_EQ(reads_["a.example"], 1);
  EXPECT_EQ(listener_.ready, 3);
}

TEST_F(ServerContextTest, FindsWhatAnotherWorkerLoaded) {
  store("a.example");
  EXPECT_EQ(shown("a.example"), "a.example");
  const auto other = make_context();
  auto tls = connect("a.example", nullptr, other.get());
  EXPECT_TRUE(tls.shake_hands());
  EXPECT_EQ(other->counts().waited, 0u);
}

TEST_F(ServerContextTest, ForgetsAConnectionThatDiesWhileItWaits) {
  store("a.example");
  {
    auto tls = connect("a.example");
    EXPECT_FALSE(tls.shake_hands());
    EXPECT_EQ(context_->waiting(), 1u);
  }
  EXPECT_EQ(context_->waiting(), 0u);
  run_all();
  EXPECT_EQ(listener_.ready, 0);
  EXPECT_EQ(shown("a.example"), "a.example");
}

TEST_F(ServerContextTest, MayGoWhileLoadsAreUnderWay) {
  store("a.example");
  {
    auto tls = connect("a.example");
    EXPECT_FALSE(tls.shake_hands());
  }
  run(loads_);
  context_.reset();
  run(posted_);
  EXPECT_EQ(listener_.ready, 0);
}

TEST_F(ServerContextTest, ServesTheDefaultWhereACertificateCannotBeLoaded) {
  store("a.example");
  store_.clear();
  EXPECT_EQ(shown("a.example"), "default.example");
  EXPECT_EQ(context_->counts().missing, 1u);
  EXPECT_EQ(failures_, std::vector<std::string>{"a.example"});
}

TEST_F(ServerContextTest, RefusesWhenTooManyLoadsAreUnderWay) {
  for (const auto* name : {"a.example", "b.example", "c.example"}) store(name);
  auto one = connect("a.example");
  auto two = connect("b.example");
  auto three = connect("c.example");
  EXPECT_FALSE(one.shake_hands());
  EXPECT_FALSE(two.shake_hands());
  EXPECT_FALSE(three.shake_hands());
  EXPECT_EQ(three.server_step, Step::kFailed);
  EXPECT_THAT(three.client.engine().error().detail, HasSubstr("alert internal error"));
  EXPECT_EQ(context_->counts().refused, 1u);
  EXPECT_EQ(context_->waiting(), 2u);
  EXPECT_TRUE(shake_hands(one));
  EXPECT_EQ(shown("c.example"), "c.example");
}

TEST_F(ServerContextTest, ReadsNothingForNamesThatNobodyHas) {
  store("a.example");
  for (int i = 0; i < 300; ++i) EXPECT_EQ(shown("unknown" + std::to_string(i) + ".example"), "default.example");
  EXPECT_TRUE(reads_.empty());
  EXPECT_EQ(cache_.counts().loads, 0u);
  EXPECT_EQ(context_->counts().waited, 0u);
}

TEST_F(ServerContextTest, RefusesUnknownNamesWithoutADefault) {
  context_->set_default(nullptr);
  auto tls = connect("unknown.example");
  EXPECT_FALSE(tls.shake_hands());
  EXPECT_THAT(tls.client.engine().error().detail, HasSubstr("unrecognized name"));
}

TEST_F(ServerContextTest, ServesAReplacedCertificateAtOnce) {
  store("a.example", {root_.issue({.names = {"a.example"}, .subject = "old"})}, 1);
  EXPECT_EQ(shown("a.example"), "old");
  store("a.example", {root_.issue({.names = {"a.example"}, .subject = "new"})}, 2);
  EXPECT_EQ(shown("a.example"), "new");
  EXPECT_EQ(reads_["a.example"], 2);
}

TEST_F(ServerContextTest, ServesTheDefaultOnceACertificateIsTakenAway) {
  store("a.example");
  EXPECT_EQ(shown("a.example"), "a.example");
  context_->set_table(std::make_shared<const CertificateTable>(table_->without("a.example")));
  EXPECT_EQ(shown("a.example"), "default.example");
}

TEST_F(ServerContextTest, SurvivesASecondClientHello) {
  store("a.example");
  client_speaks(TLS1_3_VERSION);
  SSL_CTX_set1_groups_list(client_.get(), "P-521:P-256");  // a key share for P-521 only: HelloRetryRequest
  EXPECT_EQ(shown("a.example"), "a.example");              // with a wait before it
  EXPECT_EQ(shown("a.example"), "a.example");
  EXPECT_EQ(context_->counts().waited, 1u);
}

TEST_F(ServerContextTest, KeepsItsWitsWithOnePlaceAtHand) {
  ServerOptions options;
  options.certificates_at_hand = 1;
  context_ = make_context(options);
  store("a.example");
  store("b.example");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(shown("a.example"), "a.example");
    EXPECT_EQ(shown("b.example"), "b.example");
  }
  EXPECT_EQ(context_->counts().waited, 2u);
}

ServerOptions few_at_hand() {
  ServerOptions options;
  options.certificates_at_hand = 4;
  return options;
}

// A worker with a thread of its own, as far as TLS is concerned.
class Worker final : public HandshakeListener {
 public:
  Worker(CertificateCache& cache, const std::shared_ptr<const CertificateTable>& table)
      : context_(ServerContext::make(few_at_hand(), cache, [this](std::function<void()> work) {
                   const std::lock_guard lock(mutex_);
                   posted_.push_back(std::move(work));
                   arrived_.notify_one();
                 }).value()) {
    context_->set_table(table);
  }

  void on_certificate_ready() override { ready_ = true; }

  // The common name that a client of `name` is shown.
  std::string shown(const std::string& name) {
    TlsPair tls(test::client_of(client_.get(), name), context_->accept(this));
    tls.shake_hands();
    while (tls.server_step == TlsEngine::Step::kNeedsCertificate) {
      for (ready_ = false; !ready_;) run_one();
      tls.server_step = tls.server.handshake({});
      tls.finish();
    }
    return test::peer_of(tls.client.engine().ssl());
  }

 private:
  void run_one() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !posted_.empty(); });
    const auto work = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    work();
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> posted_;
  bool ready_ = false;
  SslPtr<SSL_CTX> client_ = test::any_client();
  std::unique_ptr<ServerContext> context_;
};

TEST_F(ServerContextTest, WorkersShareCertificatesFromTheirThreads) {
  for (int i = 0; i < 8; ++i) store("h" + std::to_string(i) + ".example");
  std::mutex mutex;
  std::vector<std::jthread> loaders;
  CertificateCache cache([this](const std::string& name) -> Result<PemPairs> { return store_.at(name); },
                         [&](std::function<void()> work) {
                           const std::lock_guard lock(mutex);
                           loaders.emplace_back(std::move(work));
                         },
                         {.bytes = 5 * default_->memory()});  // fewer than there are: some are loaded again
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 3; ++worker) {
      workers.emplace_back([&, worker] {
        Worker mine(cache, table_);
        for (int i = 0; i < 40; ++i) {
          const auto name = "h" + std::to_string((i * 3 + worker) % 8) + ".example";
          if (mine.shown(name) == name) ++right;
        }
      });
    }
  }
  EXPECT_EQ(right, 3 * 40);
  EXPECT_GT(cache.counts().evictions, 0u);
}

// Protocols and versions.

class ProtocolTest : public ServerContextTest {
 protected:
  // What is agreed on with a client that offers this; or the client's error.
  std::string agreed(std::string_view offer) {
    auto ssl = test::client_of(client_.get(), "a.example");
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                        static_cast<unsigned>(offer.size()));
    TlsPair tls(std::move(ssl), context_->accept(&listener_));
    if (!tls.shake_hands()) return tls.client.engine().error().detail;
    EXPECT_EQ(tls.server.engine().alpn(), tls.client.engine().alpn());
    return std::string(tls.server.engine().alpn());
  }
};

TEST_F(ProtocolTest, AgreesOnHttp2OrHttp11) {
  EXPECT_EQ(agreed("\x08http/1.1\x02h2"), "h2");
  EXPECT_EQ(agreed("\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed(""), "");
}

TEST_F(ProtocolTest, PrefersItsOwnOrder) {
  ServerOptions options;
  options.alpn = {"http/1.1", "h2"};
  context_ = make_context(options);
  EXPECT_EQ(agreed("\x02h2\x08http/1.1"), "http/1.1");
  EXPECT_EQ(agreed("\x02h2"), "h2");
}

TEST_F(ProtocolTest, RefusesAClientWithNothingInCommon) {
  EXPECT_THAT(agreed("\x02h3"), HasSubstr("no application protocol"));
}

TEST_F(ProtocolTest, RefusesTls11AndSpeaksTls12And13) {
  SSL_CTX_set_security_level(client_.get(), 0);
  client_speaks(TLS1_1_VERSION);
  auto old = connect("a.example");
  EXPECT_FALSE(old.shake_hands());
  EXPECT_EQ(old.server.engine().error().detail, "unsupported protocol");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_speaks(version);
    auto tls = connect("a.example");
    EXPECT_TRUE(tls.shake_hands());
  }
}

TEST_F(ProtocolTest, CanBeToldToSpeakTls13Only) {
  ServerOptions options;
  options.only_tls13 = true;
  context_ = make_context(options);
  client_speaks(TLS1_2_VERSION);
  auto tls = connect("a.example");
  EXPECT_FALSE(tls.shake_hands());
}

TEST_F(ProtocolTest, RefusesCiphersWithoutForwardSecrecy) {
  client_speaks(TLS1_2_VERSION);
  for (const auto* ciphers : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"}) {
    SSL_CTX_set_cipher_list(client_.get(), ciphers);
    auto tls = connect("a.example");
    EXPECT_FALSE(tls.shake_hands()) << ciphers;
  }
  SSL_CTX_set_cipher_list(client_.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  auto tls = connect("a.example");
  EXPECT_TRUE(tls.shake_hands());
}

TEST_F(ProtocolTest, RefusesRenegotiation) {
  client_speaks(TLS1_2_VERSION);
  auto tls = connect("a.example");
  ASSERT_TRUE(tls.shake_hands());
  SSL_renegotiate(tls.client.engine().ssl());
  SSL_do_handshake(tls.client.engine().ssl());
  tls.server.read(tls.client.take_output(), tls.server_step);
  EXPECT_EQ(tls.server_step, Step::kNeedsInput);
  tls.client.read(tls.server.take_output(), tls.client_step);
  EXPECT_EQ(tls.client.engine().error().detail, "no renegotiation");
}

TEST_F(ProtocolTest, RefusesOptionsThatOpenSslDoesNotKnow) {
  const auto refusal = [&](const ServerOptions& options) {
    const auto made = ServerContext::make(options, cache_, {});
    return made ? "(accepted)" : made.error().detail;
  };
  ServerOptions ciphers;
  ciphers.ciphers = "ROT13";
  EXPECT_THAT(refusal(ciphers), HasSubstr("no cipher of \"ROT13\""));
  ServerOptions groups;
  groups.groups = "X25519:nonsense";
  EXPECT_THAT(refusal(groups), HasSubstr("X25519:nonsense"));
  ServerOptions alpn;
  alpn.alpn = {""};
  EXPECT_NE(refusal(alpn), "(accepted)");
  EXPECT_EQ(refusal({}), "(accepted)");
}

}  // namespace
}  // namespace hybridge
