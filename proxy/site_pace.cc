#include "proxy/site_pace.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace hybridge {

namespace {
// A site that was busy a minute ago still counts as half as busy.
constexpr double kHalfLife = 60;
// Of requests that take so long each, as many are under way at once (Little's law).
constexpr double kUsualSeconds = 0.5;
}  // namespace

void SitePace::look(const std::vector<const WorkerCounters*>& workers, TimePoint now) {
  if (looked_ != TimePoint{} && now - looked_ < kEvery) return;
  const auto passed = std::chrono::duration<double>(now - looked_).count();
  const bool is_first = looked_ == TimePoint{};
  looked_ = now;
  std::unordered_map<std::string_view, std::uint64_t> totals;
  for (const auto* worker : workers) {
    for (const auto* site = worker->sites(); site; site = site->next) {
      for (const auto& count : site->by_class) totals[site->name] += count.value();
    }
  }
  const auto kept = std::exp2(-passed / kHalfLife);
  const std::lock_guard lock(mutex_);
  for (const auto& [name, total] : totals) {
    auto& seen = sites_[name];
    const auto rate = is_first ? 0 : static_cast<double>(total - seen.total) / passed;
    // Rises at once and falls by and by.
    seen.per_second = std::max(rate, seen.per_second * kept + rate * (1 - kept));
    seen.total = total;
  }
}

ReleasePace::Basis SitePace::basis(const std::vector<std::string>& sites) const {
  ReleasePace::Basis basis;
  const std::lock_guard lock(mutex_);
  for (const auto& name : sites) {
    if (const auto found = sites_.find(name); found != sites_.end()) basis.per_second += found->second.per_second;
  }
  basis.at_once = static_cast<std::uint32_t>(std::ceil(basis.per_second * kUsualSeconds));
  return basis;
}

}  // namespace hybridge
