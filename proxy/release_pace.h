// How fast those who waited go on when a window is released, and whether the site bears it: from what the site did
// before, twice as much each second, until nobody waits; and a guard that looks at how they fare.
//
// A value; whoever owns it locks. Knows no requests, only numbers and the time that it is told.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace hybridge {

class ReleasePace {
 public:
  // What the site did before the window.
  struct Basis {
    double per_second = 0;
    std::uint32_t at_once = 0;

    friend bool operator==(const Basis&, const Basis&) = default;
  };
  // Of the last requests that ended, this share (percent) has failed, of this many at least: then the site is not back.
  struct Guard {
    std::uint32_t share = 50;
    std::uint32_t least = 5;
  };

  void begin(const Basis& basis, const Guard& guard, TimePoint now);

  // How many more may go now, when `running` have gone and not ended, and `ceiling` may do so at once.
  std::size_t allowance(TimePoint now, std::size_t running, std::size_t ceiling);
  void spend(std::size_t requests) { tokens_ -= static_cast<double>(requests); }

  void note(bool is_good);
  bool has_failed() const { return has_failed_; }
  bool went_well_last() const { return known_ > 0 && (outcomes_ & 1) == 0; }

 private:
  static constexpr std::uint32_t kRemembered = 20;

  double ramp(TimePoint now) const;

  Basis basis_;
  Guard guard_;
  TimePoint began_{};
  TimePoint filled_{};
  double tokens_ = 0;
  std::uint32_t outcomes_ = 0;  // of the last requests, a bit each: 1 has failed
  std::uint32_t known_ = 0;
  bool has_failed_ = false;
};

}  // namespace hybridge
