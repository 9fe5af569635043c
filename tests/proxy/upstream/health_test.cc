#include "proxy/upstream/health.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

const EndpointHealth::Rule kRule{.failures = 3, .retry_after = 1s, .retry_after_max = 10s};

TimePoint at(Duration since) {
  return TimePoint(std::chrono::hours(1)) + since;
}

EndpointHealth down_since(TimePoint time) {
  EndpointHealth health;
  for (int i = 0; i < 3; ++i) {
    health.begin_try();
    health.fail(time, kRule);
  }
  return health;
}

TEST(EndpointHealth, IsTriedUntilSoManyFailuresInARow) {
  EndpointHealth health;
  health.fail(at(0s), kRule);
  health.fail(at(0s), kRule);
  EXPECT_TRUE(health.is_up());
  EXPECT_TRUE(health.may_try(at(0s)));
  health.fail(at(0s), kRule);
  EXPECT_FALSE(health.is_up());
  EXPECT_FALSE(health.may_try(at(0s)));
}

TEST(EndpointHealth, ASuccessBetweenFailuresBeginsTheCountAgain) {
  EndpointHealth health;
  health.fail(at(0s), kRule);
  health.fail(at(0s), kRule);
  health.succeed();
  health.fail(at(0s), kRule);
  health.fail(at(0s), kRule);
  EXPECT_TRUE(health.is_up());
}

TEST(EndpointHealth, LetsOneProbeGoWhenItsTimeHasCome) {
  auto health = down_since(at(0s));
  EXPECT_FALSE(health.may_try(at(999ms)));
  ASSERT_TRUE(health.may_try(at(1s)));
  health.begin_try();
  EXPECT_FALSE(health.may_try(at(1s))) << "one probe, not two";
  EXPECT_FALSE(health.may_try(at(60s)));
  health.succeed();
  EXPECT_TRUE(health.is_up());
  EXPECT_TRUE(health.may_try(at(1s)));
}

TEST(EndpointHealth, EachFailedProbeDoublesThePauseUpToItsLimit) {
  auto health = down_since(at(0s));
  auto now = at(0s);
  for (const auto pause : {1s, 2s, 4s, 8s, 10s, 10s}) {
    EXPECT_FALSE(health.may_try(now + pause - 1ms));
    now += pause;
    ASSERT_TRUE(health.may_try(now)) << pause.count();
    health.begin_try();
    health.fail(now, kRule);
  }
}

TEST(EndpointHealth, AnAbandonedProbeLeavesTheNextOneToOthers) {
  auto health = down_since(at(0s));
  health.begin_try();
  health.abandon_try();
  EXPECT_TRUE(health.may_try(at(1s)));
  EXPECT_FALSE(health.is_up());
}

TEST(EndpointHealth, FailuresOfTriesBegunBeforeDoNotLengthenThePause) {
  auto health = down_since(at(0s));
  for (int i = 0; i < 100; ++i) health.fail(at(500ms), kRule);
  EXPECT_TRUE(health.may_try(at(1s)));
}

}  // namespace
}  // namespace hybridge
