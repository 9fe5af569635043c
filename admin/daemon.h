// The process `hybridge run`: everything it is made of, in the order in which it comes and goes, and what it does at
// signals. Coming is in daemon_start.cc, the rest in daemon.cc.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin_api.h"
#include "admin/admin_front.h"
#include "admin/admin_side.h"
#include "admin/agent_calls.h"
#include "admin/agent_windows.h"
#include "admin/event_log.h"
#include "admin/executor.h"
#include "admin/followed_holds.h"
#include "admin/followed_tables.h"
#include "admin/hold_registry.h"
#include "admin/hold_store.h"
#include "admin/housekeeping.h"
#include "admin/in_band_claims.h"
#include "admin/monitoring.h"
#include "admin/own_front.h"
#include "admin/predecessor.h"
#include "admin/publisher.h"
#include "admin/quarantine.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "admin/successor.h"
#include "admin/traffic_history.h"
#include "base/process_log.h"
#include "base/sd_notify.h"
#include "proxy/access_log.h"
#include "proxy/config.h"
#include "proxy/default_certificate.h"
#include "proxy/edge.h"
#include "proxy/health_prober.h"
#include "proxy/metrics.h"
#include "proxy/own_host.h"
#include "proxy/site_pace.h"
#include "proxy/upstream/resolver.h"
#include "tls/ticket_keys.h"
#include "tls/trust_store.h"

namespace hybridge {

// Makes the API below the proxy's own name; what it is made of outlives it.
struct OwnApiSources {
  Publisher& publisher;
  StateReader& reader;
  std::function<std::shared_ptr<const Config>()> config;  // thread-safe
  HoldRegistry& holds;
};
using MakeOwnApi = std::function<Result<std::unique_ptr<OwnApi>>(OwnApiSources)>;

// Serves until TERM, INT or QUIT, or until another process has taken over; `program` is what an upgrade starts. The
// exit status: 0, or 1 with the reason on standard error.
int run_daemon(const std::string& program, const std::string& config_path, const MakeOwnApi& make_own_api);

class Daemon final : private Publisher::Observer,
                     private Successor::Observer,
                     private HoldRegistry::Listener,
                     private HealthProber::Observer {
 public:
  // `predecessor`: the process to take over from; nullptr: there is none.
  Daemon(std::vector<std::string> command, std::string config_path, Config config,
         std::unique_ptr<Predecessor> predecessor, MakeOwnApi make_own_api);
  ~Daemon() { end(); }

  Result<void> start();
  Predecessor* predecessor() { return predecessor_.get(); }
  void serve() { control_.run(); }

 private:
  Result<Standing> make_standing(std::shared_ptr<const Config> config) const;
  Result<void> open_store(Descriptor lock);
  Result<void> make_edge();
  Result<void> bind(ListeningSockets inherited);
  void publish_before_listening(const LoadedState& state);
  Result<void> take_over(Descriptor lock);
  Result<void> make_api(const LoadedState& state);
  Result<void> open_holds();
  HoldFigures hold_figures() const;
  Result<void> make_prober();
  std::map<std::string, Metrics::Health> health() const;

  void await_signal();
  void on_signal(int signal);
  void watch();
  void reload();
  void look_at_certificate();
  void drain();
  void end_within(Duration bound);
  void end();
  Result<void> upgrade();                        // the control thread
  Result<void> upgrade_from(Duration patience);  // any other
  void retire(pid_t successor);
  StatusFacts status() const;
  std::shared_ptr<const Config> config() const;  // any thread
  std::vector<Metrics::Expiry> expiring(std::size_t most) const;
  void on_published(std::uint64_t revision, Duration took) override;
  void on_planned(const StoreWrite& write, const Snapshot& before) override;
  void on_written(const StoreWrite& write, bool live) override;
  void on_store_failed(const Error& error) override;
  void on_hold_changed(const HoldRecord& record, const std::string& action) override;
  void on_handed_over(pid_t successor) override;
  void on_handover_failed(const Error& why) override;
  void on_server_health(const std::string& server, const HealthProber::ServerState& state) override;
  void on_endpoints_down(const HealthProber::Down& down) override { edge_->publish(down); }

  const std::vector<std::string> command_;
  const std::string config_path_;
  const MakeOwnApi make_own_api_;
  std::shared_ptr<const Config> config_;  // changed by this thread only, under the mutex
  mutable std::mutex config_mutex_;       // of what stands here
  std::string upgrade_;                   // what became of the last one; "": there was none
  ProcessLog log_;
  const ServiceNotifier notifier_;
  const TimePoint began_ = Clock::now();

  Quarantine quarantine_;
  std::unique_ptr<Predecessor> predecessor_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<StateReader> reader_;
  std::shared_ptr<TrustStore> trust_;
  std::shared_ptr<const Certificate> client_certificate_;  // for servers that ask for one
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<CertificateCache> certificates_;
  std::unique_ptr<Executor> loaders_;     // of certificates at their first use
  std::unique_ptr<Executor> publishing_;  // the store's one thread
  std::unique_ptr<Resolver> resolver_;
  std::optional<TicketKeyring> tickets_;
  ProcessCounters counters_;
  SitePace pace_;
  TrafficHistory traffic_;
  std::unique_ptr<Edge> edge_;
  std::unique_ptr<FollowedTables> followed_;  // of the predecessor, if there is one
  std::unique_ptr<FollowedHolds> followed_holds_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<AdminSide> admin_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<HoldStore> hold_store_;
  std::unique_ptr<InBandClaims> in_band_;
  std::unique_ptr<AgentWindows> agent_windows_;
  std::unique_ptr<AgentCalls> agent_calls_;
  std::unique_ptr<HoldRegistry> holds_;
  std::unique_ptr<HealthProber> prober_;
  std::unique_ptr<AdminApi> api_;
  std::unique_ptr<OwnApi> own_api_;
  std::unique_ptr<Monitoring> monitoring_;
  std::unique_ptr<OwnFront> own_front_;
  std::unique_ptr<AdminFront> admin_front_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<Successor> successor_;
  bool is_retired_ = false;  // another process has taken over
  DefaultCertificate::Stamp certificate_stamp_;

  boost::asio::io_context control_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer watch_;
  boost::asio::steady_timer deadline_;
};

}  // namespace hybridge
