// What the edge sees of a site's maintenance by itself, told to whoever keeps the windows: the registry of holds
// (admin), which main hands down. decisions.md 14, 31.
//
// Called on workers' threads; implementations are thread-safe and return at once.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace hybridge {

class MaintenanceObserver {
 public:
  // The site stops its requests: a window is opened, or the one that is there joined. `done` comes on any thread: true
  // when the window is on disk and every worker's gate is closed, false when it was refused.
  virtual void begin_in_band(std::string site, std::function<void(bool held)> done) = 0;
  // It still does: the lease of the claim, which is the edge's own, begins anew.
  virtual void renew_in_band(std::string_view site) = 0;
  // It has answered to a ping: the claim has ended, and with the last one the window.
  virtual void end_in_band(std::string_view site) = 0;

 protected:
  ~MaintenanceObserver() = default;
};

}  // namespace hybridge
