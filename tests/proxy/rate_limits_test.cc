#include "proxy/rate_limits.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RateLimit : public testing::Test {
 protected:
  bool refused(std::string_view site, Duration at) {
    return limits_.refuse(rule_, limit_, site, start_ + at).has_value();
  }

  RateLimits limits_;
  Rule rule_{.id = "r", .order = 1, .conditions = {}, .action = RuleClass{}};
  RuleLimit limit_{.requests = 10, .seconds = 1, .burst = 2};
  const TimePoint start_ = TimePoint{} + std::chrono::hours(1);
};

TEST_F(RateLimit, LetsABurstThroughAndRefusesTheNext) {
  EXPECT_FALSE(refused("a", {}));
  EXPECT_FALSE(refused("a", {}));
  EXPECT_FALSE(refused("a", {}));
  EXPECT_TRUE(refused("a", {}));
}

TEST_F(RateLimit, SaysWhenTheNextMayCome) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(refused("a", {}));
  EXPECT_EQ(limits_.refuse(rule_, limit_, "a", start_), milliseconds(100));
  EXPECT_TRUE(refused("a", milliseconds(99)));
  EXPECT_FALSE(refused("a", milliseconds(100)));
}

TEST_F(RateLimit, LetsItsRateThroughOverTime) {
  int passed = 0;
  for (int ms = 0; ms < 10'000; ++ms) passed += refused("a", milliseconds(ms)) ? 0 : 1;
  EXPECT_EQ(passed, 102);
}

TEST_F(RateLimit, CountsEachSiteByItself) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(refused("a", {}));
  EXPECT_FALSE(refused("b", {}));
}

TEST_F(RateLimit, ForgetsWhatIsDue) {
  for (int i = 0; i < 100'000; ++i) EXPECT_FALSE(refused("site-" + std::to_string(i), milliseconds(i)));
  EXPECT_LT(limits_.size(), 40'000U);
}

}  // namespace
}  // namespace hybridge
