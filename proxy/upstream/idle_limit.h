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
  // One close tells little (a reload of the server closes everything): it never teaches less than this.
  static constexpr Duration kShortest = std::chrono::milliseconds(500);

  // `announced`: seconds of the last answer's Keep-Alive; 0: not said.
  Duration limit(Duration configured, std::uint32_t announced) const {
    auto result = std::min(configured, learned_);
    if (announced > 0) result = std::min(result, shortened(std::chrono::seconds(announced)));
    return result;
  }
  void saw_close(Duration idle) { learned_ = std::clamp(shortened(idle), kShortest, std::max(kShortest, learned_)); }
  void saw_survival() {
    if (learned_ < kForgotten) learned_ += learned_ / 8;
  }

 private:
  static constexpr Duration kForgotten = std::chrono::hours(1);
  // The server's clock began before ours, and a request needs its time to get there.
  static Duration shortened(Duration idle) { return idle - std::min<Duration>(idle / 4, std::chrono::seconds(1)); }

  Duration learned_ = kForgotten;
};

}  // namespace hybridge
