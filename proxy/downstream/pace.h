// Whether a peer that is waited for makes progress enough: it may rest for so long in all, and what it sends (or takes)
// earns rest back. Minimum progress, not total time: a large upload over a slow line goes on for ever, a byte a minute
// does not, and a short break is forgiven to everybody.
//
// A value of its connection or stream; only while the peer is waited for does time count.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/clock.h"

namespace hybridge {

class Pace {
 public:
  struct Demand {
    // `rest`: how long the peer may rest. `bytes_per_second` is what it must keep up in the long run; 0: any progress
    // earns the whole rest again.
    Demand(Duration its_rest, std::uint32_t bytes_per_second)
        : rest(its_rest),
          per_byte(bytes_per_second == 0 ? its_rest
                                         : Duration(std::chrono::seconds(1)) / std::int64_t{bytes_per_second}),
          enough(static_cast<std::uint64_t>(its_rest / std::max(per_byte, Duration(1))) + 1) {}

    // Nothing earns rest back: all must be done in that time.
    static Demand once(Duration rest) {
      Demand demand(rest, 1);
      demand.per_byte = Duration::zero();
      demand.enough = std::numeric_limits<std::uint64_t>::max();
      return demand;
    }

    Duration earned(std::uint64_t bytes) const {
      return bytes >= enough ? rest : per_byte * static_cast<Duration::rep>(bytes);
    }

    Duration rest;
    Duration per_byte;     // what a byte earns
    std::uint64_t enough;  // so many bytes earn all of it
  };

  void begin(const Demand& demand) {
    left_ = demand.rest;
    since_ = kNever;
  }

  // The peer is waited for, from now on if it was not before. Returns when the patience with it ends.
  TimePoint wait(TimePoint now) {
    if (since_ == kNever) since_ = now;
    return since_ + left_;
  }
  // How long it has rested in all, but for what it has earned back.
  Duration rested(const Demand& demand, TimePoint now) const {
    return demand.rest - left_ + (since_ == kNever ? Duration{} : now - since_);
  }
  bool is_waiting() const { return since_ != kNever; }

  // It has made this much progress (0: it is not waited for any more, whatever the reason).
  void took(std::uint64_t bytes, const Demand& demand, TimePoint now) {
    if (since_ != kNever) left_ -= std::min(left_, now - since_);
    since_ = kNever;
    left_ = std::min(demand.rest, left_ + demand.earned(bytes));
  }

 private:
  Duration left_{};
  TimePoint since_ = kNever;  // waited for since then; kNever: it is not
};

}  // namespace hybridge
