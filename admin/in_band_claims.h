// Between the edge, which sees by itself that a site is in maintenance, and the registry of holds, which keeps the
// windows: claims begin, are renewed and end as the workers say, and the workers hear when a window ended without them.
//
// Owned by the daemon; outlives the workers and the registry's thread. Any thread.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "admin/hold_registry.h"
#include "proxy/maintenance_observer.h"

namespace hybridge {

class InBandClaims final : public MaintenanceObserver, private HoldRegistry::Listener {
 public:
  // A worker that does not hear of a site for so long has died with its process, or the site answers nonsense.
  static constexpr std::int64_t kLeaseMs = 60'000;

  // The workers' side; any thread.
  struct Workers {
    std::function<void(const std::string& site)> resume;
    std::function<void(const std::string& site, bool gives_up)> ended;
  };

  // Before the registry's restore().
  InBandClaims(HoldRegistry& registry, Workers workers);

  // After restore(): those that were there are probed again, their leases begin anew.
  void resume();

  void begin_in_band(std::string site, std::function<void(bool held)> done) override;
  void renew_in_band(std::string_view site) override;
  void end_in_band(std::string_view site) override;

 private:
  void on_hold_changed(const HoldRecord& record, const std::string& action) override;

  HoldRegistry& registry_;
  const Workers workers_;
  std::mutex mutex_;
  std::set<std::string, std::less<>> claimed_;  // sites
};

}  // namespace hybridge
