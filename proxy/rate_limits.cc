#include "proxy/rate_limits.h"

#include <algorithm>
#include <functional>

namespace hybridge {

std::optional<Duration> RateLimits::refuse(const Rule& rule, const RuleLimit& limit, std::string_view site,
                                           TimePoint now) {
  std::string key;
  key.reserve(rule.id.size() + 1 + site.size());
  key.append(rule.id).append(1, ' ').append(site);
  const Duration interval = Duration(std::chrono::seconds(limit.seconds)) / limit.requests;
  const Duration tolerance = interval * limit.burst;

  auto& shard = shards_[std::hash<std::string>{}(key) % kShards];
  const std::lock_guard lock(shard.mutex);
  auto& due = shard.due[std::move(key)];
  const auto from = std::max(due, now);
  if (from - now > tolerance) return from - now - tolerance;
  due = from + interval;
  if (shard.due.size() > shard.sweep_at) {
    // What is due again is as if it had never been there.
    std::erase_if(shard.due, [now](const auto& entry) { return entry.second <= now; });
    shard.sweep_at = std::max(kSweepAt, 2 * shard.due.size());
  }
  return std::nullopt;
}

std::size_t RateLimits::size() const {
  std::size_t all = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    all += shard.due.size();
  }
  return all;
}

}  // namespace hybridge
