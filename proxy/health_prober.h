// Asks every endpoint of the table's servers from time to time whether it still answers, and keeps what it said: for
// /v1/status, metrics and events, and for the workers, who then prefer a server's other endpoints.
//
// One for the process, with a loop and a thread of its own, so that ten workers do not ask ten times. Any answer in
// HTTP is one: a status says how a site is, not whether its server can be reached (a server's last endpoint is never
// given up for one). Made and destroyed by the daemon; the states may be asked for by any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/task.h"
#include "base/timer_wheel.h"
#include "io/loop.h"
#include "proxy/server_tls_client.h"
#include "proxy/upstream/upstreams.h"
#include "routing/snapshot.h"

namespace hybridge {

class HealthProber final : private Timer::Owner {
 public:
  struct Settings {
    Duration interval = std::chrono::seconds(30);  // between two questions, a quarter more or less by chance
    Duration timeout = std::chrono::seconds(5);    // to connect, TLS included, and again for the answer's head
    std::string path = "/";                        // for servers whose record names none
    std::uint32_t failures = 3;                    // in a row make an endpoint one that is down
  };
  struct EndpointState {
    std::string endpoint;  // `203.0.113.7:80`
    bool is_up = true;
    int status = 0;  // of its last answer; 0: there was none
    std::string fault;
  };
  struct ServerState {
    bool is_up = true;          // some endpoint is
    std::int64_t since_ms = 0;  // of the Unix epoch: when that was last otherwise, or it was first seen
    std::vector<EndpointState> endpoints;
  };
  // Endpoints that are down, each as `endpoint_key()`.
  using Down = std::shared_ptr<const EndpointSet>;
  struct Observer {
    virtual void on_server_health(const std::string& server, const ServerState& state) = 0;  // it went up or down
    virtual void on_endpoints_down(const Down& down) = 0;                                    // others than before

   protected:
    ~Observer() = default;
  };
  using Table = std::function<std::shared_ptr<const Snapshot>()>;  // any thread

  // `tls` belongs to it from then on; resolver and observer outlive it. Observers are called on its thread.
  HealthProber(Settings settings, Table table, Resolver& resolver, std::unique_ptr<ClientContext> tls,
               Observer& observer);
  ~HealthProber();
  void stop();  // nobody is asked from now on; what is known stays
  HealthProber(const HealthProber&) = delete;

  std::map<std::string, ServerState> states() const;
  std::optional<bool> is_up(std::string_view server) const;  // nullopt: it was not asked yet

 private:
  struct Target;
  using Targets = std::map<std::string, std::shared_ptr<Target>, std::less<>>;  // by endpoint_key()

  void on_timer() override;
  void take_table();
  void add_targets(const std::shared_ptr<const Server>& server, Targets& kept);
  Task<void> probe(std::shared_ptr<Target> target);
  Task<Result<int>> ask(const Target& target);
  void judge(Target& target, const Result<int>& answer);
  void tell(const std::string& server);
  Duration about(Duration duration);

  const Settings settings_;
  const Table table_;
  Observer& observer_;
  Loop loop_;
  UpstreamSettings upstream_settings_;
  ServerTlsClient tls_;
  std::unique_ptr<Upstreams> upstreams_;
  Timer tick_;
  std::minstd_rand random_;
  std::shared_ptr<const Snapshot> seen_;
  TimePoint taken_at_{};
  Targets targets_;
  EndpointSet down_;
  std::size_t under_way_ = 0;
  bool is_ending_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, ServerState, std::less<>> states_;
  std::thread thread_;
};

}  // namespace hybridge
