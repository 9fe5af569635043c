#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{std::chrono::hours(1)};

struct Alarm final : Timer::Owner {
  explicit Alarm(TimerWheel& wheel) : timer(wheel, *this) {}
  void on_timer() override { ++fired; }
  Timer timer;
  int fired = 0;
};

TEST(TimerWheel, FiresWhatIsDueAndNothingEarlier) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + 250ms);
  wheel.advance(kStart + 249ms);
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(kStart + 300ms);
  EXPECT_EQ(alarm.fired, 1);
  wheel.advance(kStart + 10min);
  EXPECT_EQ(alarm.fired, 1) << "once";
}

TEST(TimerWheel, IsLateByOneTickAtMost) {
  for (const auto deadline : {0ms, 1ms, 99ms, 100ms, 101ms, 5'000ms, 51'199ms, 51'200ms, 51'300ms, 600'000ms}) {
    TimerWheel wheel(kStart);
    Alarm alarm(wheel);
    alarm.timer.arm(kStart + deadline);
    for (auto time = 0ms; alarm.fired == 0 && time < deadline + 1s; time += 10ms) {
      wheel.advance(kStart + time);
      if (alarm.fired == 0) continue;
      EXPECT_GE(time, deadline);
      // A deadline of this very moment is looked at when the next tick comes.
      EXPECT_LE(time, std::max(deadline, 1ms) + TimerWheel::kTick) << deadline.count();
    }
    EXPECT_EQ(alarm.fired, 1) << deadline.count();
  }
}

TEST(TimerWheel, ADisarmedTimerDoesNotFire) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + 100ms);
  alarm.timer.disarm();
  wheel.advance(kStart + 1s);
  EXPECT_EQ(alarm.fired, 0);
  alarm.timer.arm(kStart + 2s);
  wheel.advance(kStart + 3s);
  EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, ALaterDeadlineReplacesTheEarlierOne) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + 100ms);
  alarm.timer.arm(kStart + 500ms);
  wheel.advance(kStart + 400ms);
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(kStart + 500ms);
  EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, AnEarlierDeadlineReplacesTheLaterOne) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + 10min);
  alarm.timer.arm(kStart + 200ms);
  wheel.advance(kStart + 200ms);
  EXPECT_EQ(alarm.fired, 1);
  wheel.advance(kStart + 11min);
  EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, DeadlinesBeyondItsHorizonAreKept) {
  TimerWheel wheel(kStart);
  Alarm alarm(wheel);
  alarm.timer.arm(kStart + 10min);
  for (auto time = 0s; time < 600s; time += 1s) wheel.advance(kStart + time);
  EXPECT_EQ(alarm.fired, 0);
  wheel.advance(kStart + 600s);
  EXPECT_EQ(alarm.fired, 1);
}

TEST(TimerWheel, AfterALongStopEverythingDueFiresOnce) {
  TimerWheel wheel(kStart);
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 1000; ++i) {
    alarms.push_back(std::make_unique<Alarm>(wheel));
    alarms.back()->timer.arm(kStart + i * 70ms);
  }
  wheel.advance(kStart + 24h);
  for (const auto& alarm : alarms) EXPECT_EQ(alarm->fired, 1);
}

TEST(TimerWheel, SaysWhenItMustBeLookedAtNext) {
  TimerWheel wheel(kStart);
  EXPECT_EQ(wheel.next(), kNever);
  Alarm late(wheel);
  late.timer.arm(kStart + 3s);
  EXPECT_EQ(wheel.next(), kStart + 3s);
  Alarm early(wheel);
  early.timer.arm(kStart + 250ms);
  EXPECT_EQ(wheel.next(), kStart + 300ms);
  wheel.advance(kStart + 300ms);
  EXPECT_EQ(early.fired, 1);
  EXPECT_EQ(wheel.next(), kStart + 3s);
  wheel.advance(kStart + 3s);
  EXPECT_EQ(wheel.next(), kNever);
}

TEST(TimerWheel, NextIsNeverLaterThanADeadline) {
  TimerWheel wheel(kStart);
  auto now = kStart;
  for (int round = 0; round < 700; ++round) {
    Alarm alarm(wheel);
    const auto deadline = now + (round * 37 % 2000) * 1ms;
    alarm.timer.arm(deadline);
    int looks = 0;
    while (alarm.fired == 0) {
      ASSERT_LE(wheel.next(), std::max(deadline, now) + 2 * TimerWheel::kTick);
      ASSERT_NE(wheel.next(), kNever);
      now = std::max(now, wheel.next());
      wheel.advance(now);
      ASSERT_LT(++looks, 3) << "a wake-up that finds nothing, again and again";
    }
  }
}

TEST(TimerWheel, ATimerMayArmItselfAgainWhenItFires) {
  struct Ticker final : Timer::Owner {
    explicit Ticker(TimerWheel& wheel) : timer(wheel, *this) {}
    void on_timer() override {
      ++fired;
      timer.arm(next += 200ms);
    }
    Timer timer;
    TimePoint next = kStart + 200ms;
    int fired = 0;
  };
  TimerWheel wheel(kStart);
  Ticker ticker(wheel);
  ticker.timer.arm(ticker.next);
  for (auto time = 0ms; time <= 2'000ms; time += 100ms) wheel.advance(kStart + time);
  EXPECT_EQ(ticker.fired, 10);
}

TEST(TimerWheel, ATimerMayDestroyOthersOfItsSlot) {
  struct Killer final : Timer::Owner {
    explicit Killer(TimerWheel& wheel) : timer(wheel, *this) {}
    void on_timer() override { victim.reset(); }
    Timer timer;
    std::unique_ptr<Alarm> victim;
  };
  TimerWheel wheel(kStart);
  Killer killer(wheel);
  killer.victim = std::make_unique<Alarm>(wheel);
  killer.timer.arm(kStart + 100ms);
  killer.victim->timer.arm(kStart + 100ms);
  wheel.advance(kStart + 1s);
  EXPECT_EQ(killer.victim, nullptr);
}

}  // namespace
}  // namespace hybridge
