// What Prometheus scrapes: the workers' counters summed, and the process's own numbers, as metric families or text.
//
// Made once at start; any thread may scrape, one at a time. Reads the workers' counters without stopping them, so it
// must not outlive them. Names are promised to dashboards: add freely, rename never.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/counters.h"
#include "proxy/hold_figures.h"

namespace hybridge {

class Metrics : public prometheus::Collectable {
 public:
  static constexpr std::size_t kSiteSeries = 200;   // sites with series of their own; the rest is _other
  static constexpr std::size_t kExpirySeries = 20;  // certificates, the soonest to expire

  struct Expiry {
    std::string host;
    std::int64_t unix_seconds = 0;
  };

  struct Health {
    bool is_up = true;
    std::size_t endpoints_down = 0;
  };

  struct Sources {
    std::string version;
    std::string revision;  // of the source, for build_info
    std::vector<const WorkerCounters*> workers;
    const ProcessCounters* process = nullptr;
    // Called while scraping, on the scraping thread; not set: 0, or none.
    std::function<std::size_t()> certificates = {};
    std::function<std::vector<Expiry>(std::size_t)> expiring = {};  // at most so many, soonest first
    std::function<std::uint64_t()> access_log_dropped = {};         // lines
    std::function<std::uint64_t()> rate_limits_forgotten = {};      // keys
    std::function<std::size_t()> quarantined = {};                  // stored records that are left out
    std::function<HoldFigures()> holds = {};
    // How servers were when they were last asked; goes before what workers have seen of them.
    std::function<std::map<std::string, Health>()> health = {};
  };

  explicit Metrics(Sources sources) : sources_(std::move(sources)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;
  std::string text() const;  // text/plain; version=0.0.4

 private:
  using ByClass = std::array<std::uint64_t, SiteCounters::kClasses>;
  using ByName = std::unordered_map<std::string_view, ByClass>;

  prometheus::MetricFamily site_requests() const;
  void choose_sites(const ByName& now) const;

  Sources sources_;
  // Which sites have their own series. A site keeps it until restart, and what _other has once reported of it stays
  // in _other, so that no counter falls (`since`).
  mutable std::mutex mutex_;
  mutable std::map<std::string, ByClass, std::less<>> since_;
  mutable ByName last_;  // at the scrape before
};

}  // namespace hybridge
