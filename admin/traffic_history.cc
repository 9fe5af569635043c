#include "admin/traffic_history.h"

#include <algorithm>
#include <chrono>

namespace hybridge {

TrafficHistory::Totals TrafficHistory::totals_of(const std::vector<const WorkerCounters*>& workers) {
  Totals totals;
  for (const auto* worker : workers) {
    for (std::size_t kind = 0; kind < WorkerCounters::kExchangeClasses; ++kind) {
      const bool is_error = static_cast<ExchangeClass>(kind) == ExchangeClass::kError;
      for (std::size_t status = 0; status < WorkerCounters::kStatuses; ++status) {
        const auto count = worker->requests[kind][status].value();
        totals.requests += count;
        if (is_error || status >= 500) totals.errors += count;
      }
    }
  }
  return totals;
}

void TrafficHistory::look(const Totals& totals, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!has_begun_) {
    has_begun_ = true;
    last_ = totals;
    looked_at_ = now;
    return;
  }
  const auto passed = std::chrono::round<std::chrono::seconds>(now - looked_at_).count();
  if (passed < 1) return;  // that will be in the next second's
  const auto seconds = static_cast<std::uint64_t>(passed);
  Totals left{totals.requests - last_.requests, totals.errors - last_.errors};
  const auto shown = std::min<std::uint64_t>(seconds, kSeconds);
  const Totals each{left.requests / seconds, left.errors / seconds};
  for (std::uint64_t i = 0; i < shown; ++i) {
    const bool is_first = i == 0;  // it takes what cannot be divided
    ring_[next_] =
        is_first ? Totals{left.requests - each.requests * (seconds - 1), left.errors - each.errors * (seconds - 1)}
                 : each;
    next_ = (next_ + 1) % kSeconds;
  }
  last_ = totals;
  looked_at_ = now;
}

TrafficHistory::Seconds TrafficHistory::seconds() const {
  const std::lock_guard lock(mutex_);
  auto result = ring_;
  std::rotate(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(next_), result.end());
  return result;
}

}  // namespace hybridge
