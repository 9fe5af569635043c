// How long an idle connection to an endpoint may be trusted: what is configured, or less where the server says so
// (Keep-Alive: timeout=) or is seen to close sooner. What was learned from a close fades as connections outlive it.
//
// A value of one worker.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace hybridge {

class IdleLimit {
 public:
  static constexpr Duration kShortest = std::chrono::milliseconds(500);

  explicit IdleLimit(Duration configured) : configured_(configured), learned_(configured) {}

  // `announced`: seconds of the last answer's Keep-Alive; 0: not said.
  Duration limit(std::uint32_t announced) const {
    auto result = std::min(configured_, learned_);
    // Its clock began before ours, and our request has to get there: a quarter and at most a second less.
    if (announced > 0) result = std::min(result, shortened(std::chrono::seconds(announced)));
    return result;
  }
  void saw_close(Duration idle) { learned_ = std::clamp(shortened(idle), std::min(kShortest, configured_), learned_); }
  void saw_survival() { learned_ = std::min(configured_, learned_ + learned_ / 8); }

 private:
  static Duration shortened(Duration idle) { return idle - std::min<Duration>(idle / 4, std::chrono::seconds(1)); }

  Duration configured_;
  Duration learned_;
};

}  // namespace hybridge
