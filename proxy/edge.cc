#include "proxy/edge.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/process_log.h"
#include "io/acceptor.h"

namespace hybridge {

namespace {
constexpr auto kStall = std::chrono::seconds(1);

// Each client may need a connection upstream; the rest is for logs, the store, listeners and the admin side.
constexpr std::uint64_t kReservedDescriptors = 256;

std::uint64_t descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
  return limit.rlim_cur;
}

ClientLimits::Settings limits_of(const Config& config) {
  // An eighth of the descriptors stays for what is under way: its legs to servers, files, the admin side.
  const auto descriptors = std::min<std::uint64_t>(descriptor_limit(), std::numeric_limits<std::uint32_t>::max());
  return {.connections = Edge::connections_of(config),
          .connections_per_address = config.limits.connections_per_address,
          .requests_per_address = config.limits.requests_per_address,
          .handshakes_per_address = config.limits.handshakes_per_address,
          .descriptors = static_cast<std::uint32_t>(descriptors - descriptors / 8)};
}

HoldLimits hold_limits(const Config& config, std::size_t workers) {
  const auto& holds = config.holds;
  HoldLimits limits;
  limits.per_site = holds.per_site;
  limits.per_server = holds.per_server;
  limits.per_address = holds.per_address;
  limits.total = holds.total;
  limits.memory = holds.memory;
  limits.reserve = holds.reserve;
  limits.server_at_once = config.limits.upstream_connections * static_cast<std::uint32_t>(workers);
  limits.guard = {.share = holds.guard.share, .least = holds.guard.least};
  return limits;
}
}  // namespace

std::size_t Edge::workers_of(const Config& config) {
  if (config.workers != Config::kAuto) return config.workers;
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) return static_cast<std::size_t>(std::max(1, CPU_COUNT(&cpus)));
  return std::max(1u, std::thread::hardware_concurrency());
}

std::uint32_t Edge::connections_of(const Config& config) {
  if (config.limits.connections != Config::kAuto) return config.limits.connections;
  const auto limit = descriptor_limit();
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(64, (limit - std::min(limit, kReservedDescriptors)) / 2));
}

DriverKind Edge::driver_of(const Config& config) {
  const bool wants_ring = config.io == Config::Io::kRing || (config.io == Config::Io::kAuto && ring_refusal().empty());
  return wants_ring ? DriverKind::kRing : DriverKind::kEpoll;
}

Edge::Edge(Standing standing, const Shared& shared, std::size_t workers)
    : standing_(std::move(standing)),
      driver_(driver_of(*standing_.config)),
      limits_(limits_of(*standing_.config)),
      memory_(standing_.config->limits.memory),
      rate_limits_(standing_.config->rate_limits.memory),
      holds_(workers, static_cast<HoldPool::Listener&>(*this)) {
  holds_.set_limits(hold_limits(*standing_.config, workers));
  const Worker::Shared of_workers{.limits = limits_,
                                  .resolver = shared.resolver,
                                  .access_log = shared.access_log,
                                  .certificates = shared.certificates,
                                  .rate_limits = rate_limits_,
                                  .holds = holds_,
                                  .trust = shared.trust,
                                  .client_certificate = shared.client_certificate,
                                  .workers = workers,
                                  .driver = driver_};
  for (std::size_t index = 0; index < workers; ++index) {
    workers_.push_back(std::make_unique<Worker>(of_workers, index, standing_));
  }
  std::vector<Worker*> peers;
  for (const auto& worker : workers_) peers.push_back(worker.get());
  for (const auto& worker : workers_) worker->set_peers(peers);
  for (std::size_t index = 0; index < workers; ++index) pulses_.push_back(std::make_unique<Pulse>());
}

Edge::~Edge() {
  stop();
}

Result<Address> Edge::listen(const Address& address, bool is_https, ListeningSockets& inherited) {
  auto& listening = listening_.emplace_back((is_https ? "https " : "http ") + address.to_string(), std::vector<int>{});
  auto adopted = inherited.take(listening.first);
  if (adopted.empty()) {
    if (auto is_free = Acceptor::check_free(address); !is_free) return is_free.error();
  }
  const auto& behind = standing_.config->listen.proxy_protocol;
  const bool is_behind_proxy = std::find(behind.begin(), behind.end(), address) != behind.end();
  // With port 0 the first worker's socket finds the port that the others share. Of inherited sockets each is accepted
  // from, or who waits there would wait for ever: some workers may have two.
  Address bound = address;
  for (std::size_t i = 0; i < std::max(workers_.size(), adopted.size()); ++i) {
    const auto descriptor = i < adopted.size() ? Result<int>(adopted[i].release()) : Acceptor::listen(bound);
    if (!descriptor) return descriptor.error();
    listening.second.push_back(*descriptor);
    bound = workers_[i % workers_.size()]->listen(*descriptor, is_https, is_behind_proxy);
  }
  return bound;
}

Result<void> Edge::open() {
  ListeningSockets none;
  return open(none);
}

Result<void> Edge::open(ListeningSockets& inherited) {
  std::string faults;
  const auto& config = *standing_.config;
  const auto open_all = [&](const std::vector<Address>& addresses, bool is_https, std::vector<Address>& bound) {
    for (const auto& address : addresses) {
      // All addresses of a family that the machine does not speak are none.
      if (address.is_any() && !Acceptor::has_family(address)) {
        log::info("nothing listens on {}: this machine does not speak IPv6", address.to_string());
        continue;
      }
      const auto result = listen(address, is_https, inherited);
      if (result) {
        bound.push_back(*result);
      } else {
        faults += (faults.empty() ? "" : "\n") + result.error().detail;
      }
    }
  };
  open_all(config.listen.https, true, https_);
  open_all(config.listen.http, false, http_);
  if (!faults.empty()) return make_error(Reason::kIo, faults);
  return {};
}

void Edge::set_own_api(OwnApi& api) {
  post_to_all([&api](Worker& worker) { worker.set_own_api(&api); });
}

void Edge::start() {
  is_running_ = true;
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    auto& worker = *workers_[index];
    worker.open_listeners();
    threads_.emplace_back([&worker] { worker.run(); });
    pthread_setname_np(threads_.back().native_handle(), ("worker-" + std::to_string(index)).c_str());
  }
}

void Edge::post_to_all(const std::function<void(Worker&)>& work, std::function<void()> all_done) {
  if (!is_running_) {
    for (auto& worker : workers_) work(*worker);
    if (all_done) all_done();
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  for (auto& worker : workers_) {
    worker->post([&worker = *worker, work, left, all_done] {
      work(worker);
      if (left->fetch_sub(1) == 1 && all_done) all_done();
    });
  }
}

void Edge::publish(std::shared_ptr<const Snapshot> snapshot, std::function<void()> all_live) {
  if (snapshot->rules() == rules_) {
    post_to_all([snapshot](Worker& worker) { worker.set_snapshot(snapshot); }, std::move(all_live));
    return;
  }
  rules_ = snapshot->rules();
  // Made ready here: compiling a thousand patterns would hold up a worker.
  const auto matchers = std::make_shared<std::map<Worker*, std::unique_ptr<RuleMatcher>>>();
  for (auto& worker : workers_) {
    if (rules_->empty()) break;
    Faults faults;
    auto matcher = RuleMatcher::make(*rules_, faults);
    // They were checked when they were accepted: only another version of RE2 could think otherwise.
    for (const auto& fault : faults.kept()) log::error("rules are not applied: {} {}", fault.path, fault.message);
    matchers->emplace(worker.get(), std::move(matcher));
  }
  post_to_all(
      [snapshot = std::move(snapshot), matchers](Worker& worker) {
        worker.set_snapshot(snapshot);
        const auto made = matchers->find(&worker);
        worker.set_rules(made == matchers->end() ? nullptr : std::move(made->second));
      },
      std::move(all_live));
}

void Edge::publish(std::shared_ptr<const CertificateTable> certificates, std::function<void()> all_live) {
  post_to_all([certificates = std::move(certificates)](Worker& worker) { worker.set_certificates(certificates); },
              std::move(all_live));
}

void Edge::publish(std::shared_ptr<const TicketKeys> keys) {
  post_to_all([keys = std::move(keys)](Worker& worker) { worker.set_ticket_keys(keys); });
}

void Edge::publish(Standing standing) {
  standing_ = standing;
  limits_.update(limits_of(*standing_.config));
  holds_.set_limits(hold_limits(*standing_.config, workers_.size()));
  post_to_all([standing = std::move(standing)](Worker& worker) { worker.set_standing(standing); });
}

void Edge::hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) {
  const auto window = holds_.set(terms, Clock::now());
  post_to_all([window, terms = std::move(terms)](Worker& worker) { worker.gates().apply(window, terms); },
              std::move(all_live));
}

void Edge::unhold(std::string id, std::function<void()> all_live) {
  holds_.remove(id);
  post_to_all([id = std::move(id)](Worker& worker) { worker.gates().remove(id); }, std::move(all_live));
}

void Edge::stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) {
  struct Gathered {
    std::mutex mutex;
    std::vector<Straggler> found;
  };
  const auto gathered = std::make_shared<Gathered>();
  post_to_all(
      [gathered, most, id = std::move(id)](Worker& worker) {
        auto found = worker.gates().stragglers(id, most);
        const std::lock_guard lock(gathered->mutex);
        gathered->found.insert(gathered->found.end(), std::make_move_iterator(found.begin()),
                               std::make_move_iterator(found.end()));
      },
      [gathered, most, done = std::move(done)] {
        auto& found = gathered->found;
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.age_ms > b.age_ms; });
        if (found.size() > most) found.resize(most);
        done(std::move(found));
      });
}

void Edge::cut(std::string id, std::function<void(std::size_t)> done) {
  const auto cut = std::make_shared<std::atomic<std::size_t>>(0);
  post_to_all([cut, id = std::move(id)](Worker& worker) { *cut += worker.gates().cut(id); },
              [cut, done = std::move(done)] { done(*cut); });
}

std::optional<LiveHolds::Counts> Edge::counts(std::string_view id) const {
  const auto window = holds_.find(id);
  if (!window) return std::nullopt;
  const auto facts = holds_.facts(*window);
  Counts counts{.in_flight = window->in_flight(),
                .apart = window->apart(),
                .tunnels = window->tunnels(),
                .waiting = facts.waiting,
                .running = facts.running,
                .outcomes = {}};
  for (std::size_t at = 0; at < counts.outcomes.size(); ++at) {
    counts.outcomes[at] = window->count(static_cast<HoldOutcome>(at));
  }
  return counts;
}

void Edge::on_granted(std::size_t worker, const HoldPool::WindowPtr& window, std::vector<HoldTicket> tickets) {
  auto& owner = *workers_[worker];
  owner.post([&owner, window, tickets = std::move(tickets)] { owner.gates().grant(window->id(), tickets); });
}

void Edge::on_drained(const HoldWindow& window, std::uint64_t epoch) {
  if (auto* const observer = hold_observer_.load()) observer->on_drained(window.id(), epoch);
}

void Edge::on_emptied(const HoldWindow& window, std::uint64_t epoch) {
  if (auto* const observer = hold_observer_.load()) observer->on_emptied(window.id(), epoch);
}

void Edge::on_failed(const HoldWindow& window, std::uint64_t epoch) {
  if (auto* const observer = hold_observer_.load()) observer->on_failed(window.id(), epoch);
}

void Edge::publish(std::shared_ptr<const EndpointSet> down) {
  post_to_all([down = std::move(down)](Worker& worker) { worker.set_down(down); });
}

void Edge::retire(std::function<void()> all_gone) {
  is_draining_ = true;
  all_gone_ = std::move(all_gone);
  draining_workers_ = std::make_shared<std::atomic<std::size_t>>(workers_.size());
  post_to_all([this](Worker& worker) {
    worker.retire([left = draining_workers_, this] {
      if (left->fetch_sub(1) == 1) all_gone_();
    });
  });
}

void Edge::close_idle() {
  post_to_all([](Worker& worker) { worker.close_idle(); });
}

void Edge::drain(std::function<void()> all_gone) {
  retire(std::move(all_gone));
  close_idle();
}

InBand& Edge::in_band_of(const std::string& site) {
  return workers_[InBand::owner_of(site, workers_.size())]->in_band();
}

void Edge::set_maintenance(MaintenanceObserver& observer) {
  post_to_all([&observer](Worker& worker) { worker.in_band().set_observer(observer); });
}

void Edge::set_agent_calls(AgentCallObserver& observer) {
  post_to_all([&observer](Worker& worker) { worker.set_agent_calls(&observer); });
}

void Edge::resume_in_band(const std::string& site) {
  in_band_of(site).post_here([site](InBand& there) { there.resume(site); });
}

void Edge::in_band_ended(const std::string& site, bool gives_up) {
  in_band_of(site).post_here([site, gives_up](InBand& there) { there.ended(site, gives_up); });
}

void Edge::close_tunnels() {
  post_to_all([](Worker& worker) { worker.close_tunnels(); });
}

void Edge::stop() {
  if (!is_running_) return;
  post_to_all([](Worker& worker) { worker.close_all(); });
  for (auto& worker : workers_) worker->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  is_running_ = false;
}

std::vector<const WorkerCounters*> Edge::counters() const {
  std::vector<const WorkerCounters*> all;
  for (const auto& worker : workers_) all.push_back(&worker->counters());
  return all;
}

std::int64_t Edge::requests_in_flight() const {
  std::int64_t all = 0;
  for (const auto& worker : workers_) all += worker->counters().requests_in_flight.value();
  return all;
}

void Edge::look_at_memory() {
  const bool was_short = memory_.is_short();
  if (memory_.look() == was_short) return;
  limits_.set_short_of_memory(!was_short);
  if (was_short) {
    log::info("memory is no longer short");
  } else {
    log::warn("more than {} MiB are in use (limits.memory): nobody new is taken in", memory_.most() >> 20);
  }
}

void Edge::find_request(std::string request_id, std::function<void(std::optional<RecentRequest>)> done) {
  struct Found {
    std::mutex mutex;
    std::optional<RecentRequest> request;
  };
  const auto found = std::make_shared<Found>();
  post_to_all(
      [found, request_id = std::move(request_id)](Worker& worker) {
        const auto* const request = worker.recent_requests().find(request_id);
        if (!request) return;
        const std::lock_guard lock(found->mutex);
        found->request = *request;
      },
      [found, done = std::move(done)] { done(std::move(found->request)); });
}

void Edge::recent_failures(std::size_t most, std::function<void(std::vector<RecentRequest>)> done) {
  struct Found {
    std::mutex mutex;
    std::vector<RecentRequest> requests;
  };
  const auto found = std::make_shared<Found>();
  post_to_all(
      [found, most](Worker& worker) {
        const auto its = worker.recent_requests().failures(most);
        const std::lock_guard lock(found->mutex);
        found->requests.insert(found->requests.end(), its.begin(), its.end());
      },
      [found, most, done = std::move(done)] {
        auto& all = found->requests;
        const auto end_of = [](const RecentRequest& request) {
          const auto record = request.record();
          return record.start_ms + record.timings.total / 1000;
        };
        std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) { return end_of(a) > end_of(b); });
        if (all.size() > most) all.erase(all.begin() + static_cast<std::ptrdiff_t>(most), all.end());
        done(std::move(all));
      });
}

Duration Edge::longest_stall() {
  Duration longest{};
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    auto& worker = *workers_[index];
    auto& pulse = *pulses_[index];
    auto& before = pulse.stalled;
    const auto now = Clock::now();
    const bool is_awaited = pulse.is_awaited.load(std::memory_order_acquire);
    const auto stalled = std::max(worker.loop().stalled_for(), is_awaited ? now - pulse.asked : Duration::zero());
    if (!is_awaited) {
      pulse.asked = now;
      pulse.is_awaited.store(true, std::memory_order_relaxed);
      worker.post([&pulse] { pulse.is_awaited.store(false, std::memory_order_release); });
    }
    if (stalled >= kStall && before < kStall) log::warn("worker {} has not turned for a second", index);
    if (stalled < before && before >= kStall) {
      worker.counters().stalled(std::chrono::duration_cast<std::chrono::microseconds>(before).count());
    }
    before = stalled;
    longest = std::max(longest, stalled);
  }
  return longest;
}

}  // namespace hybridge
