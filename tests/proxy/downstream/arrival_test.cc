#include "proxy/downstream/arrival.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/downstream_world.h"
#include "tests/support/test_certificates.h"
#include "tests/support/tls_pair.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kGotA = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGET /a ";

bool everybody(const Address&) {
  return true;
}
bool only_loopback(const Address& address) {
  return address.is_loopback();
}

// Answers with what is known of the client.
Task<void> tell_client(Stream& stream) {
  const auto& client = stream.client();
  if (stream.fault()) {
    answer(stream, 400, stream.fault()->detail);
    co_return;
  }
  answer(stream, 200,
         client.peer_ip + " port " + std::to_string(client.peer.port()) + " by " + client.direct_peer.ip() +
             (client.is_trusted_proxy ? " believed" : "") +
             (client.is_tls ? " " + std::string(client.tls_version) : "") + " " + std::string(client.server_name));
}

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

// ---- PROXY headers ----

constexpr std::string_view kOnce = "GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
constexpr std::string_view kVersion1 = "PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n";
// Version 2, PROXY, TCP over IPv4, 12 bytes of addresses: 203.0.113.9:5555 → 192.0.2.1:443.
const std::string kVersion2 = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x01\x15\xb3\x01\xbb"s;

TEST(Arrival, BelievesAProxyHeaderOfATrustedPeer) {
  for (const auto& header : {std::string(kVersion1), kVersion2}) {
    DownstreamWorld world({.settings = {.is_trusted_proxy = only_loopback}, .is_behind_proxy = true});
    world.serve_by(tell_client);
    const auto client = world.connect();
    client->send(header + std::string(kOnce));
    EXPECT_EQ(body_of(client->receive_to_end()), "203.0.113.9 port 5555 by 127.0.0.1 ");
  }
}

TEST(Arrival, BelievesAProxyHeaderThatComesByteByByte) {
  for (const auto& header : {std::string(kVersion1), kVersion2}) {
    DownstreamWorld world({.settings = {.is_trusted_proxy = only_loopback}, .is_behind_proxy = true});
    world.serve_by(tell_client);
    const auto client = world.connect();
    client->send_bytewise(header + std::string(kOnce));
    EXPECT_EQ(body_of(client->receive_to_end()), "203.0.113.9 port 5555 by 127.0.0.1 ");
  }
}

TEST(Arrival, TakesAProxyHeaderOfAnybodyElseForABadRequest) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(std::string(kVersion1) + std::string(kOnce));
  EXPECT_TRUE(client->receive_to_end().starts_with("HTTP/1.1 400 "));
  const auto binary = world.connect();
  binary->send(kVersion2 + std::string(kOnce));
  EXPECT_TRUE(binary->receive_to_end().starts_with("HTTP/1.1 400 "));
}

TEST(Arrival, LooksForNoProxyHeaderWhereNoneIsDemandedNotEvenOfATrustedPeer) {
  DownstreamWorld world({.settings = {.is_trusted_proxy = only_loopback}});
  world.serve_by(tell_client);
  const auto client = world.connect();
  client->send(kOnce);
  EXPECT_TRUE(body_of(client->receive_to_end()).ends_with(" by 127.0.0.1 believed "));
  const auto spoof = world.connect();
  spoof->send(std::string(kVersion1) + std::string(kOnce));
  EXPECT_TRUE(spoof->receive_to_end().starts_with("HTTP/1.1 400 "));
}

TEST(Arrival, TakesABalancerThatSpeaksForItselfForAClient) {
  for (const auto& header : {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s}) {
    DownstreamWorld world({.settings = {.is_trusted_proxy = only_loopback}, .is_behind_proxy = true});
    world.serve_by(tell_client);
    const auto local = world.connect();
    local->send(header + std::string(kOnce));
    EXPECT_TRUE(body_of(local->receive_to_end()).ends_with(" by 127.0.0.1 believed "));
  }
}

TEST(Arrival, ClosesOnAMissingMalformedOrUnfinishedProxyHeader) {
  DownstreamWorld world({.settings = {.handshake = 200ms, .is_trusted_proxy = everybody}, .is_behind_proxy = true});
  world.serve_by(echo);
  for (const auto& bytes : {std::string(kOnce), "PROXY TCP4 203.0.113.9 nowhere 5555 443\r\n" + std::string(kOnce),
                            "PROXY TCP4 203"s}) {  // the last: after timeouts.handshake
    const auto client = world.connect();
    client->send(bytes);
    EXPECT_EQ(client->receive_to_end(), "");
  }
  EXPECT_EQ(world.refused, std::vector(3, Reason::kBadProxyHeader));
  const auto half_closed = world.connect();
  half_closed->send("PROXY TCP4 203");
  half_closed->shutdown();
  EXPECT_EQ(half_closed->receive_to_end(), "");
  const auto silent = world.connect();
  EXPECT_EQ(silent->receive_to_end(), "");
  EXPECT_EQ(world.served, 0);
  world.runner.until([&] { return world.limits.current() == 0; });
}

TEST(Arrival, ClosesOnAProxyHeaderOfWhoIsNotTrusted) {
  DownstreamWorld world(
      {.settings = {.is_trusted_proxy = [](const Address&) { return false; }}, .is_behind_proxy = true});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(std::string(kVersion1) + std::string(kOnce));
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_EQ(world.refused, std::vector{Reason::kBadProxyHeader});
  EXPECT_EQ(world.served, 0);
}

TEST(Arrival, CountsAConnectionAsTheClientsThatTheBalancerNames) {
  DownstreamWorld world({.settings = {.is_trusted_proxy = only_loopback},
                         .is_behind_proxy = true,
                         .per_address = {.connections_per_address = 1}});
  world.serve_by(tell_client);
  const auto first = world.connect();
  first->send(std::string(kVersion1) + std::string(kGet));
  first->receive_until(" by 127.0.0.1 ");
  const auto second = world.connect();
  second->send(std::string(kVersion1) + std::string(kGet));
  EXPECT_NE(second->receive_to_end().find("limits.connections_per_address (1)"), std::string::npos);
  const auto other = world.connect();
  other->send("PROXY TCP4 203.0.113.10 192.0.2.1 5555 443\r\n" + std::string(kGet));
  other->receive_until(" by 127.0.0.1 ");
  EXPECT_EQ(world.refused, std::vector{Reason::kTooManyConnectionsFromAddress});
}

// ---- TLS ----

class TlsWorld {
 public:
  explicit TlsWorld(DownstreamSettings settings = {}, bool is_behind_proxy = false,
                    ClientLimits::Settings per_address = {})
      : runner(std::make_unique<LoopRunner>()),
        loop_(runner->loop()),
        authority(),
        cache([this](
                  const std::string& name) -> Result<PemPairs> { return PemPairs{authority.issue({.names = {name}})}; },
              [this](std::function<void()> work) { loads.push_back(std::move(work)); }, {}),
        context(ServerContext::make({}, cache, [this](std::function<void()> work) { loop_.post(std::move(work)); })
                    .value()),
        world((context->set_default(authority.certificate({.names = {"default.test"}})),
               DownstreamWorld::Options{.settings = std::move(settings),
                                        .connections = 1'000,
                                        .tls = context.get(),
                                        .is_behind_proxy = is_behind_proxy,
                                        .per_address = per_address}),
              std::move(runner)) {
    world.serve_by(echo);
  }

  std::unique_ptr<LoopRunner> runner;

 private:
  Loop& loop_;

 public:
  TestAuthority authority;
  std::vector<std::function<void()>> loads;  // that the cache has asked for
  CertificateCache cache;
  std::unique_ptr<ServerContext> context;
  DownstreamWorld world;
};

TEST(Arrival, ShakesHandsAndServes) {
  TlsWorld tls;
  tls.world.serve_by(tell_client);
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  client.send(kOnce);
  EXPECT_TRUE(client.receive_to_end().ends_with(" by 127.0.0.1 TLSv1.3 a.test"));
  EXPECT_TRUE(client.is_goodbye_said());
  ASSERT_EQ(tls.world.handshakes.size(), 1u);
  EXPECT_EQ(tls.world.handshakes[0].version, "TLSv1.3");
  EXPECT_FALSE(tls.world.handshakes[0].resumed);
  EXPECT_EQ(tls.world.handshakes[0].result, Reason::kOk);
}

TEST(Arrival, KeepsATlsConnectionAlive) {
  TlsWorld tls;
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    EXPECT_EQ(client.receive_until("GET /a "), kGotA);
  }
  EXPECT_EQ(tls.world.opened, 1);
}

TEST(Arrival, SaysHowTheHandshakeFailed) {
  TlsWorld tls;
  const auto client = tls.world.connect();
  client->send("\x16\x03\x01\0\x05junk!"s);
  client->receive_to_end();
  ASSERT_EQ(tls.world.handshakes.size(), 1u);
  EXPECT_EQ(tls.world.handshakes[0].result, Reason::kBadHandshake);
  tls.world.runner.until([&] { return tls.world.limits.current() == 0; });
}

TEST(Arrival, GivesAHandshakeItsTimeAndNoMore) {
  TlsWorld tls({.handshake = 200ms});
  const auto silent = tls.world.connect();
  const auto slow = tls.world.connect();
  slow->send("\x16\x03\x01");
  EXPECT_EQ(slow->receive_to_end(), "");
  EXPECT_EQ(silent->receive_to_end(), "");
  ASSERT_EQ(tls.world.handshakes.size(), 1u);  // the silent one never began
  EXPECT_EQ(tls.world.handshakes[0].result, Reason::kHandshakeTimeout);
  tls.world.runner.until([&] { return tls.world.limits.current() == 0; });
}

TEST(Arrival, AnswersPlainHttpOnTheTlsPortInPlainWords) {
  TlsWorld tls;
  const auto client = tls.world.connect();
  client->send(kGet);
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("https://"), std::string::npos) << refusal;
  EXPECT_TRUE(tls.world.handshakes.empty());
}

TEST(Arrival, TakesAClientHelloBehindAProxyHeader) {
  TlsWorld tls({.is_trusted_proxy = only_loopback}, true);
  tls.world.serve_by(tell_client);
  auto together = tls.world.connect_tls("a.test");
  together.wire().send(kVersion1);
  ASSERT_TRUE(together.shake_hands());
  together.send(kOnce);
  EXPECT_EQ(body_of(together.receive_to_end()), "203.0.113.9 port 5555 by 127.0.0.1 TLSv1.3 a.test");

  auto apart = tls.world.connect_tls("a.test");
  apart.wire().send_bytewise(kVersion2);
  ASSERT_TRUE(apart.shake_hands());
  apart.send(kOnce);
  EXPECT_EQ(body_of(apart.receive_to_end()), "203.0.113.9 port 5555 by 127.0.0.1 TLSv1.3 a.test");
}

TEST(Arrival, LetsAWaitingHandshakeGoOnWhenOneEnds) {
  TlsWorld tls({.handshakes = 1});
  auto hog = tls.world.connect_tls("a.test");
  hog.begin();
  tls.world.runner.turns(3);
  auto first = tls.world.connect_tls("a.test");
  auto second = tls.world.connect_tls("a.test");
  first.begin();
  second.begin();
  tls.world.runner.turns(10);
  EXPECT_FALSE(first.wire().has_input());  // they wait
  EXPECT_FALSE(second.wire().has_input());
  hog.wire().reset();
  ASSERT_TRUE(first.shake_hands());
  ASSERT_TRUE(second.shake_hands());
  first.send(kGet);
  EXPECT_EQ(first.receive_until("GET /a "), kGotA);
  second.send(kGet);
  EXPECT_EQ(second.receive_until("GET /a "), kGotA);
}

TEST(Arrival, PassesTheTurnOfAClientThatLeftWhileItWaited) {
  TlsWorld tls({.handshakes = 1});
  auto hog = tls.world.connect_tls("a.test");
  hog.begin();
  tls.world.runner.turns(3);
  auto leaves = tls.world.connect_tls("a.test");
  leaves.begin();
  tls.world.runner.turns(3);
  auto stays = tls.world.connect_tls("a.test");
  stays.begin();
  tls.world.runner.turns(3);
  leaves.wire().reset();
  tls.world.runner.turns(3);
  hog.wire().reset();
  EXPECT_TRUE(stays.shake_hands());
}

TEST(Arrival, CutsOneThatWaitedTooLongForItsTurn) {
  TlsWorld tls({.handshakes = 1, .handshake = 200ms});
  auto hog = tls.world.connect_tls("a.test");
  hog.begin();
  tls.world.runner.turns(3);
  auto waiting = tls.world.connect_tls("a.test");
  waiting.begin();
  hog.wire().receive_to_end();
  tls.world.runner.until([&] { return tls.world.limits.current() == 0; });
  EXPECT_EQ(tls.world.downstream.connections(), 0u);
  auto next = tls.world.connect_tls("a.test");
  EXPECT_TRUE(next.shake_hands());  // its place is free again
}

TEST(Arrival, CrowdsOutTheHandshakeThatHasBeenSlowWhenOthersWait) {
  TlsWorld tls({.handshakes = 2});
  auto slow = tls.world.connect_tls("a.test");
  slow.begin();
  auto slower = tls.world.connect_tls("a.test");
  slower.begin();
  tls.world.runner.turns(5);
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());  // long before timeouts.handshake
  client.send(kGet);
  EXPECT_EQ(client.receive_until("GET /a "), kGotA);
  ASSERT_EQ(tls.world.handshakes.size(), 2u);
  EXPECT_EQ(tls.world.handshakes[0].result, Reason::kHandshakeTimeout);
  EXPECT_EQ(tls.world.handshakes[1].result, Reason::kOk);
  EXPECT_EQ(tls.world.limits.current(), 2u);  // the slower one has room now
}

TEST(Arrival, GivesNoPlaceAmongTheHandshakesToHalfAHello) {
  TlsWorld tls({.handshakes = 1});
  std::vector<std::unique_ptr<ScriptedConnection>> slow;
  for (const auto& part : {"\x16\x03\x01"s, "\x16\x03\x01\0\x05\x01\0\x02\0\x03"s, "\x16\x03\x01\0\x01\x01\x16\x03"s}) {
    slow.push_back(tls.world.connect());
    slow.back()->send(part);
  }
  tls.world.runner.turns(5);
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  tls.world.runner.until([&] { return !tls.world.handshakes.empty(); });
  ASSERT_EQ(tls.world.handshakes.size(), 1u);  // nobody was crowded out
}

TEST(Arrival, TurnsAwayWhoShakesHandsTooOften) {
  TlsWorld tls({.is_trusted_proxy = only_loopback}, true, {.handshakes_per_address = 1});
  const auto shakes = [&](std::string_view header) {
    auto client = tls.world.connect_tls("a.test");
    client.wire().send(header);
    return client.shake_hands();
  };
  EXPECT_TRUE(shakes(kVersion1));
  EXPECT_TRUE(shakes(kVersion1));
  EXPECT_FALSE(shakes(kVersion1));
  EXPECT_TRUE(shakes("PROXY TCP4 203.0.113.10 192.0.2.1 5555 443\r\n"));
  EXPECT_EQ(tls.world.refused, std::vector{Reason::kTooManyHandshakesFromAddress});

  const auto client = tls.world.connect();
  client->send(std::string(kVersion1) + "\x16\x03\x01\0\x04\x01\0\0\0"s);
  EXPECT_EQ(client->receive_to_end(), "\x15\x03\x03\0\x02\x02\x31"s);  // access_denied
}

CertificateTable table_of(std::string_view name, const Certificate& certificate) {
  CertificateTable::Builder builder;
  builder.set(std::string(name), CertificateTable::describe(name, certificate, 1));
  return std::move(builder).build();
}

TEST(Arrival, WaitsForACertificateThatIsStillBeingLoaded) {
  TlsWorld tls;
  const auto own = tls.authority.certificate({.names = {"own.test"}});
  tls.context->set_table(std::make_shared<const CertificateTable>(table_of("own.test", *own)));
  auto client = tls.world.connect_tls("own.test");
  client.begin();
  tls.world.runner.until([&] { return !tls.loads.empty(); });
  auto other = tls.world.connect_tls("a.test");
  ASSERT_TRUE(other.shake_hands());  // nobody else waits
  EXPECT_EQ(peer_of(other.ssl()), "default.test");
  ASSERT_EQ(tls.loads.size(), 1u);
  std::exchange(tls.loads, {}).front()();
  ASSERT_TRUE(client.shake_hands());
  EXPECT_EQ(peer_of(client.ssl()), "own.test");
  client.send(kGet);
  EXPECT_EQ(client.receive_until("GET /a "), kGotA);
}

TEST(Arrival, MayLeaveWhileItsCertificateIsBeingLoaded) {
  TlsWorld tls({.handshakes = 1});
  const auto own = tls.authority.certificate({.names = {"own.test"}});
  tls.context->set_table(std::make_shared<const CertificateTable>(table_of("own.test", *own)));
  {
    auto client = tls.world.connect_tls("own.test");
    client.begin();
    tls.world.runner.until([&] { return !tls.loads.empty(); });
    client.wire().reset();
    tls.world.runner.until([&] { return tls.world.limits.current() == 0; });
  }
  std::exchange(tls.loads, {}).front()();
  tls.world.runner.turns(3);
  auto next = tls.world.connect_tls("own.test");
  ASSERT_TRUE(next.shake_hands());
  EXPECT_EQ(peer_of(next.ssl()), "own.test");
}

TEST(Arrival, EndsWithTheDeadlineWhenItsCertificateNeverComes) {
  TlsWorld tls({.handshake = 200ms});
  const auto own = tls.authority.certificate({.names = {"own.test"}});
  tls.context->set_table(std::make_shared<const CertificateTable>(table_of("own.test", *own)));
  auto client = tls.world.connect_tls("own.test");
  EXPECT_FALSE(client.shake_hands());
  ASSERT_EQ(tls.world.handshakes.size(), 1u);
  EXPECT_EQ(tls.world.handshakes[0].result, Reason::kHandshakeTimeout);
  for (const auto& load : std::exchange(tls.loads, {})) load();
  tls.world.runner.turns(3);
}

TEST(Arrival, ResumesASession) {
  TlsWorld tls;
  SSL_SESSION* session = nullptr;
  {
    auto client = tls.world.connect_tls("a.test");
    ASSERT_TRUE(client.shake_hands());
    client.send(kGet);
    client.receive_until("GET /a ");  // the ticket came before it
    session = SSL_get1_session(client.ssl());
    client.say_goodbye();  // or the client would not trust its session any more
  }
  auto again = tls.world.connect_tls("a.test");
  SSL_set_session(again.ssl(), session);
  SSL_SESSION_free(session);
  ASSERT_TRUE(again.shake_hands());
  again.send(kGet);
  again.receive_until("GET /a ");
  ASSERT_EQ(tls.world.handshakes.size(), 2u);
  EXPECT_TRUE(tls.world.handshakes[1].resumed);
}

// ---- The stream over TLS ----

TEST(Arrival, ServesAHalfClosedTlsClient) {
  TlsWorld tls;
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  client.send(kGet);
  client.say_goodbye();
  EXPECT_EQ(client.receive_to_end(), kGotA);
}

TEST(Arrival, DeliversALargeAnswerOverTls) {
  TlsWorld tls;
  tls.world.serve_by(nullptr);
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  client.send(kOnce);
  auto& story = tls.world.next_story();
  std::string body;
  for (int i = 0; body.size() < 200'000; ++i) body += std::to_string(i) + ' ';
  answer(story.stream, 200, body);
  story.end();
  EXPECT_EQ(body_of(client.receive_to_end()), body);
  EXPECT_TRUE(client.is_goodbye_said());
}

TEST(Arrival, ShowsAResetAnswerOverTlsAsBroken) {
  TlsWorld tls;
  tls.world.serve_by(nullptr);
  auto client = tls.world.connect_tls("a.test");
  ASSERT_TRUE(client.shake_hands());
  client.send("GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n");
  auto& story = tls.world.next_story();
  story.stream.write_head(head_of(200, until_close()));
  const Outcome<Result<bool>> written{write_piece(story.stream, "half")};
  client.receive_until("half");
  story.stream.reset(Reason::kUpstreamTruncated);
  story.end();
  client.receive_to_end();
  EXPECT_FALSE(client.is_goodbye_said());  // without close_notify the end must not be believed
}

}  // namespace
}  // namespace hybridge::test
