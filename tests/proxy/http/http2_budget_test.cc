#include "proxy/http/http2_budget.h"

#include <gtest/gtest.h>

namespace hybridge::http {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kNow{1h};

int spend_all(Http2Budget& budget, std::int32_t points, TimePoint now) {
  int times = 0;
  while (budget.spend(points, now) && times < 1'000'000) ++times;
  return times;
}

TEST(Http2Budget, EndsAFloodSoon) {
  Http2Budget budget(kNow);
  EXPECT_EQ(spend_all(budget, Http2Budget::kAbortedRequest, kNow), 50);
}

TEST(Http2Budget, BearsMoreOfWhoDidUsefulThingsBefore) {
  Http2Budget budget(kNow);
  for (int i = 0; i < 200; ++i) budget.earn(Http2Budget::kAnswered);
  EXPECT_EQ(spend_all(budget, Http2Budget::kAbortedRequest, kNow), 200);
}

TEST(Http2Budget, LastsForEverWhenHalfOfAllIsUseful) {
  Http2Budget budget(kNow);
  for (int i = 0; i < 100'000; ++i) {
    budget.earn(Http2Budget::kAnswered);
    ASSERT_TRUE(budget.spend(Http2Budget::kAbortedRequest, kNow));
  }
}

TEST(Http2Budget, ForgivesWithTimeButNotWithoutBounds) {
  Http2Budget budget(kNow);
  spend_all(budget, 1, kNow);
  EXPECT_EQ(spend_all(budget, 1, kNow + 2s), 2 * Http2Budget::kPerSecond - 1);
  EXPECT_EQ(spend_all(budget, 1, kNow + 1000h), Http2Budget::kMost - 1);
}

TEST(Http2Budget, BearsAPingASecondForEver) {
  Http2Budget budget(kNow);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(budget.spend(Http2Budget::kPing, kNow + i * 1s));
}

}  // namespace
}  // namespace hybridge::http
