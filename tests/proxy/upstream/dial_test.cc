#include "proxy/upstream/dial.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/upstream_story.h"
#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using test::Outcome;
using test::ScriptedServer;
using test::UpstreamWorld;

// A listener whose backlog is full: connecting to it neither succeeds nor fails.
class SilentServer {
 public:
  explicit SilentServer(test::LoopRunner& runner, std::string_view ip = "127.0.0.1")
      : listener_(runner, ip, 0), filling_(test::connect_to(runner, listener_.address())) {}
  std::uint16_t port() const { return listener_.port(); }

 private:
  ScriptedServer listener_;
  std::unique_ptr<test::ScriptedConnection> filling_;
};

std::shared_ptr<const Server> named(std::uint16_t port, const std::string& name = "f1.test") {
  return UpstreamWorld::make_server({{.address = name, .port = port, .weight = 1}});
}

// A server on the same port of another address.
class SamePort {
 public:
  SamePort(std::string_view ip, std::uint16_t port) {
    const auto address = *Address::parse(ip, port);
    descriptor_ = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    // A connection of some other test may have the port at its end.
    const int on = 1;
    ::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    is_listening_ = ::bind(descriptor_, address.data(), address.size()) == 0 && ::listen(descriptor_, 16) == 0;
  }
  ~SamePort() { ::close(descriptor_); }
  SamePort(const SamePort&) = delete;
  bool is_listening() const { return is_listening_; }

 private:
  int descriptor_;
  bool is_listening_ = false;
};

TEST(Dial, ConnectsToANameOnceItIsResolved) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  world.names.set("f1.test", {"127.0.0.1"});
  auto& server = world.upstreams.find(named(listener.port()));
  auto lease = world.lease(server);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->endpoint_text(), listener.address().to_string());
  auto second = world.lease(server);
  ASSERT_TRUE(second);
  EXPECT_EQ(world.names.asked(), 1) << "later uses do not ask";
}

TEST(Dial, ANameThatLeadsNowhereIsAnErrorOfItsOwn) {
  UpstreamWorld world;
  auto& server = world.upstreams.find(named(80, "nowhere.test"));
  EXPECT_EQ(world.refused(server).reason, Reason::kUpstreamUnresolved);
}

TEST(Dial, TheFirstLookUpIsNotWaitedForWithoutEnd) {
  UpstreamSettings settings;
  settings.connect = 200ms;
  test::LoopRunner runner;
  std::promise<void> released;
  auto is_released = released.get_future().share();
  Resolver resolver(30s, 1, [is_released](const std::string&) -> Result<std::vector<Address>> {
    is_released.wait();
    return make_error(Reason::kUpstreamUnresolved);
  });
  test::NoTls tls;
  Upstreams upstreams(runner.loop(), settings, resolver, tls, nullptr);
  auto& server = upstreams.find(named(80));
  LeaseRequest request;
  Outcome<Result<Lease>> outcome(server.lease(request));
  runner.until([&] { return outcome.is_there(); });
  EXPECT_EQ(outcome->error().reason, Reason::kUpstreamUnresolved);
  released.set_value();
}

TEST(Dial, TriesTheNextAddressAtOnceWhenOneRefuses) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  std::vector<std::string> addresses;
  for (int last = 2; last < 12; ++last) addresses.push_back("127.0.0." + std::to_string(last));
  addresses.push_back("127.0.0.1");
  world.names.set("f1.test", addresses);
  auto& server = world.upstreams.find(named(listener.port()));
  const auto began = Clock::now();
  auto lease = world.lease(server);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->endpoint(), listener.address());
  EXPECT_LT(Clock::now() - began, 8 * Dial::kHeadStart) << "ten addresses refused, none had its head start";
}

TEST(Dial, GivesASilentAddressAHeadStartAndThenTriesTheNext) {
  UpstreamWorld world;
  SilentServer silent(world.runner, "127.0.0.2");
  SamePort listener("127.0.0.1", silent.port());
  ASSERT_TRUE(listener.is_listening());
  world.names.set("f1.test", {"127.0.0.2", "127.0.0.1"});
  auto& server = world.upstreams.find(named(silent.port()));
  const auto began = Clock::now();
  auto lease = world.lease(server);
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->endpoint().ip(), "127.0.0.1");
  EXPECT_GE(Clock::now() - began, Dial::kHeadStart);
  EXPECT_LT(Clock::now() - began, 3s);
  EXPECT_EQ(world.upstreams.stats().connecting, 0U) << "the slower attempt is given up";
  // What worked last is tried first. The quickest of some tells: any one may meet a busy moment of the machine.
  std::vector<Lease> more;
  auto quickest = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 8; ++i) {
    more.push_back(world.lease(server));
    EXPECT_EQ(more.back()->endpoint().ip(), "127.0.0.1");
    quickest = std::min<std::uint64_t>(quickest, more.back()->connect_microseconds());
  }
  EXPECT_LT(std::chrono::microseconds(quickest), Dial::kHeadStart);
}

TEST(Dial, TriesIpv6First) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner, "::1");
  SamePort v4("127.0.0.1", listener.port());
  ASSERT_TRUE(v4.is_listening());
  world.names.set("f1.test", {"127.0.0.1", "::1"});
  auto& server = world.upstreams.find(named(listener.port()));
  EXPECT_EQ(world.lease(server)->endpoint().ip(), "::1");
}

TEST(Dial, FallsBackToIpv4) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner, "127.0.0.1");
  world.names.set("f1.test", {"::1", "127.0.0.1"});
  auto& server = world.upstreams.find(named(listener.port()));
  EXPECT_EQ(world.lease(server)->endpoint().ip(), "127.0.0.1");
}

TEST(Dial, TimesOutAsAWhole) {
  UpstreamSettings settings;
  settings.connect = 200ms;
  UpstreamWorld world(settings);
  SilentServer silent(world.runner);
  auto& server =
      world.upstreams.find(UpstreamWorld::make_server({{.address = "127.0.0.1", .port = silent.port(), .weight = 1}}));
  const auto began = Clock::now();
  const auto error = world.refused(server);
  EXPECT_EQ(error.reason, Reason::kUpstreamConnectTimeout);
  EXPECT_NE(error.detail.find("200 ms (timeouts.connect)"), std::string::npos) << error.detail;
  EXPECT_LT(Clock::now() - began, 3s);
}

TEST(Dial, TheErrorNamesTheAddressTriedLast) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  listener.stop();
  world.names.set("f1.test", {"127.0.0.2", "127.0.0.1"});
  auto& server = world.upstreams.find(named(listener.port()));
  EXPECT_EQ(world.refused(server).detail, listener.address().to_string() + ": Connection refused");
}

TEST(Dial, AClientThatLeavesEndsIt) {
  UpstreamWorld world;
  SilentServer silent(world.runner);
  auto& server =
      world.upstreams.find(UpstreamWorld::make_server({{.address = "127.0.0.1", .port = silent.port(), .weight = 1}}));
  LeaseRequest request;
  Outcome<Result<Lease>> outcome(server.lease(request));
  world.runner.turns(2);
  EXPECT_EQ(world.upstreams.stats().connecting, 1U);
  request.cancel();
  ASSERT_TRUE(outcome.is_there());
  EXPECT_EQ(outcome->error().reason, Reason::kClientGone);
  EXPECT_EQ(world.upstreams.stats().connecting, 0U);
  EXPECT_EQ(server.in_use(), 0U);
}

TEST(Dial, AddressesThatAreNoLongerTheNamesLoseTheirIdleConnections) {
  UpstreamSettings settings;
  settings.resolve_again = 0s;
  UpstreamWorld world(settings);
  ScriptedServer old(world.runner, "127.0.0.1");
  SamePort next("127.0.0.2", old.port());
  ASSERT_TRUE(next.is_listening());
  world.names.set("f1.test", {"127.0.0.1"});
  auto& server = world.upstreams.find(named(old.port()));
  world.lease(server).release();
  EXPECT_EQ(server.idle(), 1U);
  world.names.set("f1.test", {"127.0.0.2"});
  // A lease of the idle connection makes the name be asked for again; nobody waits for that.
  EXPECT_EQ(world.lease(server)->endpoint().ip(), "127.0.0.1");
  world.runner.until([&] { return server.idle() == 0; });
  EXPECT_EQ(world.lease(server)->endpoint().ip(), "127.0.0.2");
  world.names.set("f1.test", {});
  const auto asked = world.names.asked();
  world.runner.until([&] {
    world.lease(server).release();
    return world.names.asked() > asked + 1;
  });
  world.runner.turns(3);
  EXPECT_EQ(world.lease(server)->endpoint().ip(), "127.0.0.2") << "the last good address stays";
}

}  // namespace
}  // namespace hybridge
