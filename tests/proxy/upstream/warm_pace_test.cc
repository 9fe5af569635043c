#include "proxy/upstream/warm_pace.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

constexpr WarmPace::Rule kRule{.lately = 60s, .pause = 1s, .pause_most = 60s};

TimePoint at(Duration time) {
  return TimePoint{} + 1h + time;
}

TEST(WarmPace, IsDueForAMinuteAfterTheLastRequest) {
  WarmPace pace;
  EXPECT_FALSE(pace.is_due(at(0s), kRule)) << "nobody has asked for anything";
  pace.requested(at(0s));
  EXPECT_TRUE(pace.is_due(at(0s), kRule));
  EXPECT_TRUE(pace.is_due(at(59s), kRule));
  EXPECT_FALSE(pace.is_due(at(60s), kRule));
  pace.requested(at(70s));
  EXPECT_TRUE(pace.is_due(at(70s), kRule));
}

TEST(WarmPace, HasOneAttemptAtATime) {
  WarmPace pace;
  pace.requested(at(0s));
  pace.begin();
  EXPECT_FALSE(pace.is_due(at(5s), kRule));
  pace.end();
  EXPECT_TRUE(pace.is_due(at(5s), kRule));
}

TEST(WarmPace, WaitsTwiceAsLongAfterEachFailureUpToAMinute) {
  WarmPace pace;
  Duration now{};
  for (const Duration pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    pace.begin();
    pace.came_to_nothing(at(now), kRule);
    pace.end();
    pace.requested(at(now + pause));
    EXPECT_FALSE(pace.is_due(at(now + pause - 1ms), kRule)) << pause.count();
    EXPECT_TRUE(pace.is_due(at(now + pause), kRule)) << pause.count();
    now += pause;
  }
}

TEST(WarmPace, BeginsAnewOnceOneWasOfUse) {
  WarmPace pace;
  pace.requested(at(0s));
  pace.came_to_nothing(at(0s), kRule);
  pace.came_to_nothing(at(0s), kRule);
  EXPECT_FALSE(pace.is_due(at(1s), kRule));
  pace.was_of_use();
  EXPECT_TRUE(pace.is_due(at(1s), kRule));
  pace.came_to_nothing(at(1s), kRule);
  EXPECT_TRUE(pace.is_due(at(2s), kRule));
}

}  // namespace
}  // namespace hybridge
