// TLS of the whole edge: certificates by name, sessions over all workers, and new ones without a restart.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/edge_world.h"
#include "tests/support/origin.h"
#include "tests/support/tls_pair.h"
#include "tls/ticket_keys.h"

namespace hybridge::test {
namespace {

std::string certificate_of(EdgeWorld& world, const std::string& name) {
  auto peer = Peer::connect_to(world.https);
  EXPECT_TRUE(peer.start_tls(name));
  return peer_of(peer.ssl());
}

TEST(Tls, ServesEachNameItsCertificate) {
  EdgeWorld world({.workers = 2});
  world.set_certificate("own.test");
  world.set_certificate("*.saas.test");
  for (int i = 0; i < 4; ++i) {  // on both workers, the first time and later
    EXPECT_EQ(certificate_of(world, "own.test"), "own.test");
    EXPECT_EQ(certificate_of(world, "tenant.saas.test"), "*.saas.test");
    EXPECT_EQ(certificate_of(world, "a.b.saas.test"), "default.test");
    EXPECT_EQ(certificate_of(world, "other.test"), "default.test");
    EXPECT_EQ(certificate_of(world, ""), "default.test");
  }
}

TEST(Tls, ShakesManyHandsAtOnceWhileACertificateLoads) {
  EdgeWorld world({.workers = 2});
  world.set_certificate("own.test");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(certificate_of(world, "own.test"), "own.test"); });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Tls, ResumesASessionOnWhicheverWorkerTheClientMeets) {
  PeerServer upstream;
  EdgeWorld world({.workers = 2});
  world.edge->publish(TicketKeyring(Clock::now()).keys());
  world.serve(upstream);
  for (int i = 0; i < 8; ++i) {
    SSL_SESSION* session = nullptr;
    {
      auto first = world.connect_tls("a.test");
      first.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
      EXPECT_EQ(first.response().status, 404);
      session = SSL_get1_session(first.ssl());
      SSL_shutdown(first.ssl());
    }
    auto again = Peer::connect_to(world.https);
    EXPECT_TRUE(again.start_tls("a.test", session));
    EXPECT_TRUE(SSL_session_reused(again.ssl()));
    SSL_SESSION_free(session);
  }
}

TEST(Tls, ServesANewDefaultCertificateWithoutARestart) {
  EdgeWorld world;
  EXPECT_EQ(certificate_of(world, "x.test"), "default.test");
  auto stays = world.connect_tls("x.test");
  world.set_config([](Config&) {}, world.authority.certificate({.names = {"renewed.test"}}));
  EXPECT_EQ(certificate_of(world, "x.test"), "renewed.test");
  stays.send("GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n");
  EXPECT_EQ(stays.response().status, 404);  // undisturbed
}

TEST(Tls, TakesNewSettingsForWhatBeginsFromNowOn) {
  PeerServer upstream;
  EdgeWorld world;
  world.serve(upstream);
  auto client = world.connect_tls("a.test");
  const auto upload = post("/x", std::string(2'000, 'u'));
  client.send(upload);
  auto server = upstream.accept();
  server.receive(upload.size());
  server.send(ok("taken"));
  EXPECT_EQ(client.response().body, "taken");
  world.set_config(
      [](Config& config) {
        config.limits.body_bytes = 1'000;
        config.server_header = "Frappe Cloud";
      },
      world.authority.certificate({.names = {"default.test"}}));
  client.send(upload);
  const auto refusal = client.response();
  EXPECT_EQ(refusal.status, 413);
  EXPECT_EQ(refusal.field("Server"), "Frappe Cloud");
}

}  // namespace
}  // namespace hybridge::test
