// One thread that serves traffic, and everything it owns: loop, listeners, connections, upstream pools, counters, and
// its own reference to the tables that requests are judged by. Nothing of it is shared with another worker.
//
// Owned by the Edge. Everything is for its own thread, but post() and counters(); it is built and destroyed while
// that thread does not run.
#pragma once

#include <boost/smart_ptr/local_shared_ptr.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/process_log.h"
#include "io/loop.h"
#include "proxy/access_log.h"
#include "proxy/agent_call_observer.h"
#include "proxy/config.h"
#include "proxy/counters.h"
#include "proxy/downstream/downstream.h"
#include "proxy/downstream/listener.h"
#include "proxy/exchange.h"
#include "proxy/gate.h"
#include "proxy/hold_class.h"
#include "proxy/hold_pool.h"
#include "proxy/http/error_page.h"
#include "proxy/http/forwarded.h"
#include "proxy/in_band.h"
#include "proxy/onward.h"
#include "proxy/rate_limits.h"
#include "proxy/recent_requests.h"
#include "proxy/replay_buffer.h"
#include "proxy/server_tls_client.h"
#include "proxy/upstream/upstreams.h"
#include "routing/rule_matcher.h"
#include "routing/snapshot.h"
#include "tls/certificate_table.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace hybridge {

class OwnApi;
class Resolver;

// What a worker serves by; replaced whole, never changed.
struct Standing {
  std::shared_ptr<const Config> config;
  std::shared_ptr<const http::Pages> pages;
  std::shared_ptr<const Certificate> default_certificate;
};

class Worker final : private DownstreamObserver, private UpstreamObserver {
 public:
  // What the workers share; outlives them, thread-safe.
  struct Shared {
    ClientLimits& limits;
    Resolver& resolver;
    AccessLog& access_log;
    CertificateCache& certificates;
    RateLimits& rate_limits;
    HoldPool& holds;
    std::shared_ptr<TrustStore> trust;                           // whom HTTPS upstreams are verified by
    std::shared_ptr<const Certificate> client_certificate = {};  // ours, for those that ask for one
    std::size_t workers = 1;
    DriverKind driver = DriverKind::kEpoll;
  };

  // Throws when OpenSSL refuses the configured ciphers (`check` says so before).
  Worker(Shared shared, std::size_t index, Standing standing);
  ~Worker();

  // Takes the descriptors of Acceptor::listen().
  // Returns the address it is bound to. `is_behind_proxy`: clients come by a balancer that speaks the PROXY protocol.
  Address listen(int descriptor, bool is_https, bool is_behind_proxy);
  void set_peers(std::vector<Worker*> peers) { peers_ = std::move(peers); }  // all workers, by index; before run()
  void open_listeners();
  void set_own_api(OwnApi* api) { own_api_ = api; }

  void run() { loop_.run(); }
  void stop() { loop_.stop(); }
  void post(std::function<void()> work) { loop_.post(std::move(work)); }

  // What is live, from now on.
  void set_snapshot(std::shared_ptr<const Snapshot> snapshot);
  void set_rules(std::unique_ptr<RuleMatcher> rules) { rules_ = std::move(rules); }  // nullptr: there are none
  void set_certificates(std::shared_ptr<const CertificateTable> table);
  void set_ticket_keys(std::shared_ptr<const TicketKeys> keys);
  void set_standing(Standing standing);
  void set_down(std::shared_ptr<const EndpointSet> down) { upstreams_->set_down(std::move(down)); }

  // Listeners close; each connection ends with its next answer. `all_gone` is called when the last one has ended.
  void retire(std::function<void()> all_gone);
  void close_idle();  // while retiring: idle connections close too, here and at the servers
  std::size_t connections() const { return downstream_.connections(); }
  void close_tunnels() { downstream_.close_tunnels(); }
  void close_all() { downstream_.close_all(); }

  Loop& loop() { return loop_; }
  WorkerCounters& counters() { return counters_; }
  const RecentRequests& recent_requests() const { return recent_requests_; }
  const Config& config() const { return *standing_.config; }
  const http::Pages& pages() const { return *standing_.pages; }
  Upstreams& upstreams() { return *upstreams_; }
  const boost::local_shared_ptr<const std::shared_ptr<const Snapshot>>& snapshot() const { return snapshot_; }

  RuleMatcher* rules() { return rules_.get(); }  // nullptr: there are none
  ClientLimits& limits() { return shared_.limits; }
  RateLimits& rate_limits() { return shared_.rate_limits; }
  Resolver& resolver() { return shared_.resolver; }
  OnwardServers& onward_servers() { return onward_servers_; }
  OwnApi* own_api() { return own_api_; }  // nullptr: it has not started yet
  Gates& gates() { return gates_; }
  HoldPool& holds() { return shared_.holds; }
  HoldClasses& hold_classes() { return hold_classes_; }
  InBand& in_band() { return in_band_; }
  AgentCallObserver* agent_calls() const { return agent_calls_; }  // nullptr: nobody is told
  void set_agent_calls(AgentCallObserver* observer) { agent_calls_ = observer; }
  ReplayMemory& replay_memory() { return replay_memory_; }
  const std::vector<Worker*>& peers() const { return peers_; }

  std::uint64_t random() { return random_(); }  // for names of requests; not for secrets
  std::string_view http_date();                 // IMF-fixdate of this second
  std::int64_t wall_milliseconds() const;

  // Memory that is used between two suspensions, never over one.
  std::string& scratch() { return scratch_; }
  std::string& origin_scratch() { return origin_scratch_; }
  std::string& limit_scratch() { return limit_scratch_; }
  std::vector<http::ExtraHeader>& extra_headers() { return extra_headers_; }
  http::ResponseHead& response_head() { return response_head_; }

  // Says in the process log what was wrong with a server, from time to time.
  void report_upstream(std::string_view server, const Error& error);

  // The end of an exchange, good or bad: one log line, one set of counters, and what is remembered of it.
  void account(Exchange& exchange);

 private:
  // What listens behind an entrance.
  class EntranceService final : public Service {
   public:
    EntranceService(Worker& worker, Entrance entrance) : worker_(worker), entrance_(entrance) {}
    Task<void> serve(Stream& stream) override;
    void set(Entrance entrance) { entrance_ = entrance; }

   private:
    Worker& worker_;
    Entrance entrance_;
  };

  void on_opened(DownstreamProtocol protocol) override;
  void on_tunnel() override;
  void on_closed(DownstreamProtocol protocol) override;
  void on_idle_closed(Reason scarce, std::size_t count) override;
  void on_refused(const Address& peer, const Error& error) override;
  void on_handshake(std::string_view version, bool resumed, Reason result) override;
  void on_accept_failed(int error) override;
  void upstream_connection_moved(UpstreamObserver::State from, UpstreamObserver::State to) override;
  void upstream_waiting_changed(int by) override;
  void upstream_server_seen(std::string_view server, bool up) override;
  void upstream_server_dropped(std::string_view server) override;
  bool upstream_may_be_warmed(const Server& server) override;

  const Shared shared_;
  const std::size_t index_;
  Standing standing_;
  WorkerCounters counters_;
  RecentRequests recent_requests_;
  Loop loop_;
  std::mt19937_64 random_;
  std::unique_ptr<ServerContext> server_tls_;
  ServerTlsClient client_tls_;
  Downstream downstream_;
  EntranceService https_;
  EntranceService http_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  boost::local_shared_ptr<const std::shared_ptr<const Snapshot>> snapshot_;
  std::unique_ptr<RuleMatcher> rules_;
  OnwardServers onward_servers_;
  OwnApi* own_api_ = nullptr;

  HoldClasses hold_classes_;
  Gates gates_;
  std::vector<Worker*> peers_;
  ReplayMemory replay_memory_;
  InBand in_band_;
  AgentCallObserver* agent_calls_ = nullptr;

  std::string scratch_;
  std::string origin_scratch_;
  std::string limit_scratch_;
  std::vector<http::ExtraHeader> extra_headers_;
  http::ResponseHead response_head_;
  std::string date_;
  std::int64_t date_second_ = -1;
  log::Occasionally accept_failures_{std::chrono::seconds(10)};
  log::Occasionally refusals_{std::chrono::seconds(10)};
  log::Occasionally upstream_faults_{std::chrono::seconds(10)};

  // The first to go: it ends the stories that still wait for a server, and those need everything above.
  std::unique_ptr<Upstreams> upstreams_;
};

}  // namespace hybridge
