// Connections that are made ahead of requests (proxy/upstream/warm.cc).
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/proxy/upstream/server_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::run_request;
using test::ScriptedConnection;
using test::ScriptedServer;
using test::ServerWorld;
using test::UpstreamWorld;

constexpr std::string_view kLast = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

UpstreamSettings warming() {
  UpstreamSettings settings;
  settings.warm = 1;
  settings.warm_every = 100ms;
  settings.retry_after = 200ms;
  return settings;
}

// A whole request by a connection made for it, after which the server closes.
void ask_once(UpstreamWorld& world, UpstreamServer& server, ScriptedServer& listener) {
  auto lease = world.lease(server);
  const auto peer = listener.accept();
  run_request(world, std::move(lease), *peer, kLast);
}

struct WarmWorld : ServerWorld {
  explicit WarmWorld(const UpstreamSettings& settings = warming(), ServerLimits limits = {})
      : ServerWorld(settings, limits) {}

  void ask_once() { use_one(kLast); }  // and the server closes
  void leave_cold(bool is_left) {
    observed.unwarmed.clear();
    if (is_left) observed.unwarmed.insert("f1.test");
  }
  // Those that lack a connection have been looked for: another server that lacks one has got it.
  void look() {
    ScriptedServer listens(runner);
    auto& witness = upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listens)}, {},
                                                              "witness-" + std::to_string(++looks) + ".test"));
    hybridge::ask_once(*this, witness, listens);
    const auto peer = listens.accept();
    runner.until([&] { return witness.idle() == 1; });
    runner.turns(2);
  }

  int looks = 0;
};

TEST(Warm, IsThePoolBeforeTheRequestThatFollowsAClose) {
  WarmWorld warm;
  warm.ask_once();
  const auto peer = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  auto lease = warm.lease();
  EXPECT_TRUE(lease->is_reused()) << "it was there, so that the server may have closed it meanwhile";
  EXPECT_FALSE(lease->has_carried());
  run_request(warm, std::move(lease), *peer);
  lease = warm.lease(warm.server, false);
  EXPECT_TRUE(lease->has_carried());
  run_request(warm, std::move(lease), *peer);
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
}

TEST(Warm, IsThePoolOfAServerThatClosesItsIdleConnections) {
  WarmWorld warm;
  warm.leave_cold(true);
  auto lease = warm.lease();
  auto peer = warm.listener.accept();
  run_request(warm, std::move(lease), *peer);
  peer->shutdown();
  warm.runner.until([&] { return warm.server.idle() == 0; });
  warm.leave_cold(false);
  const auto next = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  EXPECT_FALSE(warm.lease(warm.server, false)->has_carried());
}

TEST(Warm, IsThePoolWhileRequestsHaveAllOthers) {
  WarmWorld warm;
  const auto lease = warm.lease();
  const auto busy = warm.listener.accept();
  const auto idle = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  EXPECT_EQ(warm.server.in_use(), 1U) << "one that nobody has asked for takes no place of a request";
  EXPECT_TRUE(warm.lease()->is_reused());
}

TEST(Warm, OneThatGrowsTooOldForAnyRequestIsReplacedBeforeItEnds) {
  auto settings = warming();
  settings.idle = 2s;
  WarmWorld warm(settings);
  warm.leave_cold(true);
  const auto first = warm.use_one();
  warm.leave_cold(false);
  const auto second = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 2; });
  EXPECT_FALSE(first->is_at_end());
}

TEST(Warm, AreAsManyAsConfiguredMadeOneAfterTheOther) {
  auto settings = warming();
  settings.warm = 3;
  WarmWorld warm(settings);
  warm.ask_once();
  warm.runner.until([&] {
    EXPECT_LE(warm.upstreams.stats().connecting, 1U);
    return warm.server.idle() == 3;
  });
  warm.look();
  EXPECT_EQ(warm.server.idle(), 3U);
}

TEST(Warm, AreNoMoreThanThePoolKeeps) {
  auto settings = warming();
  settings.warm = 5;
  settings.keep_alive = 2;
  WarmWorld warm(settings);
  warm.ask_once();
  warm.runner.until([&] { return warm.server.idle() == 2; });
  warm.look();
  warm.look();
  EXPECT_EQ(warm.server.idle(), 2U);
}

TEST(Warm, AreNoMoreThanTheServerTakesInAll) {
  WarmWorld warm(warming(), {.connections = 1});
  auto lease = warm.lease();
  auto peer = warm.listener.accept();
  warm.look();
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
  run_request(warm, std::move(lease), *peer, kLast);
  EXPECT_NE(warm.listener.accept(), nullptr);
}

TEST(Warm, IsOffAtZeroAndOnAgain) {
  auto settings = warming();
  settings.warm = 0;
  WarmWorld warm(settings);
  warm.ask_once();
  warm.runner.for_at_least(350ms);  // three times the interval
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
  warm.upstreams.set_settings(warming());
  EXPECT_NE(warm.listener.accept(), nullptr);
  warm.runner.until([&] { return warm.server.idle() == 1; });
  warm.upstreams.set_settings(settings);
  warm.server.close_idle();
  warm.runner.for_at_least(350ms);
  EXPECT_EQ(warm.server.idle(), 0U);
}

TEST(Warm, IsNoPoolWithoutARequestLately) {
  auto settings = warming();
  settings.warm_for = 300ms;
  WarmWorld warm(settings);
  warm.leave_cold(true);
  const auto peer = warm.use_one();
  warm.runner.for_at_least(300ms);
  warm.leave_cold(false);
  peer->shutdown();
  warm.runner.until([&] { return warm.server.idle() == 0; });
  warm.look();
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
  warm.ask_once();
  EXPECT_NE(warm.listener.accept(), nullptr) << "there was one again";
}

TEST(Warm, IsNoPoolOfAServerThatIsNotToBe) {
  WarmWorld warm;
  warm.leave_cold(true);
  warm.ask_once();
  warm.look();
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
  warm.leave_cold(false);
  EXPECT_NE(warm.listener.accept(), nullptr);
}

TEST(Warm, IsNoPoolOfAnEndpointThatDoesNotAnswerWhenAsked) {
  WarmWorld warm;
  const auto down = endpoint_key("f1.test", UpstreamWorld::endpoint(warm.listener));
  warm.upstreams.set_down(std::make_shared<const EndpointSet>(EndpointSet{down}));
  warm.ask_once();
  warm.look();
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
  warm.upstreams.set_down(nullptr);
  EXPECT_NE(warm.listener.accept(), nullptr);
}

TEST(Warm, IsNoPoolOfAnEndpointThatIsLeftAlone) {
  auto settings = warming();
  settings.failures = 1;
  settings.retry_after = settings.retry_after_max = 1h;
  WarmWorld warm(settings);
  warm.listener.stop();
  EXPECT_EQ(warm.refused(warm.server).reason, Reason::kUpstreamConnectFailed);
  warm.listener.start_again();
  warm.look();
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
}

TEST(Warm, AFailureCountsAgainstNobody) {
  auto settings = warming();
  settings.failures = 1;
  WarmWorld warm(settings);
  warm.ask_once();
  warm.listener.stop();
  warm.runner.until([&] { return warm.observed.begun >= 3; });
  warm.runner.until([&] { return warm.upstreams.stats().connecting == 0; });
  EXPECT_TRUE(warm.server.is_up());
}

TEST(Warm, AServerThatRefusesIsTriedMoreAndMoreSeldom) {
  WarmWorld warm;
  warm.ask_once();
  warm.listener.stop();
  const int before = warm.observed.begun;
  std::vector<TimePoint> attempts;
  warm.runner.until([&] {
    const auto begun = static_cast<std::size_t>(warm.observed.begun - before);
    if (begun > attempts.size()) attempts.push_back(warm.runner.loop().now());
    EXPECT_EQ(begun, attempts.size()) << "one at a time";
    return attempts.size() == 4;
  });
  EXPECT_GE(attempts[1] - attempts[0], 200ms);
  EXPECT_GE(attempts[2] - attempts[1], 400ms);
  EXPECT_GE(attempts[3] - attempts[2], 800ms);
}

TEST(Warm, AServerThatClosesWhatIsNotUsedIsTriedMoreAndMoreSeldom) {
  WarmWorld warm;
  warm.ask_once();
  std::vector<TimePoint> attempts;
  for (int i = 0; i < 4; ++i) {
    const auto peer = warm.listener.accept();
    attempts.push_back(warm.runner.loop().now());
    if (i % 2 == 0) peer->send("HTTP/1.1 408 Request Timeout\r\n\r\n");
    peer->shutdown();
    warm.runner.until([&] { return warm.upstreams.stats().idle == 0; });
  }
  EXPECT_GE(attempts[1] - attempts[0], 200ms);
  EXPECT_GE(attempts[2] - attempts[1], 400ms);
  EXPECT_GE(attempts[3] - attempts[2], 800ms);
}

TEST(Warm, WhatAServerIsSeenToWaitForAFirstRequestIsTrustedForNoLonger) {
  WarmWorld warm;
  warm.ask_once();
  const auto peer = warm.listener.accept();
  peer->send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
  const auto next = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  const auto began = warm.runner.loop().now();
  warm.runner.until([&] { return warm.server.idle() == 0; });
  EXPECT_LT(warm.runner.loop().now() - began, 4s) << "8 s are configured";
}

TEST(Warm, OneThatIsTooOldGivesWayWhereThePoolKeepsNoMore) {
  auto settings = warming();
  settings.keep_alive = 1;
  settings.idle = 3s;
  WarmWorld warm(settings);
  warm.ask_once();
  const auto first = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  const auto began = warm.runner.loop().now();
  const auto second = warm.listener.accept();
  warm.runner.until([&] { return first->is_at_end(); });
  EXPECT_LT(warm.runner.loop().now() - began, settings.idle) << "and not because its own time was over";
  EXPECT_EQ(warm.server.idle(), 1U);
}

TEST(Warm, IsMadeOneAtATime) {
  WarmWorld warm;
  ScriptedServer full(warm.runner, "127.0.0.1", 0);
  auto& server = warm.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(full)}, {}, "full.test"));
  warm.observed.unwarmed = {"full.test"};
  ask_once(warm, server, full);
  // A full backlog drops what comes: connecting hangs.
  const auto filling = test::connect_to(warm.runner, full.address());
  warm.observed.unwarmed.clear();
  warm.runner.until([&] { return warm.upstreams.stats().connecting == 1; });
  const int begun = warm.observed.begun;
  warm.runner.for_at_least(350ms);
  EXPECT_EQ(warm.observed.begun, begun);
}

// A reload of a server closes all that is idle, and says nothing of those that have carried nothing.
TEST(Warm, OneIsKeptForItsOwnTimeWhereUsedOnesAreClosedSoon) {
  WarmWorld warm;
  auto lease = warm.lease();
  auto reloaded = warm.listener.accept();
  run_request(warm, std::move(lease), *reloaded);
  reloaded->shutdown();
  const auto peer = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  warm.runner.for_at_least(700ms);
  EXPECT_EQ(warm.server.idle(), 1U);
  EXPECT_FALSE(warm.lease(warm.server, false)->has_carried());
}

TEST(Warm, AnUnsafeRequestLooksBehindThoseThatAreTooOldForIt) {
  WarmWorld warm;
  auto lease = warm.lease();
  auto reloaded = warm.listener.accept();
  run_request(warm, std::move(lease), *reloaded);
  reloaded->shutdown();  // used ones are trusted for half a second from now on
  auto peer = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  lease = warm.lease();
  const auto unused = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  run_request(warm, std::move(lease), *peer);
  warm.runner.for_at_least(300ms);
  const auto next = warm.lease(warm.server, false);
  EXPECT_TRUE(next->is_reused());
  EXPECT_FALSE(next->has_carried());
}

TEST(Warm, IsNoPoolForAWhileAfterAllThatWasIdleHadToGo) {
  auto settings = warming();
  settings.warm_for = 700ms;
  WarmWorld warm(settings);
  warm.ask_once();
  const auto peer = warm.listener.accept();
  warm.runner.until([&] { return warm.server.idle() == 1; });
  warm.upstreams.close_idle();
  const auto began = warm.runner.loop().now();
  settings.warm_for = 1min;  // so that there is a reason when that time is over
  warm.upstreams.set_settings(settings);
  EXPECT_NE(warm.listener.accept(), nullptr);
  EXPECT_GE(warm.runner.loop().now() - began, 700ms);
}

TEST(Warm, StopsForGood) {
  WarmWorld warm;
  warm.upstreams.stop_warming();
  warm.ask_once();
  warm.runner.for_at_least(350ms);
  warm.upstreams.close_idle();
  warm.upstreams.set_settings(warming());
  warm.runner.for_at_least(350ms);
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
}

TEST(Warm, OneThatIsMadeWhileItsEndpointIsRemovedIsClosed) {
  WarmWorld warm;
  warm.leave_cold(true);
  warm.ask_once();
  ScriptedServer next(warm.runner);
  EXPECT_EQ(warm.server.warm(), 1U);
  EXPECT_EQ(warm.upstreams.stats().connecting, 1U);
  warm.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(next)}));
  const auto peer = warm.listener.accept();
  warm.runner.until([&] { return peer->is_at_end(); });
  EXPECT_EQ(warm.upstreams.stats().connecting, 0U);
  EXPECT_EQ(warm.server.idle(), 0U);
  warm.leave_cold(false);
  warm.look();
  EXPECT_EQ(next.accept_now(), nullptr) << "nobody has asked anything of this one";
}

TEST(Warm, OneThatIsMadeEndsWithItsServer) {
  WarmWorld warm;
  const auto settings = warming();
  UpstreamEndpoint::Shared shared{
      .loop = warm.runner.loop(), .settings = settings, .resolver = warm.resolver, .observer = nullptr};
  std::optional<UpstreamServer> server;
  server.emplace(shared, warm.no_tls, UpstreamWorld::make_server({UpstreamWorld::endpoint(warm.listener)}));
  ask_once(warm, *server, warm.listener);
  EXPECT_EQ(server->warm(), 1U);
  EXPECT_EQ(server->warm(), 0U);
  EXPECT_EQ(shared.stats.connecting, 1U);
  server.reset();
  EXPECT_EQ(shared.stats.connecting, 0U);
  EXPECT_EQ(shared.stats.idle, 0U);
}

TEST(Warm, WithoutTlsToVerifyWithNothingIsMade) {
  WarmWorld warm;
  auto server = std::make_shared<Server>(*warm.server.configured());
  server->tls.mode = ServerTls::Mode::kVerify;
  warm.upstreams.find(std::shared_ptr<const Server>(server));
  EXPECT_EQ(warm.refused(warm.server).reason, Reason::kUpstreamTls);
  EXPECT_EQ(warm.server.warm(), 1U);
  EXPECT_EQ(warm.server.warm(), 0U) << "it has failed at once, and waits";
  EXPECT_EQ(warm.listener.accept_now(), nullptr);
}

}  // namespace
}  // namespace hybridge
