// When a connection to an endpoint may be made ahead of the request that will want it: while the endpoint has had
// requests lately, one at a time, and the more seldom the more of them were of no use.
//
// A value of one worker; knows no clock, it is told the time.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace hybridge {

class WarmPace {
 public:
  struct Rule {
    Duration lately{};      // so long after its last request an endpoint is kept warm
    Duration pause{};       // after a failure; doubled with each that follows,
    Duration pause_most{};  // up to this
  };

  void requested(TimePoint now) { requested_at_ = now; }
  bool is_due(TimePoint now, const Rule& rule) const {
    return !is_under_way_ && requested_at_ != TimePoint{} && now - requested_at_ < rule.lately && now >= not_before_;
  }

  void begin() { is_under_way_ = true; }
  void end() { is_under_way_ = false; }
  // None could be made, or the one that was ended unused.
  void came_to_nothing(TimePoint now, const Rule& rule) {
    pause_ = std::clamp(pause_ * 2, rule.pause, std::max(rule.pause, rule.pause_most));
    not_before_ = now + pause_;
  }
  // A request took it.
  void was_of_use() {
    pause_ = {};
    not_before_ = {};
  }

 private:
  TimePoint requested_at_{};
  TimePoint not_before_{};
  Duration pause_{};
  bool is_under_way_ = false;
};

}  // namespace hybridge
