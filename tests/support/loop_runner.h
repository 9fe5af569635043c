// Runs a Loop in the test's own thread, turn by turn, until something has come true: no sleeps, no second thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "base/task.h"
#include "io/loop.h"

namespace hybridge::test {

// What loops are driven by in this run of the tests: HYBRIDGE_TEST_IO=ring asks for io_uring.
DriverKind driver_kind();

class LoopRunner {
 public:
  Loop& loop() { return loop_; }
  operator Loop&() { return loop_; }

  // False, and a failure of the test, when it has not come true in time.
  bool until(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(10));
  void turns(int count);                              // that many, none of which waits
  void for_at_least(std::chrono::milliseconds time);  // by the loop's own clock

 private:
  Loop loop_{driver_kind()};
};

// What a task gave, once it has ended.
template <class T>
class Outcome {
 public:
  explicit Outcome(Task<T> task) { spawn(run(std::move(task), *this)); }
  Outcome(const Outcome&) = delete;
  bool is_there() const { return value_.has_value(); }
  T& operator*() { return value_.value(); }  // throws, and so fails the test, when it is not there
  T* operator->() { return &value_.value(); }

 private:
  static Task<void> run(Task<T> task, Outcome& outcome) {
    auto value = co_await std::move(task);
    outcome.value_.emplace(std::move(value));
  }
  std::optional<T> value_;
};

}  // namespace hybridge::test
