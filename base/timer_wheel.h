// Coarse deadlines for many connections: a wheel of 512 slots of 100 ms, so that setting a later deadline is one
// store and an expired one is found without sorting. Deadlines fire up to one slot late, never early.
//
// One thread. Timers unlink themselves when destroyed; a timer may arm, disarm or destroy any timer when it fires.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "base/clock.h"

namespace hybridge {

class TimerWheel;

class Timer : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  struct Owner {
    virtual void on_timer() = 0;

   protected:
    ~Owner() = default;
  };

  Timer(TimerWheel& wheel, Owner& owner) : wheel_(wheel), owner_(owner) {}
  Timer(const Timer&) = delete;

  // Replaces the deadline. Moving it to a later time only notes it: the wheel looks again when the earlier slot comes
  // round, so a keep-alive connection re-arms nothing.
  void arm(TimePoint deadline);
  void disarm() { deadline_ = kNever; }
  TimePoint deadline() const { return deadline_; }

 private:
  friend class TimerWheel;
  TimerWheel& wheel_;
  Owner& owner_;
  TimePoint deadline_ = kNever;
  std::int64_t tick_ = 0;  // the slot it is linked in
};

class TimerWheel {
 public:
  static constexpr auto kTick = std::chrono::milliseconds(100);

  explicit TimerWheel(TimePoint now) : origin_(now) {}

  // Fires what is due.
  void advance(TimePoint now);
  // When advance() should be called next; kNever: no timer is linked.
  TimePoint next() const;

 private:
  friend class Timer;
  using Slot = boost::intrusive::list<Timer, boost::intrusive::constant_time_size<false>>;
  static constexpr std::int64_t kSlots = 512;

  void link(Timer& timer);
  std::int64_t tick_of(TimePoint time) const;  // the first tick that is not before `time`

  TimePoint origin_;
  std::int64_t current_ = 0;  // ticks up to and including this one have been handled
  std::array<Slot, kSlots> slots_;
  // A bit a slot: timers are (or were, until its turn comes) linked in it. A stale bit costs one idle wake-up.
  std::array<std::uint64_t, kSlots / 64> occupied_{};
};

}  // namespace hybridge
