// What a client may cost before its HTTP/2 connection is ended: points that useful work earns and useless work spends.
// A count with a limit would end a good client that stays long, or let a bad one do harm first; here a connection
// begins with a little, browsers earn more than they will ever spend, and a flood is over within milliseconds.
//
// A value; one a session.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "base/error.h"

namespace hybridge::http {

class Http2Budget {
 public:
  static constexpr std::int32_t kInitial = 1'000;
  static constexpr std::int32_t kMost = 4'000;
  static constexpr std::int32_t kPerSecond = 50;

  // What things cost.
  static constexpr std::int32_t kAbortedRequest = 20;  // reset before any answer: Rapid Reset, MadeYouReset
  static constexpr std::int32_t kAbortedAnswer = 5;    // a download that was cancelled
  static constexpr std::int32_t kMalformed = 20;       // a request that HTTP/2 forbids
  static constexpr std::int32_t kSettings = 20;
  static constexpr std::int32_t kPing = 5;
  static constexpr std::int32_t kEmptyFrame = 10;  // DATA, HEADERS or CONTINUATION without a byte that counts
  static constexpr std::int32_t kCrumb = 1;        // a small DATA frame where large ones are meant
  static constexpr std::int32_t kContinuation = 10;
  static constexpr std::int32_t kLargeBlock = 50;  // each header_bytes that a block decodes to beyond the limit
  static constexpr std::int32_t kSignal = 1;       // WINDOW_UPDATE, priorities, unknown frames, resets of ended streams
  static constexpr std::size_t kIgnoredBytes = 4096;  // cost a point: of bodies of ended streams
  // What earns.
  static constexpr std::int32_t kAnswered = 20;  // an exchange that came to its end
  static constexpr std::int32_t kDataFrame = 2;  // of an answer, a full one: a client may open two windows for each

  explicit Http2Budget(TimePoint now) : refilled_(now) {}

  void earn(std::int32_t points) { points_ = std::min(points_ + points, kMost); }
  // False: it is used up; the connection is to be ended.
  bool spend(std::int32_t points, TimePoint now) {
    points_ -= points;
    if (points_ >= 0) return true;
    refill(now);
    return points_ >= 0;
  }
  std::int32_t points() const { return points_; }

 private:
  // Only when it matters: a good connection never looks at the clock.
  void refill(TimePoint now) {
    using Milliseconds = std::chrono::milliseconds;
    constexpr std::int64_t kLongest = std::int64_t{1000} * kMost / kPerSecond;
    const auto passed = std::chrono::duration_cast<Milliseconds>(now - refilled_).count();
    const auto points = static_cast<std::int32_t>(std::min<std::int64_t>(passed, kLongest) * kPerSecond / 1000);
    if (points == 0) return;
    refilled_ = now;
    earn(points);
  }

  std::int32_t points_ = kInitial;
  TimePoint refilled_;
};

}  // namespace hybridge::http
