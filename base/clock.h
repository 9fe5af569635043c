// Time as the workers see it: a steady clock read once a turn of the loop, so that a request costs no clock calls.
#pragma once

#include <chrono>

namespace hybridge {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace hybridge
