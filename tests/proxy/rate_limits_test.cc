#include "proxy/rate_limits.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using By = RuleLimit::By;

class RateLimit : public testing::Test {
 protected:
  bool passes(std::string_view name, By by, std::string_view site, std::string_view ip) {
    const RuleLimit limit{.requests = 1, .seconds = 3600, .burst = 0, .by = by};
    return !limits_.take(name, limit, site, *Address::parse(ip, 1), start_, scratch_).is_over;
  }

  RateLimits limits_{64 * 1024};
  std::string scratch_;
  const TimePoint start_{std::chrono::hours(1)};
};

TEST_F(RateLimit, CountsASitesRequestsWhoeverSendsThem) {
  EXPECT_TRUE(passes("r", By::kSite, "a.test", "192.0.2.1"));
  EXPECT_FALSE(passes("r", By::kSite, "a.test", "192.0.2.2"));
  EXPECT_TRUE(passes("r", By::kSite, "b.test", "192.0.2.1"));
}

TEST_F(RateLimit, CountsAnAddresssRequestsWhereverTheyGo) {
  EXPECT_TRUE(passes("r", By::kAddress, "a.test", "192.0.2.1"));
  EXPECT_FALSE(passes("r", By::kAddress, "b.test", "192.0.2.1"));
  EXPECT_TRUE(passes("r", By::kAddress, "a.test", "192.0.2.2"));
}

TEST_F(RateLimit, CountsPairsOfBoth) {
  EXPECT_TRUE(passes("r", By::kBoth, "a.test", "192.0.2.1"));
  EXPECT_FALSE(passes("r", By::kBoth, "a.test", "192.0.2.1"));
  EXPECT_TRUE(passes("r", By::kBoth, "b.test", "192.0.2.1"));
  EXPECT_TRUE(passes("r", By::kBoth, "a.test", "192.0.2.2"));
}

TEST_F(RateLimit, TakesAnIpv6NetworkForOneClient) {
  EXPECT_TRUE(passes("r", By::kAddress, "", "2001:db8:0:1::1"));
  EXPECT_FALSE(passes("r", By::kAddress, "", "2001:db8:0:1:ffff::2"));
  EXPECT_TRUE(passes("r", By::kAddress, "", "2001:db8:0:2::1"));
}

TEST_F(RateLimit, CountsEachLimitByItself) {
  EXPECT_TRUE(passes("r", By::kSite, "a.test", "192.0.2.1"));
  EXPECT_TRUE(passes("s", By::kSite, "a.test", "192.0.2.1"));
}

}  // namespace
}  // namespace hybridge
