#include "proxy/release_pace.h"

#include <gtest/gtest.h>

#include <chrono>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAnyNumber = 1'000'000;
const TimePoint kStart{1h};

ReleasePace begun(ReleasePace::Basis basis, ReleasePace::Guard guard = {}) {
  ReleasePace pace;
  pace.begin(basis, guard, kStart);
  return pace;
}

TEST(ReleasePace, BeginsWithWhatTheSiteDidBefore) {
  auto pace = begun({.per_second = 100, .at_once = 20});
  EXPECT_EQ(pace.allowance(kStart, 0, kAnyNumber), 20u);
  pace.spend(20);
  EXPECT_EQ(pace.allowance(kStart, 20, kAnyNumber), 0u);
}

TEST(ReleasePace, LetsMoreGoAsTimePasses) {
  auto pace = begun({.per_second = 100, .at_once = 20});
  pace.spend(pace.allowance(kStart, 0, kAnyNumber));
  const auto soon = pace.allowance(kStart + 100ms, 0, kAnyNumber);
  EXPECT_GE(soon, 20u);  // 200 a second: twice what it did
  EXPECT_LE(soon, 25u);
}

TEST(ReleasePace, DoublesEachSecond) {
  auto pace = begun({.per_second = 100, .at_once = 1000});
  pace.spend(pace.allowance(kStart, 0, kAnyNumber));
  std::size_t first = 0;
  std::size_t third = 0;
  for (auto at = kStart; at < kStart + 3s; at += 50ms) {
    const auto now = pace.allowance(at, 0, kAnyNumber);
    pace.spend(now);
    (at < kStart + 1s ? first : third) += at < kStart + 1s || at >= kStart + 2s ? now : 0;
  }
  EXPECT_GT(third, 3 * first);
}

TEST(ReleasePace, LetsNoMoreRunAtOnceThanDidBefore) {
  auto pace = begun({.per_second = 10'000, .at_once = 10});
  EXPECT_EQ(pace.allowance(kStart, 10, kAnyNumber), 0u);
  EXPECT_EQ(pace.allowance(kStart, 7, kAnyNumber), 3u);
}

TEST(ReleasePace, KeepsToTheCeilingOfItsServer) {
  auto pace = begun({.per_second = 10'000, .at_once = 100});
  EXPECT_EQ(pace.allowance(kStart, 0, 4), 4u);
}

TEST(ReleasePace, BeginsGentlyWhereNothingIsKnown) {
  auto pace = begun({});
  EXPECT_EQ(pace.allowance(kStart, 0, kAnyNumber), 8u);
}

TEST(ReleasePace, TrustsASiteWhoseRequestsGoWell) {
  auto pace = begun({});
  for (int i = 0; i < 100; ++i) pace.note(i % 3 != 0);  // a third fails
  EXPECT_FALSE(pace.has_failed());
}

TEST(ReleasePace, SeesThatTheSiteIsNotBack) {
  auto pace = begun({}, {.share = 50, .least = 5});
  for (int i = 0; i < 4; ++i) pace.note(false);
  EXPECT_FALSE(pace.has_failed());
  pace.note(false);
  EXPECT_TRUE(pace.has_failed());
}

TEST(ReleasePace, LooksAtTheLastOnesOnly) {
  auto pace = begun({}, {.share = 50, .least = 5});
  for (int i = 0; i < 1000; ++i) pace.note(true);
  for (int i = 0; i < 10; ++i) pace.note(false);
  EXPECT_TRUE(pace.has_failed());
}

}  // namespace
}  // namespace hybridge
