// The servers of one worker, made when they are first asked for and dropped when they have not been used for a while.
//
// Owned by the Worker; its thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/timer_wheel.h"
#include "io/loop.h"
#include "proxy/upstream/server.h"
#include "proxy/upstream/settings.h"
#include "proxy/upstream/upstream_tls.h"
#include "routing/snapshot.h"

namespace hybridge {

class Resolver;

class Upstreams final : private Timer::Owner {
 public:
  // `observer` may be nullptr; all of them outlive this.
  Upstreams(Loop& loop, const UpstreamSettings& settings, Resolver& resolver, UpstreamTls& tls,
            UpstreamObserver* observer);
  ~Upstreams();  // leases that are still out end with kShuttingDown
  Upstreams(const Upstreams&) = delete;

  // By name; a pointer other than the one seen last is taken as a change of the server. Valid while it is used: until
  // UpstreamSettings::forget_after has passed without a lease.
  UpstreamServer& find(const std::shared_ptr<const Server>& server);
  UpstreamServer* find(std::string_view name);  // nullptr: not in use

  // New settings hold for what begins from now on.
  void set_settings(const UpstreamSettings& settings);
  const UpstreamStats& stats() const { return shared_.stats; }

  void set_down(std::shared_ptr<const EndpointSet> down);  // endpoints that others are preferred to
  // Nothing is kept that no request needs: they are scarce, or it is the end. For a while none is made ahead either.
  void close_idle();
  void stop_warming();  // none is made ahead any more

 private:
  void on_timer() override;
  void arm();
  void sweep();
  void warm();

  UpstreamSettings settings_;
  UpstreamEndpoint::Shared shared_;
  UpstreamTls& tls_;
  Timer timer_;
  TimePoint sweep_at_;
  TimePoint warm_from_{};  // kNever: it has stopped
  std::unordered_map<std::string, std::unique_ptr<UpstreamServer>, UpstreamSiteUse::Hash, std::equal_to<>> servers_;
};

}  // namespace hybridge
