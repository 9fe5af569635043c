#include "io/loop.h"

#include <algorithm>
#include <utility>

#include "base/contain.h"
#include "io/epoll_driver.h"
#include "io/ring_driver.h"
#include "io/transport.h"

namespace hybridge {

namespace {
thread_local const Loop* running_loop = nullptr;

std::int64_t nanoseconds(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
}  // namespace

Loop::Loop(DriverKind driver) {
  if (driver == DriverKind::kRing) {
    driver_ = std::make_unique<RingDriver>(*this);
  } else {
    driver_ = std::make_unique<EpollDriver>(*this);
  }
}

Loop::~Loop() {
  destroy_buried();
}

void Loop::destroy_buried() {
  // The buried may bury others while they go.
  while (!graveyard_.empty()) {
    auto dead = std::exchange(graveyard_, {});
    dead.clear();
  }
}

void Loop::run() {
  while (!turn(-1)) {
  }
  driver_->end_run();
  stopping_.store(false, std::memory_order_relaxed);
}

bool Loop::turn(int at_most) {
  running_loop = this;
  turn_began_.store(0, std::memory_order_relaxed);
  auto wait = wait_milliseconds();
  if (at_most >= 0 && (wait < 0 || wait > at_most)) wait = at_most;
  driver_->turn(wait);
  const bool is_last = stopping_.load(std::memory_order_acquire);
  run_handshakes();
  timers_.advance(now_);
  run_posted();
  flush_and_bury();
  turn_began_.store(0, std::memory_order_relaxed);
  running_loop = nullptr;
  return is_last;
}

void Loop::begin_turn() {
  now_ = Clock::now();
  turn_began_.store(nanoseconds(now_), std::memory_order_relaxed);
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  driver_->wake();
}

void Loop::post(std::function<void()> work) {
  bool was_empty = false;
  {
    const std::lock_guard lock(posted_mutex_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(work));
    has_posted_.store(true, std::memory_order_release);
  }
  if (was_empty && !is_in_loop_thread()) driver_->wake();
}

bool Loop::is_in_loop_thread() const {
  return running_loop == this;
}

void Loop::defer_flush(Transport& transport) {
  auto& hook = static_cast<FlushHook&>(transport);
  if (!hook.is_linked()) unflushed_.push_back(hook);
}

void Loop::defer_handshake(Transport& transport) {
  auto& hook = static_cast<HandshakeHook&>(transport);
  if (!hook.is_linked()) handshakes_.push_back(hook);
}

Duration Loop::stalled_for() const {
  const auto began = turn_began_.load(std::memory_order_relaxed);
  if (began == 0) return Duration::zero();
  return std::chrono::nanoseconds(nanoseconds(Clock::now()) - began);
}

void Loop::run_handshakes() {
  for (std::size_t count = 0; count < kHandshakesPerTurn && !handshakes_.empty(); ++count) {
    auto& transport = static_cast<Transport&>(handshakes_.front());
    handshakes_.pop_front();
    transport.loop_handshake();
  }
}

void Loop::run_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return;
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(posted_mutex_);
    work.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& item : work) contain("posted work", item);
}

void Loop::flush_and_bury() {
  while (!unflushed_.empty()) {
    auto& transport = static_cast<Transport&>(unflushed_.front());
    unflushed_.pop_front();
    transport.flush_from_loop();
  }
  destroy_buried();
}

int Loop::wait_milliseconds() const {
  if (!handshakes_.empty() || driver_->has_ready() || has_posted_.load(std::memory_order_acquire) ||
      stopping_.load(std::memory_order_acquire)) {
    return 0;
  }
  const auto next = timers_.next();
  if (next == kNever) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, wait.count()));
}

}  // namespace hybridge
