#include "base/task.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace hybridge {
namespace {

Task<int> give(int value) {
  co_return value;
}

Task<int> add(int a, int b) {
  const int first = co_await give(a);
  const int second = co_await give(b);
  co_return first + second;
}

TEST(Task, GivesWhatItsCoroutineReturns) {
  int result = 0;
  struct Story {
    static Task<void> run(int& result) { result = co_await add(20, 22); }
  };
  spawn(Story::run(result));
  EXPECT_EQ(result, 42);
}

TEST(Task, IsLazy) {
  bool began = false;
  struct Story {
    static Task<void> run(bool& began) {
      began = true;
      co_return;
    }
  };
  {
    auto task = Story::run(began);
    EXPECT_FALSE(began);
  }
  EXPECT_FALSE(began) << "a task that nobody awaits never ran";
  spawn(Story::run(began));
  EXPECT_TRUE(began);
}

TEST(Task, ALongChainDoesNotGrowTheStack) {
  struct Story {
    static Task<long> sum(int count) {
      long total = 0;
      for (int i = 0; i < count; ++i) total += co_await give(1);
      co_return total;
    }
    static Task<void> run(long& result) { result = co_await sum(1'000'000); }
  };
  long result = 0;
  spawn(Story::run(result));
  EXPECT_EQ(result, 1'000'000);
}

TEST(Task, CarriesAnExceptionToWhoeverAwaitsIt) {
  struct Story {
    static Task<int> fail() {
      throw std::runtime_error("as it should");
      co_return 0;
    }
    static Task<void> run(std::string& told) {
      try {
        const int value = co_await fail();
        told = std::to_string(value);
      } catch (const std::runtime_error& error) {
        told = error.what();
      }
    }
  };
  std::string told;
  spawn(Story::run(told));
  EXPECT_EQ(told, "as it should");
}

TEST(Task, DestroysWhatItsFrameHoldsAtItsEnd) {
  struct Count {
    explicit Count(int& number) : n(number) { ++n; }
    ~Count() { --n; }
    Count(const Count&) = delete;
    int& n;
  };
  struct Story {
    static Task<void> run(Waiter& waiter, int& alive) {
      const Count count(alive);
      co_await waiter.wait();
    }
  };
  Waiter waiter;
  int alive = 0;
  spawn(Story::run(waiter, alive));
  EXPECT_EQ(alive, 1);
  waiter.resume();
  EXPECT_EQ(alive, 0);
}

TEST(Task, MayHaveItsResultAlready) {
  std::string result;
  struct Story {
    static Task<void> run(std::string& result) { result = co_await ended(std::string("here at once")); }
  };
  spawn(Story::run(result));
  EXPECT_EQ(result, "here at once");
}

TEST(Waiter, ResumesWhoWaits) {
  struct Story {
    static Task<void> run(Waiter& waiter, int& passed) {
      co_await waiter.wait();
      ++passed;
      co_await waiter.wait();
      ++passed;
    }
  };
  Waiter waiter;
  int passed = 0;
  waiter.resume();  // nobody waits: nothing happens
  spawn(Story::run(waiter, passed));
  EXPECT_TRUE(waiter.is_waiting());
  EXPECT_EQ(passed, 0);
  waiter.resume();
  EXPECT_EQ(passed, 1);
  EXPECT_TRUE(waiter.is_waiting()) << "it may wait again at once";
  waiter.resume();
  EXPECT_EQ(passed, 2);
  EXPECT_FALSE(waiter.is_waiting());
}

}  // namespace
}  // namespace hybridge
