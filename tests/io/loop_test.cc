#include "io/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_runner.h"

namespace hybridge {
namespace {

using namespace std::chrono_literals;

TEST(Loop, RunsPostedWorkInItsOrderBeforeItStops) {
  Loop loop(test::driver_kind());
  std::string order;
  loop.post([&] { order += 'a'; });
  loop.post([&] { order += 'b'; });
  loop.stop();
  loop.run();
  EXPECT_EQ(order, "ab");
}

TEST(Loop, WorkPostedByWorkRunsInALaterTurn) {
  Loop loop(test::driver_kind());
  std::string order;
  loop.post([&] {
    loop.post([&] {
      order += 'c';
      loop.stop();
    });
    order += 'a';
  });
  loop.post([&] { order += 'b'; });
  loop.run();
  EXPECT_EQ(order, "abc");
}

TEST(Loop, PostWakesALoopThatWaits) {
  Loop loop(test::driver_kind());
  std::thread thread([&] { loop.run(); });
  std::atomic<int> count{0};
  for (int i = 0; i < 1000; ++i) {
    loop.post([&] { ++count; });
    if (i % 100 == 0) {
      while (count.load() <= i) std::this_thread::yield();
    }
  }
  loop.stop();
  thread.join();
  EXPECT_EQ(count.load(), 1000);
}

TEST(Loop, ManyThreadsPostAndEachKeepsItsOrder) {
  Loop loop(test::driver_kind());
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  std::atomic<int> left{kThreads * kEach};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        loop.post([&, t, i] {
          seen[static_cast<std::size_t>(t)].push_back(i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  for (const auto& numbers : seen) {
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(kEach));
    for (int i = 0; i < kEach; ++i) EXPECT_EQ(numbers[static_cast<std::size_t>(i)], i);
  }
}

TEST(Loop, WorkThatThrowsKeepsNobodyElseFromHis) {
  Loop loop(test::driver_kind());
  std::vector<int> ran;
  loop.post([&] { ran.push_back(1); });
  loop.post([] { throw std::bad_alloc(); });
  loop.post([&] { ran.push_back(2); });
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST(Loop, ATimerThatThrowsKeepsNoOtherFromFiring) {
  struct Owner final : Timer::Owner {
    explicit Owner(Loop& loop, bool is_bad) : timer(loop.timers(), *this), throws(is_bad) {}
    void on_timer() override {
      ++fired;
      if (throws) throw std::bad_alloc();
    }
    Timer timer;
    bool throws;
    int fired = 0;
  };
  Loop loop(test::driver_kind());
  Owner bad(loop, true);
  Owner good(loop, false);
  const auto due = loop.now() + std::chrono::milliseconds(1);
  bad.timer.arm(due);
  good.timer.arm(due);
  while (good.fired == 0) loop.turn(10);
  EXPECT_EQ(bad.fired, 1);
  EXPECT_EQ(good.fired, 1);
}

TEST(Loop, KnowsItsThread) {
  Loop loop(test::driver_kind());
  EXPECT_FALSE(loop.is_in_loop_thread());
  bool inside = false;
  loop.post([&] { inside = loop.is_in_loop_thread(); });
  loop.stop();
  loop.run();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(loop.is_in_loop_thread());
}

TEST(Loop, FiresTimersWhileItWaits) {
  struct Alarm final : Timer::Owner {
    explicit Alarm(Loop& l) : loop(l), timer(l.timers(), *this) {}
    void on_timer() override {
      fired_at = Clock::now();
      loop.stop();
    }
    Loop& loop;
    Timer timer;
    TimePoint fired_at{};
  };
  Loop loop(test::driver_kind());
  Alarm alarm(loop);
  const auto began = Clock::now();
  alarm.timer.arm(began + 150ms);
  loop.run();
  EXPECT_GE(alarm.fired_at - began, 150ms);
}

TEST(Loop, DestroysTheBuriedAtTheEndOfTheTurn) {
  struct Body final : Buried {
    explicit Body(bool& g) : gone(g) {}
    ~Body() override { gone = true; }
    bool& gone;
  };
  Loop loop(test::driver_kind());
  bool gone = false;
  bool was_there = false;
  loop.post([&] {
    loop.bury(std::make_unique<Body>(gone));
    was_there = !gone;
  });
  loop.stop();
  loop.run();
  EXPECT_TRUE(was_there);
  EXPECT_TRUE(gone);
}

TEST(Loop, TheBuriedMayBuryOthers) {
  struct Body final : Buried {
    Body(Loop& l, int n, int& g) : loop(l), left(n), gone(g) {}
    ~Body() override {
      ++gone;
      if (left > 0) loop.bury(std::make_unique<Body>(loop, left - 1, gone));
    }
    Loop& loop;
    int left;
    int& gone;
  };
  int gone = 0;
  {
    Loop loop(test::driver_kind());
    loop.bury(std::make_unique<Body>(loop, 3, gone));
    loop.turn(0);
    EXPECT_EQ(gone, 4);
    loop.bury(std::make_unique<Body>(loop, 3, gone));
  }
  EXPECT_EQ(gone, 8) << "a loop's end is theirs too";
}

TEST(Loop, SaysForHowLongATurnHasBeenRunning) {
  Loop loop(test::driver_kind());
  EXPECT_EQ(loop.stalled_for(), Duration::zero());
  Duration during{};
  loop.post([&] {
    const auto began = Clock::now();
    while (Clock::now() - began < 2ms) {
    }
    during = loop.stalled_for();
  });
  loop.stop();
  loop.run();
  EXPECT_GE(during, 2ms);
  EXPECT_EQ(loop.stalled_for(), Duration::zero());
}

TEST(Loop, CanRunAgainAfterAStop) {
  Loop loop(test::driver_kind());
  loop.stop();
  loop.run();
  int count = 0;
  loop.post([&] {
    ++count;
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace hybridge
