// A whole edge in the process: real workers on threads of their own, listening on loopback, serving a table that the
// test writes. At its end every request that began must have ended, with one log line and one set of counters.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/access_log.h"
#include "proxy/config.h"
#include "proxy/edge.h"
#include "proxy/own_host.h"
#include "proxy/upstream/resolver.h"
#include "routing/snapshot.h"
#include "tests/support/peer.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tls/certificate_cache.h"
#include "tls/trust_store.h"

namespace hybridge::test {

class EdgeWorld {
 public:
  struct Options {
    // Changes the configuration: loopback, port 0, http proxies like https, a JSON access log.
    std::function<void(Config&)> tune{};
    std::size_t workers = 1;
    OwnApi* own_api = nullptr;
    MaintenanceObserver* maintenance = nullptr;  // who keeps windows that sites begin themselves
    Resolver::LookUp look_up = Resolver::system_look_up;
  };
  explicit EdgeWorld(Options options);
  EdgeWorld() : EdgeWorld(Options{}) {}
  ~EdgeWorld();
  EdgeWorld(const EdgeWorld&) = delete;

  Peer connect() { return Peer::connect_to(http); }
  Peer connect_tls(const std::string& name);

  // The table, changed and live when they return.
  void set_server(const std::string& name, const std::vector<Address>& endpoints,
                  const std::function<void(Server&)>& tune = {});
  void set_site(const std::string& name, const std::string& server, SiteStatus status = SiteStatus::kActive);
  void set_host(const std::string& name, Host host);
  // The one most tests need: a.test on `upstream`.
  void serve(const PeerServer& upstream) {
    set_server("f1.test", {upstream.address()});
    set_site("a.test", "f1.test");
  }
  void publish(Snapshot::Builder builder);
  void set_certificate(const std::string& name);  // its own, of `authority`; loaded at first use
  void set_config(const std::function<void(Config&)>& tune, std::shared_ptr<const Certificate> default_certificate);
  const Snapshot& snapshot() const { return *snapshot_; }
  void stop();  // as at the end of the process

  // Summed over the workers.
  std::uint64_t ended(Reason reason) const;
  std::uint64_t ended() const;
  std::int64_t in_flight() const { return edge->requests_in_flight(); }
  std::int64_t connections(Side side, ConnectionProtocol protocol) const;
  std::int64_t upstream_connections(UpstreamState state) const;
  std::uint64_t retries() const;
  std::vector<std::string> log_lines();

  TestAuthority authority;
  std::unique_ptr<Edge> edge;
  Address https;
  Address http;

 private:
  std::uint64_t sum(const std::function<std::uint64_t(const WorkerCounters&)>& of) const;

  TemporaryDirectory directory_;
  std::shared_ptr<const Config> config_;
  std::unique_ptr<AccessLog> access_log_;
  std::mutex loads_mutex_;
  std::vector<std::thread> loads_;
  std::unique_ptr<CertificateCache> certificates_;
  std::unique_ptr<Resolver> resolver_;
  CertificateTable table_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
  std::uint64_t revision_ = 0;
};

// A GET of a.test.
std::string get(std::string_view target, std::string_view more_fields = {});
std::string post(std::string_view target, std::string_view body, std::string_view more_fields = {});
std::string ok(std::string_view body, std::string_view more_fields = {});  // an upstream's 200

}  // namespace hybridge::test
