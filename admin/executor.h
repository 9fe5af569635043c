// Background threads for what would hold up a worker: the store, PEM, large documents. Work runs in the order posted;
// with one thread, one after the other.
//
// Owned by main. Any thread may post. stop() runs what is due, drops what waits for its time, and joins; what is posted
// later is dropped. What the work refers to must live until then.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace hybridge {

class Executor {
 public:
  // `name` is what the threads are called in `top -H`; 15 bytes at most.
  explicit Executor(const std::string& name, std::size_t threads = 1);
  ~Executor();
  Executor(const Executor&) = delete;

  void stop();  // not from its own threads; the destructor does it too

  void post(std::function<void()> work);
  void post_after(Duration delay, std::function<void()> work);
  std::size_t queued() const;  // due, but not begun

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> due_;
  std::multimap<TimePoint, std::function<void()>> later_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace hybridge
