#include "proxy/rate_limits.h"

#include "base/shard_map.h"

namespace hybridge {

RateTable::Verdict RateLimits::take(std::string_view name, const RuleLimit& limit, std::string_view site,
                                    const Address& client, TimePoint now, std::string& scratch) {
  scratch.assign(name).append(1, '\0');
  if (limit.by != RuleLimit::By::kAddress) scratch.append(site);
  if (limit.by != RuleLimit::By::kSite) {
    const auto key = client.key(true);
    scratch.append(1, '\0').append(reinterpret_cast<const char*>(key.data()), key.size());
  }
  const auto interval = Duration(std::chrono::seconds(limit.seconds)) / limit.requests;
  return table_.take(hash_name(scratch), {.interval = interval, .tolerance = interval * limit.burst}, now);
}

}  // namespace hybridge
