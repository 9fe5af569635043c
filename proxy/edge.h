// The workers together: their threads, the sockets they listen on, and what is published to all of them at once.
//
// Owned by main(). open(), start(), drain() and destruction are for main's thread; publishing is for any one thread
// at a time (the Publisher's).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "io/address.h"
#include "io/listening_sockets.h"
#include "proxy/access_log.h"
#include "proxy/counters.h"
#include "proxy/downstream/client_limits.h"
#include "proxy/hold_pool.h"
#include "proxy/live_holds.h"
#include "proxy/live_tables.h"
#include "proxy/memory_watch.h"
#include "proxy/worker.h"

namespace hybridge {

class OwnApi;
class Resolver;

class Edge final : public LiveTables, public LiveHolds, private HoldPool::Listener {
 public:
  // What its workers share with the rest of the process; outlives it.
  struct Shared {
    Resolver& resolver;
    AccessLog& access_log;
    CertificateCache& certificates;
    std::shared_ptr<TrustStore> trust;
    std::shared_ptr<const Certificate> client_certificate = {};  // for servers that ask for one; nullptr: none
  };

  Edge(Standing standing, const Shared& shared, std::size_t workers);
  ~Edge() override;

  // What `auto` means here: of `workers` how many threads, of `limits.connections` how many, of `io` which driver.
  static std::size_t workers_of(const Config& config);
  static std::uint32_t connections_of(const Config& config);
  static DriverKind driver_of(const Config& config);

  // Binds every address for every worker, or adopts the sockets that a process before this one has bound for it; all
  // faults at once. Nothing is accepted before start().
  Result<void> open(ListeningSockets& inherited);
  Result<void> open();  // binds all of them
  // What answers below `server_name`, from now on; outlives the Edge's threads.
  void set_own_api(OwnApi& api);
  void start();  // the tables have been published: the threads run, the listeners open
  // The address that an address of the configuration with port 0 was bound to.
  const std::vector<Address>& https_addresses() const { return https_; }
  const std::vector<Address>& http_addresses() const { return http_; }
  const ListeningSockets::Names& listening() const { return listening_; }  // what is listened on, for the next process

  void publish(std::shared_ptr<const Snapshot> snapshot, std::function<void()> all_live) override;
  void publish(std::shared_ptr<const CertificateTable> certificates, std::function<void()> all_live) override;
  void publish(std::shared_ptr<const TicketKeys> keys);
  void publish(Standing standing);
  void publish(std::shared_ptr<const EndpointSet> down);  // any thread: endpoints that do not answer

  void set_observer(LiveHolds::Observer* observer) override { hold_observer_ = observer; }
  void hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) override;
  void unhold(std::string id, std::function<void()> all_live) override;
  void stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) override;
  void cut(std::string id, std::function<void(std::size_t)> done) override;
  std::optional<Counts> counts(std::string_view id) const override;
  const HoldPool& holds() const { return holds_; }

  // Who keeps windows, and is told of what may begin and end them; at any time, for as long as the workers run.
  void set_maintenance(MaintenanceObserver& observer);
  void set_agent_calls(AgentCallObserver& observer);
  // Of a site whose window was begun in-band. Any thread.
  void resume_in_band(const std::string& site);                // after a start: it was there
  void in_band_ended(const std::string& site, bool gives_up);  // not by the site's word: MaintenanceDetector::ended()

  // Begins the end: listeners close, each connection ends with its next answer. `all_gone` is called, once and on a
  // worker's thread, when the last one has ended.
  void retire(std::function<void()> all_gone);
  void close_idle();                           // while retiring: idle connections close too
  void drain(std::function<void()> all_gone);  // both
  void close_tunnels();
  void stop();  // closes what is left and joins the threads

  bool is_draining() const { return is_draining_; }
  std::size_t worker_count() const { return workers_.size(); }
  DriverKind driver() const { return driver_; }
  std::vector<const WorkerCounters*> counters() const;
  std::int64_t requests_in_flight() const;  // tunnels are none
  std::uint32_t connections() const { return limits_.current(); }
  std::uint64_t rate_limits_forgotten() const { return rate_limits_.forgotten(); }
  bool is_short_of_memory() const { return limits_.is_short_of_memory(); }

  // Asks every worker for a request that ended lately. `done` is called once, on a worker's thread, when all have
  // looked; never when a worker no longer turns.
  void find_request(std::string request_id, std::function<void(std::optional<RecentRequest>)> done);
  // The same, for those that failed last: the newest first, `most` of them.
  void recent_failures(std::size_t most, std::function<void(std::vector<RecentRequest>)> done);

  // Looks for workers that have not turned for a second, in a turn that lasts or not coming back from waiting; to be
  // called about once a second. The longest, zero: none.
  Duration longest_stall();

  // Looks whether memory is short, and takes nobody new in while it is; to be called about once a second.
  void look_at_memory();

 private:
  // Each worker is asked for a sign of life, and again when it has given one.
  struct Pulse {
    TimePoint asked{};
    std::atomic<bool> is_awaited{false};
    Duration stalled{};  // when last looked at
  };

  void on_granted(std::size_t worker, const HoldPool::WindowPtr& window, std::vector<HoldTicket> tickets) override;
  void on_drained(const HoldWindow& window, std::uint64_t epoch) override;
  void on_emptied(const HoldWindow& window, std::uint64_t epoch) override;
  void on_failed(const HoldWindow& window, std::uint64_t epoch) override;

  Result<Address> listen(const Address& address, bool is_https, ListeningSockets& inherited);
  InBand& in_band_of(const std::string& site);
  void post_to_all(const std::function<void(Worker&)>& work, std::function<void()> all_done = {});

  Standing standing_;
  const DriverKind driver_;
  ClientLimits limits_;
  MemoryWatch memory_;
  RateLimits rate_limits_;
  HoldPool holds_;
  std::atomic<LiveHolds::Observer*> hold_observer_ = nullptr;
  std::shared_ptr<const Rules> rules_;  // that the workers have
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::vector<Address> https_;
  std::vector<Address> http_;
  ListeningSockets::Names listening_;
  std::vector<std::unique_ptr<Pulse>> pulses_;  // one a worker
  std::shared_ptr<std::atomic<std::size_t>> draining_workers_;
  std::function<void()> all_gone_;
  bool is_running_ = false;
  std::atomic<bool> is_draining_{false};
};

}  // namespace hybridge
