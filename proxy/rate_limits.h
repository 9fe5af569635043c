// How often requests come by a limit (of a rule, or of the configuration): one count for all workers, in memory that
// does not grow with the number of clients.
//
// Shared; any thread. Only requests that some limit speaks of come here.
#pragma once

#include <string>
#include <string_view>

#include "base/rate_table.h"
#include "io/address.h"
#include "routing/rule.h"

namespace hybridge {

class RateLimits {
 public:
  explicit RateLimits(std::size_t bytes) : table_(bytes) {}

  // Counts a request of `client` to `site`, unless it is one too many. `name`: the limit's. `scratch`: memory to work
  // in.
  RateTable::Verdict take(std::string_view name, const RuleLimit& limit, std::string_view site, const Address& client,
                          TimePoint now, std::string& scratch);

  std::uint64_t forgotten() const { return table_.forgotten(); }

 private:
  RateTable table_;
};

}  // namespace hybridge
