// How often the requests of a site come by a rule that limits them: one count for all workers.
//
// Shared; any thread. Only requests that a limit's rule matches come here. The generic cell rate algorithm: of each
// pair of rule and site one number, the time at which it would be due if its requests were evenly spread.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "routing/rule.h"

namespace hybridge {

class RateLimits {
 public:
  // nullopt: the request may go on, and is counted. Else the time until one may.
  std::optional<Duration> refuse(const Rule& rule, const RuleLimit& limit, std::string_view site, TimePoint now);

  std::size_t size() const;  // pairs that are remembered

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kSweepAt = 1024;

  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, TimePoint> due;
    std::size_t sweep_at = kSweepAt;
  };

  std::array<Shard, kShards> shards_;
};

}  // namespace hybridge
