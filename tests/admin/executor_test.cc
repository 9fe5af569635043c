#include "admin/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <new>
#include <stdexcept>

namespace hybridge {
namespace {

TEST(Executor, RunsWorkInTheOrderPosted) {
  std::vector<int> order;
  {
    Executor executor("test");
    for (int i = 0; i < 100; ++i) executor.post([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Executor, RunsLaterWorkWhenItsTimeHasCome) {
  Executor executor("test");
  std::promise<int> first;
  std::atomic<bool> never{false};
  executor.post_after(std::chrono::hours(1), [&] { never = true; });
  executor.post_after(std::chrono::milliseconds(20), [&] { first.set_value(2); });
  executor.post_after(std::chrono::milliseconds(1), [&] { executor.post([] {}); });
  EXPECT_EQ(first.get_future().get(), 2);
  executor.stop();
  EXPECT_FALSE(never);
}

TEST(Executor, GoesOnAfterWorkThatThrows) {
  Executor executor("test");
  std::promise<void> ran;
  executor.post([] { throw std::runtime_error("a mistake"); });
  executor.post_after(Duration::zero(), [] { throw std::bad_alloc(); });
  executor.post([&] { ran.set_value(); });
  EXPECT_EQ(ran.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(Executor, RunsOnAsManyThreadsAsAsked) {
  std::latch all(3);
  Executor executor("test", 3);
  for (int i = 0; i < 3; ++i) executor.post([&all] { all.arrive_and_wait(); });
  all.wait();
}

TEST(Executor, FinishesWhatIsDueAndTakesNothingMoreWhenStopped) {
  std::atomic<int> ran{0};
  Executor executor("test");
  for (int i = 0; i < 10; ++i) executor.post([&ran] { ++ran; });
  executor.stop();
  executor.post([&ran] { ++ran; });
  executor.post_after(Duration::zero(), [&ran] { ++ran; });
  executor.stop();
  EXPECT_EQ(ran, 10);
  EXPECT_EQ(executor.queued(), 0U);
}

}  // namespace
}  // namespace hybridge
