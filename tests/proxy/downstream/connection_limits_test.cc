#include "proxy/downstream/connection_limits.h"

#include <gtest/gtest.h>

namespace hybridge::test {
namespace {

Address address(std::string_view ip) {
  return *Address::parse(ip, 1234);
}

TEST(ConnectionLimits, SaysWhichLimitAConnectionIsOver) {
  ConnectionLimits limits(3, 2, {});
  EXPECT_EQ(limits.enter(address("192.0.2.1")).over, Reason::kOk);
  EXPECT_EQ(limits.enter(address("192.0.2.1")).over, Reason::kOk);
  EXPECT_EQ(limits.enter(address("192.0.2.1")).over, Reason::kTooManyConnectionsFromAddress);
  EXPECT_EQ(limits.enter(address("192.0.2.2")).over, Reason::kTooManyConnections);
  EXPECT_EQ(limits.current(), 4u);
}

TEST(ConnectionLimits, LetsInAgainWhenOneHasLeft) {
  ConnectionLimits limits(10, 1, {});
  limits.enter(address("192.0.2.1"));
  EXPECT_EQ(limits.enter(address("192.0.2.1")).over, Reason::kTooManyConnectionsFromAddress);
  limits.leave(address("192.0.2.1"));
  limits.leave(address("192.0.2.1"));
  EXPECT_EQ(limits.enter(address("192.0.2.1")).over, Reason::kOk);
  EXPECT_EQ(limits.current(), 1u);
}

TEST(ConnectionLimits, TellsAFewOfThoseThatAreOverAndCutsTheRest) {
  ConnectionLimits limits(100'000, 1, {});
  limits.enter(address("192.0.2.1"));
  EXPECT_TRUE(limits.enter(address("192.0.2.1")).is_told);
  for (int i = 0; i < 30; ++i) limits.enter(address("192.0.2.1"));
  EXPECT_FALSE(limits.enter(address("192.0.2.1")).is_told);
  EXPECT_TRUE(limits.enter(address("192.0.2.2")).is_told);

  ConnectionLimits small(1, 100'000, {});
  small.enter(address("192.0.2.1"));
  EXPECT_TRUE(small.enter(address("192.0.2.1")).is_told);
  for (int i = 0; i < 300; ++i) small.enter(address("192.0.2.1"));
  EXPECT_FALSE(small.enter(address("192.0.2.1")).is_told);
}

TEST(ConnectionLimits, TakesTheAddressesOfOneIpv6ClientTogether) {
  ConnectionLimits limits(10, 1, {});
  EXPECT_EQ(limits.enter(address("2001:db8:0:1::1")).over, Reason::kOk);
  EXPECT_EQ(limits.enter(address("2001:db8:0:1:ffff::9")).over, Reason::kTooManyConnectionsFromAddress);
  EXPECT_EQ(limits.enter(address("2001:db8:0:2::1")).over, Reason::kOk);
}

TEST(ConnectionLimits, CountsNeitherLoopbackNorTheExemptOneByOne) {
  ConnectionLimits limits(5, 1, [](const Address& peer) { return peer.ip() == "192.0.2.1"; });
  for (const auto* ip : {"192.0.2.1", "192.0.2.1", "127.0.0.1", "127.0.0.1", "::1"}) {
    EXPECT_EQ(limits.enter(address(ip)).over, Reason::kOk) << ip;
  }
  EXPECT_EQ(limits.enter(address("127.0.0.1")).over, Reason::kTooManyConnections);  // but all together
}

}  // namespace
}  // namespace hybridge::test
