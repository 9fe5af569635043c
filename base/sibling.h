// A coroutine that runs beside its parent, which joins it before it goes on: the two directions of one exchange.
//
// One thread. The parent must join() before the Sibling is destroyed; to end it early, end what it waits for.
#pragma once

#include "base/task.h"

namespace hybridge {

class Sibling {
 public:
  Sibling() = default;
  Sibling(const Sibling&) = delete;

  void start(Task<void> task) {
    is_running_ = true;
    spawn(run(*this, std::move(task)));
  }
  bool is_running() const { return is_running_; }

  Task<void> join() {
    if (is_running_) co_await finished_.wait();
  }

 private:
  static Task<void> run(Sibling& self, Task<void> task) {
    co_await std::move(task);
    self.is_running_ = false;
    self.finished_.resume();
  }

  Waiter finished_;
  bool is_running_ = false;
};

}  // namespace hybridge
