// How many requests ended in each of the last sixty seconds, and how many of them with an error: for the status page.
//
// Owned by the daemon, which looks about once a second; any thread reads. In memory only, of a fixed size.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "proxy/counters.h"

namespace hybridge {

class TrafficHistory {
 public:
  static constexpr std::size_t kSeconds = 60;
  struct Totals {
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;  // a status of 5xx, or an answer that did not come to its end by no fault of the client

    friend bool operator==(const Totals&, const Totals&) = default;
  };
  using Seconds = std::array<Totals, kSeconds>;  // the latest last

  static Totals totals_of(const std::vector<const WorkerCounters*>& workers);

  // What there was since the last look; the first one only begins. A look that comes late is spread over its seconds.
  void look(const Totals& totals, TimePoint now);
  Seconds seconds() const;

 private:
  mutable std::mutex mutex_;
  Seconds ring_{};
  std::size_t next_ = 0;  // the oldest
  bool has_begun_ = false;
  Totals last_;
  TimePoint looked_at_{};
};

}  // namespace hybridge
