#include "base/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/contain.h"

namespace hybridge {

void Timer::arm(TimePoint deadline) {
  deadline_ = deadline;
  if (deadline == kNever) return;
  if (is_linked() && tick_ <= wheel_.tick_of(deadline)) return;
  if (is_linked()) unlink();
  wheel_.link(*this);
}

std::int64_t TimerWheel::tick_of(TimePoint time) const {
  const auto since = time - origin_;
  return since / kTick + (since % kTick > Duration::zero() ? 1 : 0);
}

void TimerWheel::link(Timer& timer) {
  // Beyond the horizon it is looked at again when its slot comes round.
  timer.tick_ = std::clamp(tick_of(timer.deadline_), current_ + 1, current_ + kSlots - 1);
  const auto slot = static_cast<std::size_t>(timer.tick_ % kSlots);
  slots_[slot].push_back(timer);
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::advance(TimePoint now) {
  const auto last = (now - origin_) / kTick;
  // After a long stop every slot is visited once, not once a missed tick.
  current_ = std::max(current_, last - kSlots);
  while (current_ < last) {
    ++current_;
    const auto slot = static_cast<std::size_t>(current_ % kSlots);
    Slot due;
    due.swap(slots_[slot]);
    occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    while (!due.empty()) {
      Timer& timer = due.front();
      due.pop_front();
      if (timer.deadline_ == kNever) continue;
      if (timer.deadline_ > now) {
        link(timer);
        continue;
      }
      timer.deadline_ = kNever;
      contain("a timer", [&timer] { timer.owner_.on_timer(); });
    }
  }
}

TimePoint TimerWheel::next() const {
  // Word by word from the slot after the current one, round once.
  for (std::int64_t ahead = 1; ahead <= kSlots;) {
    const auto slot = static_cast<std::size_t>((current_ + ahead) % kSlots);
    const auto rest = occupied_[slot / 64] >> (slot % 64);
    if (rest != 0) return origin_ + (current_ + ahead + std::countr_zero(rest)) * kTick;
    ahead += static_cast<std::int64_t>(64 - slot % 64);
  }
  return kNever;
}

}  // namespace hybridge
