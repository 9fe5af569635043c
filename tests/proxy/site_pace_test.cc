#include "proxy/site_pace.h"

#include <gtest/gtest.h>

#include <chrono>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1h};

void count(WorkerCounters& counters, const std::string& site, int requests) {
  for (int i = 0; i < requests; ++i) {
    counters.request_began();
    ExchangeRecord record;
    record.site = site;
    record.status = 200;
    counters.request_ended(record);
  }
}

TEST(SitePace, KnowsHowManyRequestsASecondASiteHas) {
  WorkerCounters one;
  WorkerCounters two;
  SitePace pace;
  pace.look({&one, &two}, kStart);
  count(one, "a.test", 60);
  count(two, "a.test", 40);
  count(two, "b.test", 10);
  pace.look({&one, &two}, kStart + 10s);
  EXPECT_DOUBLE_EQ(pace.basis({"a.test"}).per_second, 10);
  EXPECT_EQ(pace.basis({"a.test"}).at_once, 5u);
  EXPECT_DOUBLE_EQ(pace.basis({"a.test", "b.test"}).per_second, 11);
}

TEST(SitePace, LooksNotMoreOftenThanItMust) {
  WorkerCounters counters;
  SitePace pace;
  pace.look({&counters}, kStart);
  count(counters, "a.test", 100);
  pace.look({&counters}, kStart + 1s);
  EXPECT_DOUBLE_EQ(pace.basis({"a.test"}).per_second, 0);
}

TEST(SitePace, ForgetsBusyTimesByAndBy) {
  WorkerCounters counters;
  SitePace pace;
  pace.look({&counters}, kStart);
  count(counters, "a.test", 1000);
  pace.look({&counters}, kStart + 10s);
  pace.look({&counters}, kStart + 70s);
  EXPECT_NEAR(pace.basis({"a.test"}).per_second, 50, 1);
}

TEST(SitePace, SaysNothingOfASiteThatItHasNotSeen) {
  EXPECT_EQ(SitePace().basis({"nobody.test"}), ReleasePace::Basis{});
}

}  // namespace
}  // namespace hybridge
