#include "base/rate_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};
constexpr RateTable::Rate kTenASecond{.interval = 100ms, .tolerance = 200ms};  // three at once

std::uint64_t key(std::uint64_t n) {
  return (n + 1) * 0x9e3779b97f4a7c15;
}

TEST(RateTable, LetsAsManyComeAtOnceAsTheToleranceHolds) {
  RateTable table(4096);
  for (const auto left : {2u, 1u, 0u}) {
    const auto verdict = table.take(key(1), kTenASecond, kStart);
    EXPECT_FALSE(verdict.is_over);
    EXPECT_EQ(verdict.left, left);
  }
  const auto verdict = table.take(key(1), kTenASecond, kStart);
  EXPECT_TRUE(verdict.is_over);
  EXPECT_EQ(verdict.left, 0u);
  EXPECT_EQ(verdict.wait, 100ms);
  EXPECT_EQ(verdict.until_full, 300ms);
}

TEST(RateTable, LetsTheRateThroughOverTimeAndCountsNothingThatWasOver) {
  RateTable table(4096);
  int passed = 0;
  for (auto at = 0ms; at < 10s; at += 1ms) passed += table.take(key(1), kTenASecond, kStart + at).is_over ? 0 : 1;
  EXPECT_EQ(passed, 102);
}

TEST(RateTable, CountsEachKeyByItself) {
  RateTable table(4096);
  for (int i = 0; i < 4; ++i) table.take(key(1), kTenASecond, kStart);
  EXPECT_FALSE(table.take(key(2), kTenASecond, kStart).is_over);
}

TEST(RateTable, KeepsTheKeyThatIsHeldBackThroughAFloodOfOthers) {
  RateTable table(64 * 1024);
  const RateTable::Rate slow{.interval = 6s, .tolerance = 24s};
  for (int i = 0; i < 6; ++i) table.take(key(0), slow, kStart);
  for (std::uint64_t n = 1; n < 1'000'000; ++n) table.take(key(n), slow, kStart);
  EXPECT_TRUE(table.take(key(0), slow, kStart).is_over);
  EXPECT_GT(table.forgotten(), 900'000u);
}

TEST(RateTable, GivesThePlaceOfWhatIsDueToOthersFirst) {
  RateTable table(1);  // one bucket
  for (std::uint64_t n = 0; n < table.capacity(); ++n) table.take(key(n), kTenASecond, kStart);
  for (std::uint64_t n = 100; n < 100 + table.capacity(); ++n) table.take(key(n), kTenASecond, kStart + 1s);
  EXPECT_EQ(table.forgotten(), 0u);
}

TEST(RateTable, DoesNotForgetSlowRatesForTheirFloodOfQuickOnes) {
  RateTable table(1);
  const RateTable::Rate hourly{.interval = 6min, .tolerance = 30min};
  const RateTable::Rate quick{.interval = 1ms, .tolerance = 100ms};
  for (int i = 0; i < 3; ++i) table.take(key(0), hourly, kStart);
  for (int i = 0; i < 50; ++i) table.take(key(1), quick, kStart);
  // Newcomers of the slow rate have the later due time, but the least debt.
  for (std::uint64_t n = 2; n < 100; ++n) table.take(key(n), hourly, kStart);
  EXPECT_EQ(table.take(key(0), hourly, kStart).left, 2u);
  EXPECT_EQ(table.take(key(1), quick, kStart).left, 50u);
}

TEST(RateTable, IsExactOverThreads) {
  RateTable table(4096);
  const RateTable::Rate rate{.interval = 1s, .tolerance = 99s};
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) passed += table.take(key(1), rate, kStart).is_over ? 0 : 1;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(passed, 100);
}

}  // namespace
}  // namespace hybridge
