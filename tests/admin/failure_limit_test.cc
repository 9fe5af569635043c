#include "admin/failure_limit.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

const TimePoint kNow = TimePoint{} + std::chrono::hours(1);

Address at(const char* address) {
  return Address::parse(address, 1).value();
}

TEST(FailureLimit, LetsAnAddressBeWrongTenTimes) {
  FailureLimit limit;
  for (std::uint32_t i = 0; i < FailureLimit::kFailures; ++i) {
    EXPECT_FALSE(limit.seconds_to_wait(at("192.0.2.1"), kNow)) << i;
    limit.note(at("192.0.2.1"), kNow);
  }
  EXPECT_EQ(limit.seconds_to_wait(at("192.0.2.1"), kNow), 6);
  EXPECT_FALSE(limit.seconds_to_wait(at("192.0.2.2"), kNow));
}

TEST(FailureLimit, ForgivesOneAtATime) {
  FailureLimit limit;
  for (std::uint32_t i = 0; i < FailureLimit::kFailures; ++i) limit.note(at("192.0.2.1"), kNow);
  const auto later = kNow + FailureLimit::kForgiveness;
  EXPECT_FALSE(limit.seconds_to_wait(at("192.0.2.1"), later));
  limit.note(at("192.0.2.1"), later);
  EXPECT_TRUE(limit.seconds_to_wait(at("192.0.2.1"), later));
}

TEST(FailureLimit, CountsANetworkOfIpv6AsOne) {
  FailureLimit limit;
  for (std::uint32_t i = 0; i < FailureLimit::kFailures; ++i) {
    limit.note(at(("2001:db8::" + std::to_string(i + 1)).c_str()), kNow);
  }
  EXPECT_TRUE(limit.seconds_to_wait(at("2001:db8::ffff"), kNow));
  EXPECT_FALSE(limit.seconds_to_wait(at("2001:db8:0:1::1"), kNow));
}

TEST(FailureLimit, RemembersABoundedNumberOfAddresses) {
  FailureLimit limit;
  for (std::uint32_t i = 0; i < FailureLimit::kFailures; ++i) limit.note(at("192.0.2.1"), kNow);
  const auto later = kNow + std::chrono::seconds(120);
  for (std::size_t i = 0; i < FailureLimit::kAddresses; ++i) {
    limit.note(at(("10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256)).c_str()), later);
  }
  EXPECT_FALSE(limit.seconds_to_wait(at("192.0.2.1"), kNow));
}

}  // namespace
}  // namespace hybridge
