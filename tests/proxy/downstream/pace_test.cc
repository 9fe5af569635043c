#include "proxy/downstream/pace.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};
const Pace::Demand kDemand(10s, 100);  // rests ten seconds in all; a byte earns 10 ms

// A peer that sends `bytes` at the end of each `every`; when patience with it ends, or kNever within an hour.
TimePoint patience(const Pace::Demand& demand, Duration every, std::uint64_t bytes) {
  Pace pace;
  pace.begin(demand);
  for (auto now = kStart; now < kStart + 1h; now += every) {
    const auto deadline = pace.wait(now);
    if (deadline < now + every) return deadline;
    pace.took(bytes, demand, now + every);
  }
  return kNever;
}

TEST(Pace, EndsWithAPeerThatDoesNothingForItsRest) {
  EXPECT_EQ(patience(kDemand, 1h, 0), kStart + 10s);
}

TEST(Pace, NeverEndsWithAPeerThatKeepsUpTheRate) {
  EXPECT_EQ(patience(kDemand, 1s, 100), kNever);
  EXPECT_EQ(patience(kDemand, 10s, 1000), kNever);
}

TEST(Pace, EndsWithAPeerThatGivesAByteNowAndThen) {
  EXPECT_EQ(patience(kDemand, 9s, 1), kStart + 10s + 10ms);
  EXPECT_EQ(patience(kDemand, 1s, 50), kStart + 19s + 500ms);  // half the rate: twice the rest, in steps
}

TEST(Pace, EarnsNothingWhereAllMustBeDoneInTime) {
  EXPECT_EQ(patience(Pace::Demand::once(10s), 9s, 1'000'000), kStart + 10s);
}

TEST(Pace, EarnsNoMoreThanTheWholeRestByAGreatDeal) {
  Pace pace;
  pace.begin(kDemand);
  pace.wait(kStart);
  pace.took(std::uint64_t{1} << 62, kDemand, kStart + 9s);
  EXPECT_EQ(pace.wait(kStart + 9s), kStart + 19s);
}

TEST(Pace, CountsOnlyTheTimeThatThePeerIsWaitedFor) {
  Pace pace;
  pace.begin(kDemand);
  pace.wait(kStart);
  pace.took(0, kDemand, kStart + 4s);
  EXPECT_FALSE(pace.is_waiting());
  EXPECT_EQ(pace.wait(kStart + 1h), kStart + 1h + 6s);
  EXPECT_EQ(pace.wait(kStart + 1h + 1s), kStart + 1h + 6s);  // still the same wait
}

TEST(Pace, TakesAnyProgressWithoutARate) {
  const Pace::Demand any(10s, 0);
  EXPECT_EQ(patience(any, 9s, 1), kNever);
  EXPECT_EQ(patience(any, 11s, 1), kStart + 10s);
}

}  // namespace
}  // namespace hybridge
