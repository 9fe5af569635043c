// Passive health of one endpoint: connect failures in a row make it one that is left alone for a while; then one
// request tries it, and its outcome decides. Statuses of answers never count.
//
// A value of one worker; knows no clock, it is told the time.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace hybridge {

class EndpointHealth {
 public:
  struct Rule {
    std::uint32_t failures = 3;  // in a row
    Duration retry_after{};      // doubled with each probe that fails
    Duration retry_after_max{};
  };

  // May somebody connect now? Of an endpoint that is left alone: true for one, the probe, when its time has come.
  bool may_try(TimePoint now) const { return !is_down_ || (!is_probed_ && now >= retry_at_); }
  bool is_up() const { return !is_down_; }
  TimePoint retry_at() const { return retry_at_; }

  void begin_try() { is_probed_ = is_down_; }
  void abandon_try() { is_probed_ = false; }  // it told nothing: whoever wanted it has left
  void succeed();
  void fail(TimePoint now, const Rule& rule);

 private:
  bool is_down_ = false;
  bool is_probed_ = false;
  std::uint32_t failures_ = 0;
  Duration pause_{};
  TimePoint retry_at_{};
};

}  // namespace hybridge
