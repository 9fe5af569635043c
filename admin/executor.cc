#include "admin/executor.h"

#include <pthread.h>

#include <csignal>

#include "base/contain.h"

namespace hybridge {

Executor::Executor(const std::string& name, std::size_t threads) {
  // Signals are main's: these threads are born with all of them blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (std::size_t i = 0; i < threads; ++i) {
    auto& thread = threads_.emplace_back([this] { run(); });
    pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Executor::~Executor() {
  stop();
}

void Executor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  later_.clear();
}

void Executor::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    due_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void Executor::post_after(Duration delay, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    later_.emplace(Clock::now() + delay, std::move(work));
  }
  wake_.notify_one();
}

std::size_t Executor::queued() const {
  const std::lock_guard lock(mutex_);
  return due_.size();
}

void Executor::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!later_.empty() && later_.begin()->first <= Clock::now()) {
      due_.push_back(std::move(later_.begin()->second));
      later_.erase(later_.begin());
    }
    if (!due_.empty()) {
      auto work = std::move(due_.front());
      due_.pop_front();
      lock.unlock();
      contain("a task", work);
      work = nullptr;  // what it holds goes before the lock is taken
      lock.lock();
    } else if (stopping_) {
      return;
    } else if (later_.empty()) {
      wake_.wait(lock);
    } else {
      const auto until = later_.begin()->first;  // its own: while this one waits, another thread may take that work
      wake_.wait_until(lock, until);
    }
  }
}

}  // namespace hybridge
