#include "proxy/release_pace.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace hybridge {

namespace {
// A site of which nothing is known begins with these.
constexpr double kLeastPerSecond = 50;
constexpr std::uint32_t kLeastAtOnce = 8;
// Doublings: 2^16 times what the site did before is no limit any more.
constexpr double kSteepest = 16;
// What was not used is kept for so long.
constexpr double kKeptSeconds = 0.25;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}
}  // namespace

void ReleasePace::begin(const Basis& basis, const Guard& guard, TimePoint now) {
  basis_.per_second = std::max(2 * basis.per_second, kLeastPerSecond);
  basis_.at_once = std::max(basis.at_once, kLeastAtOnce);
  guard_ = guard;
  began_ = filled_ = now;
  tokens_ = basis_.at_once;
  outcomes_ = known_ = 0;
  has_failed_ = false;
}

double ReleasePace::ramp(TimePoint now) const {
  return std::exp2(std::min(seconds(now - began_), kSteepest));
}

std::size_t ReleasePace::allowance(TimePoint now, std::size_t running, std::size_t ceiling) {
  const auto steepness = ramp(now);
  const auto rate = basis_.per_second * steepness;
  const auto room = std::max<double>(basis_.at_once, rate * kKeptSeconds);
  tokens_ = std::min(tokens_ + rate * seconds(std::max(now - filled_, Duration::zero())), room);
  filled_ = std::max(filled_, now);
  const auto at_once = std::min(basis_.at_once * steepness, static_cast<double>(ceiling));
  const auto free = std::min(at_once - static_cast<double>(running), tokens_);
  return free < 1 ? 0 : static_cast<std::size_t>(free);
}

void ReleasePace::note(bool is_good) {
  outcomes_ = (outcomes_ << 1 | (is_good ? 0u : 1u)) & ((1u << kRemembered) - 1);
  known_ = std::min(known_ + 1, kRemembered);
  const auto failed = static_cast<std::uint32_t>(std::popcount(outcomes_));
  if (failed >= guard_.least && failed * 100 >= guard_.share * known_) has_failed_ = true;
}

}  // namespace hybridge
