#include "base/rate_table.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace hybridge {

RateTable::RateTable(std::size_t bytes) : buckets_(std::bit_floor(std::max<std::size_t>(bytes / sizeof(Bucket), 1))) {}

RateTable::Entry& RateTable::entry(Bucket& bucket, std::uint64_t key, TimePoint now) {
  Entry* least = nullptr;
  auto least_debt = std::numeric_limits<double>::infinity();
  for (auto& entry : bucket) {
    if (entry.key == key) return entry;
    // What is due again is as if it had never been there.
    const bool is_free = entry.key == 0 || entry.due <= now;
    const auto debt =
        is_free ? 0 : static_cast<double>((entry.due - now).count()) / static_cast<double>(entry.interval.count());
    if (debt < least_debt) {
      least = &entry;
      least_debt = debt;
    }
  }
  if (least_debt > 0) forgotten_.fetch_add(1, std::memory_order_relaxed);
  *least = Entry{.key = key, .due = now, .interval = Duration{1}};
  return *least;
}

RateTable::Verdict RateTable::take(std::uint64_t key, const Rate& rate, TimePoint now) {
  if (key == 0) key = 1;
  const auto index = static_cast<std::size_t>(key) & (buckets_.size() - 1);
  const std::lock_guard lock(locks_[index % kLocks]);
  auto& entry = this->entry(buckets_[index], key, now);
  const auto from = std::max(entry.due, now);
  Verdict verdict;
  verdict.is_over = from - now > rate.tolerance;
  if (!verdict.is_over) {
    entry.due = from + rate.interval;
    entry.interval = rate.interval;
  }
  verdict.until_full = entry.due - now;
  const auto ahead = verdict.until_full - rate.tolerance;
  if (ahead > Duration::zero()) {
    verdict.wait = ahead;
  } else {
    verdict.left = static_cast<std::uint32_t>(-ahead / rate.interval) + 1;
  }
  return verdict;
}

}  // namespace hybridge
