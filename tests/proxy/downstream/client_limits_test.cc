#include "proxy/downstream/client_limits.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

constexpr int kAnyDescriptor = 9;

Address address(std::string_view ip) {
  return *Address::parse(ip, 1234);
}

ClientLimits::Admission enter(ClientLimits& limits, std::string_view ip) {
  return limits.enter(address(ip), false, kAnyDescriptor);
}

TEST(ClientLimits, SayWhichLimitAConnectionIsOver) {
  ClientLimits limits({.connections = 3, .connections_per_address = 2});
  const auto first = enter(limits, "192.0.2.1");
  const auto second = enter(limits, "192.0.2.1");
  const auto third = enter(limits, "192.0.2.1");
  const auto fourth = enter(limits, "192.0.2.2");
  EXPECT_EQ(first.over, Reason::kOk);
  EXPECT_EQ(second.over, Reason::kOk);
  EXPECT_EQ(third.over, Reason::kTooManyConnectionsFromAddress);
  EXPECT_EQ(fourth.over, Reason::kTooManyConnections);
  EXPECT_EQ(limits.current(), 4u);
}

TEST(ClientLimits, LetInAgainWhenOneHasLeft) {
  ClientLimits limits({.connections_per_address = 1});
  {
    const auto first = enter(limits, "192.0.2.1");
    EXPECT_EQ(enter(limits, "192.0.2.1").over, Reason::kTooManyConnectionsFromAddress);
  }
  EXPECT_EQ(limits.addresses(), 0u);
  const auto again = enter(limits, "192.0.2.1");
  EXPECT_EQ(again.over, Reason::kOk);
  EXPECT_EQ(limits.current(), 1u);
}

TEST(ClientLimits, TellAFewOfThoseThatAreOverAndCutTheRest) {
  ClientLimits limits({.connections_per_address = 1});
  std::vector<ClientLimits::Admission> inside;
  inside.push_back(enter(limits, "192.0.2.1"));
  inside.push_back(enter(limits, "192.0.2.1"));
  EXPECT_TRUE(inside.back().is_told);
  for (int i = 0; i < 30; ++i) inside.push_back(enter(limits, "192.0.2.1"));
  EXPECT_FALSE(inside.back().is_told);
  inside.push_back(enter(limits, "192.0.2.2"));
  EXPECT_TRUE(inside.back().is_told);
  inside.clear();
  inside.push_back(enter(limits, "192.0.2.1"));
  inside.push_back(enter(limits, "192.0.2.1"));
  EXPECT_TRUE(inside.back().is_told);
}

TEST(ClientLimits, TakeTheAddressesOfOneIpv6ClientTogether) {
  ClientLimits limits({.connections_per_address = 1});
  const auto first = enter(limits, "2001:db8:0:1::1");
  const auto same = enter(limits, "2001:db8:0:1:ffff::9");
  const auto other = enter(limits, "2001:db8:0:2::1");
  EXPECT_EQ(first.over, Reason::kOk);
  EXPECT_EQ(same.over, Reason::kTooManyConnectionsFromAddress);
  EXPECT_EQ(other.over, Reason::kOk);
}

TEST(ClientLimits, CountNeitherLoopbackNorTheExemptOneByOne) {
  ClientLimits limits(
      {.connections = 5, .connections_per_address = 1, .requests_per_address = 1, .handshakes_per_address = 1});
  std::vector<ClientLimits::Admission> inside;
  for (const auto* ip : {"192.0.2.1", "192.0.2.1", "127.0.0.1", "127.0.0.1", "::1"}) {
    inside.push_back(limits.enter(address(ip), std::string_view(ip) == "192.0.2.1", kAnyDescriptor));
    EXPECT_EQ(inside.back().over, Reason::kOk) << ip;
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(limits.may_shake_hands(inside.back().place, {}));
  }
  ClientLimits::Request requests[3];
  for (auto& request : requests) EXPECT_TRUE(limits.begin(inside.front().place, request));
  EXPECT_EQ(enter(limits, "127.0.0.1").over, Reason::kTooManyConnections);  // but all together
  EXPECT_EQ(limits.addresses(), 0u);
}

TEST(ClientLimits, CountTheRequestsOfAnAddressOverItsConnections) {
  ClientLimits limits({.requests_per_address = 2});
  const auto one = enter(limits, "192.0.2.1");
  const auto another = enter(limits, "192.0.2.1");
  ClientLimits::Request first, third;
  {
    ClientLimits::Request second;
    EXPECT_TRUE(limits.begin(one.place, first));
    EXPECT_TRUE(limits.begin(another.place, second));
    EXPECT_FALSE(limits.begin(one.place, third));
  }
  EXPECT_TRUE(limits.begin(one.place, third));
}

TEST(ClientLimits, CountTheRequestsOfANamedClientWithoutAConnectionOfItsOwn) {
  ClientLimits limits({.requests_per_address = 1});
  {
    ClientLimits::Request first, second, other, trusted;
    EXPECT_TRUE(limits.begin(address("192.0.2.1"), false, first));
    EXPECT_FALSE(limits.begin(address("192.0.2.1"), false, second));
    EXPECT_TRUE(limits.begin(address("192.0.2.2"), false, other));
    EXPECT_TRUE(limits.begin(address("192.0.2.1"), true, trusted));
    EXPECT_EQ(limits.addresses(), 2u);
  }
  EXPECT_EQ(limits.addresses(), 0u);
}

TEST(ClientLimits, MoveAConnectionToTheClientThatABalancerNames) {
  ClientLimits limits({.connections_per_address = 1});
  auto balancer = limits.enter(address("192.0.2.1"), true, kAnyDescriptor);
  auto another = limits.enter(address("192.0.2.1"), true, kAnyDescriptor);
  EXPECT_EQ(limits.move(balancer.place, address("198.51.100.7"), false), Reason::kOk);
  EXPECT_EQ(limits.move(another.place, address("198.51.100.7"), false), Reason::kTooManyConnectionsFromAddress);
  EXPECT_EQ(limits.addresses(), 1u);
}

TEST(ClientLimits, BoundTheHandshakesOfAnAddressInASecondAlsoOfClosedConnections) {
  ClientLimits limits({.handshakes_per_address = 10});
  const TimePoint start = TimePoint{} + 1h;
  const auto shakes = [&](std::string_view ip, Duration at) {
    return limits.may_shake_hands(enter(limits, ip).place, start + at);
  };
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(shakes("192.0.2.1", 0s)) << i;
  EXPECT_FALSE(shakes("192.0.2.1", 0s));
  EXPECT_TRUE(shakes("192.0.2.2", 0s));
  EXPECT_FALSE(shakes("192.0.2.1", 99ms));
  EXPECT_TRUE(shakes("192.0.2.1", 100ms));
  EXPECT_FALSE(shakes("192.0.2.1", 100ms));
}

TEST(ClientLimits, RefuseWhoIsNewWhenMemoryOrDescriptorsAreShort) {
  ClientLimits limits({.descriptors = 100});
  EXPECT_EQ(limits.enter(address("192.0.2.1"), false, 99).over, Reason::kOk);
  EXPECT_EQ(limits.enter(address("192.0.2.1"), false, 100).over, Reason::kShortOfDescriptors);
  EXPECT_EQ(limits.enter(address("127.0.0.1"), false, 100).over, Reason::kShortOfDescriptors);
  EXPECT_TRUE(limits.enter(address("192.0.2.1"), false, 102).is_told);
  EXPECT_FALSE(limits.enter(address("192.0.2.1"), false, 103).is_told);  // the rest is for who is there
  limits.set_short_of_memory(true);
  EXPECT_EQ(enter(limits, "192.0.2.1").over, Reason::kShortOfMemory);
  limits.set_short_of_memory(false);
  EXPECT_EQ(enter(limits, "192.0.2.1").over, Reason::kOk);
}

TEST(ClientLimits, SayWhenASixteenthOrLessIsLeft) {
  ClientLimits limits({.connections = 32, .descriptors = 160});
  std::vector<ClientLimits::Admission> there;
  for (int i = 0; i < 30; ++i) there.push_back(enter(limits, "192.0.2.1"));
  EXPECT_EQ(there.back().scarce, Reason::kOk);
  there.push_back(enter(limits, "192.0.2.1"));
  EXPECT_EQ(there.back().over, Reason::kOk);
  EXPECT_EQ(there.back().scarce, Reason::kTooManyConnections);
  there.clear();
  EXPECT_EQ(limits.enter(address("192.0.2.1"), false, 149).scarce, Reason::kOk);
  EXPECT_EQ(limits.enter(address("192.0.2.1"), false, 150).scarce, Reason::kShortOfDescriptors);
  limits.set_short_of_memory(true);
  EXPECT_EQ(enter(limits, "192.0.2.1").scarce, Reason::kShortOfMemory);
}

TEST(ClientLimits, LetOperatorsInByTheUnixSocketWhateverIsShort) {
  ClientLimits limits({.connections = 1, .descriptors = 10});
  limits.set_short_of_memory(true);
  const auto first = limits.enter(Address::unix_peer(), false, 100);
  const auto second = limits.enter(Address::unix_peer(), false, 100);
  EXPECT_EQ(first.over, Reason::kOk);
  EXPECT_EQ(second.over, Reason::kOk);
}

TEST(ClientLimits, NameTheLimitThatIsReached) {
  const ClientLimits limits({.connections = 1, .connections_per_address = 2, .requests_per_address = 3});
  EXPECT_EQ(limits.error(Reason::kTooManyConnections).detail, "limits.connections (1) is reached");
  EXPECT_EQ(limits.error(Reason::kTooManyConnectionsFromAddress).detail,
            "limits.connections_per_address (2) is reached");
  EXPECT_EQ(limits.error(Reason::kTooManyRequestsFromAddress).detail, "limits.requests_per_address (3) is reached");
}

TEST(ClientLimits, AreExactOverThreads) {
  ClientLimits limits({.connections_per_address = 50, .requests_per_address = 20});
  std::atomic<int> connections{0}, requests{0}, ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::vector<ClientLimits::Admission> inside;
      std::vector<ClientLimits::Request> begun;
      for (int n = 0; n < 100; ++n) {
        inside.push_back(enter(limits, "192.0.2.1"));
        connections += inside.back().over == Reason::kOk ? 1 : 0;
        ClientLimits::Request request;
        if (limits.begin(inside.back().place, request)) {
          ++requests;
          begun.push_back(std::move(request));
        }
      }
      ++ready;
      while (ready < 4) std::this_thread::yield();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(connections, 50);
  EXPECT_EQ(requests, 20);
  EXPECT_EQ(limits.addresses(), 0u);
}

}  // namespace
}  // namespace hybridge::test
