// How many requests a second each site has had lately: what a release of the site begins with. From the counters that
// the workers keep anyway, looked at now and then, so that a request costs nothing for it.
//
// look() is for one thread; basis() for any. Sites without traffic take no memory.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "proxy/counters.h"
#include "proxy/release_pace.h"

namespace hybridge {

class SitePace {
 public:
  static constexpr std::chrono::seconds kEvery{10};

  // To be called about once a second; looks when it is time.
  void look(const std::vector<const WorkerCounters*>& workers, TimePoint now);

  // Of these sites together.
  ReleasePace::Basis basis(const std::vector<std::string>& sites) const;

 private:
  struct Seen {
    std::uint64_t total = 0;
    double per_second = 0;
  };

  TimePoint looked_{};
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, Seen> sites_;  // names of the counters, which never go
};

}  // namespace hybridge
