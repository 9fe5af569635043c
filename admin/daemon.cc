#include "admin/daemon.h"
#include "admin/hold_json.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <utility>

#include "admin/events_api.h"
#include "admin/hold_json.h"
#include "admin/unix_time.h"
#include "base/version.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr auto kWatch = std::chrono::seconds(1);
constexpr std::size_t kQuarantinedTold = 20;

void say_faults(const std::vector<std::string>& faults) {
  for (const auto& fault : faults) std::fprintf(stderr, "%s\n", fault.c_str());
}

bool same_until_restart(const Config& now, const Config& next) {
  return now.workers == next.workers && now.io == next.io && now.state_dir == next.state_dir &&
         now.state_key == next.state_key && now.listen == next.listen && now.admin == next.admin &&
         now.access_log == next.access_log && now.audit == next.audit && now.tls == next.tls &&
         now.upstream.tls == next.upstream.tls && now.upstream.dns == next.upstream.dns &&
         now.upstream.health.check == next.upstream.health.check && now.limits.memory == next.limits.memory &&
         now.rate_limits.memory == next.rate_limits.memory;
}

log::Level level_of(Config::LogLevel level) {
  switch (level) {
    case Config::LogLevel::kDebug:
      return log::Level::kDebug;
    case Config::LogLevel::kInfo:
      return log::Level::kInfo;
    case Config::LogLevel::kWarn:
      return log::Level::kWarn;
    case Config::LogLevel::kError:
      break;
  }
  return log::Level::kError;
}
}  // namespace

Daemon::Daemon(std::vector<std::string> command, std::string config_path, Config config,
               std::unique_ptr<Predecessor> predecessor, MakeOwnApi make_own_api)
    : command_(std::move(command)),
      config_path_(std::move(config_path)),
      make_own_api_(std::move(make_own_api)),
      config_(std::make_shared<const Config>(std::move(config))),
      log_(level_of(config_->log.level)),
      notifier_(ServiceNotifier::from_environment()),
      predecessor_(std::move(predecessor)),
      signals_(control_),
      watch_(control_),
      deadline_(control_) {}

std::shared_ptr<const Config> Daemon::config() const {
  const std::lock_guard lock(config_mutex_);
  return config_;
}

void Daemon::await_signal() {
  boost::system::error_code ignored;
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2}) signals_.add(signal, ignored);
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    on_signal(signal);
    await_signal();
  });
}

void Daemon::on_signal(int signal) {
  switch (signal) {
    case SIGHUP:
      reload();
      break;
    case SIGUSR1:
      access_log_->reopen();
      break;
    case SIGUSR2:
      if (auto begun = upgrade(); !begun) log::error("no upgrade: {}", begun.error().detail);
      break;
    default:
      drain();
      break;
  }
}

void Daemon::watch() {
  pace_.look(edge_->counters(), Clock::now());
  traffic_.look(TrafficHistory::totals_of(edge_->counters()), Clock::now());
  const auto stalled = edge_->longest_stall();
  edge_->look_at_memory();
  const bool all_turn = stalled < notifier_.watchdog().value_or(std::chrono::seconds(0)) / 3;
  if (all_turn && !is_retired_) notifier_.alive();
  if (tickets_->rotate(Clock::now())) edge_->publish(tickets_->keys());
  if (is_retired_) {
    // Tunnels are kept to the end of the time that they have: their clients would only come again.
  } else if (edge_->is_draining()) {
    // Only tunnels are left: nothing is under way that could be waited for.
    if (edge_->requests_in_flight() == 0) edge_->close_tunnels();
  } else {
    look_at_certificate();
  }
  watch_.expires_after(kWatch);
  watch_.async_wait([this](const boost::system::error_code& error) {
    if (!error) watch();
  });
}

void Daemon::look_at_certificate() {
  const auto stamp = DefaultCertificate::stamp(*config_);
  if (stamp == certificate_stamp_) return;
  certificate_stamp_ = stamp;
  auto standing = make_standing(config_);
  if (!standing) {
    log::error("the default certificate has changed and cannot be used, the old one stays: {}",
               standing.error().detail);
    return;
  }
  edge_->publish(std::move(*standing));
  log::info("the default certificate has changed and is served");
}

void Daemon::reload() {
  if (edge_->is_draining()) return;  // what serves on is another process's affair
  notifier_.reloading();
  auto config = load_config(config_path_);
  std::string faults;
  if (config) {
    for (const auto& fault : check_files(*config)) faults += "\n" + fault;
  } else {
    faults = "\n" + config.error().detail;
  }
  if (!faults.empty()) {
    log::error("the configuration was not taken, the old one stays:{}", faults);
    notifier_.ready();
    return;
  }
  if (!same_until_restart(*config_, *config)) {
    log::warn(
        "workers, io, state_dir, state_key, listen, admin, access_log, audit, tls, upstream.tls, upstream.dns, "
        "upstream.health.check, limits.memory and rate_limits.memory change at the next start only");
  }
  auto next = std::make_shared<const Config>(std::move(*config));
  auto standing = make_standing(next);
  if (!standing) {
    log::error("the configuration was not taken, the old one stays: {}", standing.error().detail);
  } else {
    {
      const std::lock_guard lock(config_mutex_);
      config_ = std::move(next);
    }
    certificate_stamp_ = DefaultCertificate::stamp(*config_);
    log_.set_level(level_of(config_->log.level));
    edge_->publish(std::move(*standing));
    log::info("the configuration was read again");
  }
  notifier_.ready();
}

StatusFacts Daemon::status() const {
  StatusFacts facts;
  facts.version = std::string(kVersion);
  facts.uptime_s = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_).count();
  facts.workers = edge_->worker_count();
  facts.connections = edge_->connections();
  facts.quarantined_count = quarantine_.count();
  facts.quarantined = quarantine_.first(kQuarantinedTold);
  if (edge_->is_draining()) facts.not_ready = "draining";
  facts.pid = ::getpid();
  if (prober_) {
    for (const auto& [name, server] : prober_->states()) {
      ++(server.is_up ? facts.servers_up : facts.servers_down_count);
      if (server.is_up || facts.servers_down.size() == StatusFacts::kServersShown) continue;
      const auto& why = server.endpoints.empty() ? std::string() : server.endpoints.front().fault;
      facts.servers_down.push_back({name, server.since_ms, why});
    }
  }
  const std::lock_guard lock(config_mutex_);
  facts.upgrade = upgrade_;
  return facts;
}

// The certificates that expire first, soonest first.
std::vector<Metrics::Expiry> Daemon::expiring(std::size_t most) const {
  std::vector<Metrics::Expiry> all;
  const auto table = publisher_->tip().certificates;
  all.reserve(table->size());
  table->for_each([&](const std::string& name, const CertificateTable::Entry& entry) {
    all.push_back({.host = name, .unix_seconds = entry.not_after});
  });
  const auto sooner = [](const Metrics::Expiry& a, const Metrics::Expiry& b) {
    return a.unix_seconds < b.unix_seconds;
  };
  const auto kept = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(), sooner);
  all.resize(kept);
  return all;
}

void Daemon::on_hold_changed(const HoldRecord& record, const std::string& action) {
  events_->add(EventKind::kHold, event_json(record, action));
}

HoldFigures Daemon::hold_figures() const {
  auto figures = holds_->figures();
  const auto& pool = edge_->holds();
  for (std::size_t at = 0; at < figures.outcomes.size(); ++at) {
    figures.outcomes[at] = pool.total(static_cast<HoldOutcome>(at));
  }
  figures.waiting = pool.waiting();
  figures.memory = pool.memory();
  return figures;
}

void Daemon::on_published(std::uint64_t revision, Duration took) {
  counters_.published(revision, unix_microseconds() / 1000,
                      std::chrono::duration_cast<std::chrono::microseconds>(took).count());
}

void Daemon::on_planned(const StoreWrite& write, const Snapshot& before) {
  if (holds_) holds_->plan_to_write(write.changes, before);
}

void Daemon::on_written(const StoreWrite& write, bool live) {
  quarantine_.heal(write);
  if (holds_) holds_->has_written(write.changes);
  tell(*events_, write.audit, live);
}

std::map<std::string, Metrics::Health> Daemon::health() const {
  std::map<std::string, Metrics::Health> all;
  if (!prober_) return all;
  for (const auto& [name, server] : prober_->states()) {
    auto& health = all[name];
    health.is_up = server.is_up;
    for (const auto& endpoint : server.endpoints) health.endpoints_down += endpoint.is_up ? 0 : 1;
  }
  return all;
}

void Daemon::on_server_health(const std::string& server, const HealthProber::ServerState& state) {
  if (state.is_up) {
    log::info("server {} answers again", server);
  } else {
    log::warn("server {} does not answer: {}", server, state.endpoints.front().fault);
  }
  std::string told = "{\"server\":";
  append_json_string(told, server);
  told += state.is_up ? ",\"up\":true}" : ",\"up\":false,\"why\":";
  if (!state.is_up) {
    append_json_string(told, state.endpoints.front().fault);
    told += '}';
  }
  events_->add(EventKind::kHealth, std::move(told));
}

void Daemon::on_store_failed(const Error& error) {
  log::error("the store refuses writes: {}", error.detail);
}

void Daemon::drain() {
  if (edge_->is_draining()) {
    log::info("a second signal: stopping at once");
    control_.stop();
    return;
  }
  if (successor_) successor_->stop();
  notifier_.stopping();
  log::info("draining: listeners are closed, requests under way have {} s",
            std::chrono::duration_cast<std::chrono::seconds>(config_->shutdown_timeout).count());
  edge_->drain([this] { boost::asio::post(control_, [this] { control_.stop(); }); });
  end_within(config_->shutdown_timeout);
}

void Daemon::end_within(Duration bound) {
  deadline_.expires_after(bound);
  deadline_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    log::warn("{} connections did not end in time and are cut", edge_->connections());
    control_.stop();
  });
}

Result<void> Daemon::upgrade() {
  if (::getpid() == 1) {
    return make_error(Reason::kConflict,
                      "as process 1 of a container its end would end the new one: replace the container");
  }
  if (edge_->is_draining()) return make_error(Reason::kConflict, "this process is ending");
  if (successor_ && successor_->is_under_way()) return make_error(Reason::kConflict, "an upgrade is under way already");
  auto ends = HandoverChannel::make_pair();
  if (!ends) return ends.error();
  {
    const std::lock_guard lock(config_mutex_);
    upgrade_ = "under way";
  }
  log::info("upgrade: starting {} to take over", command_.front());
  HandoverOffer offer{.version = std::string(kVersion),
                      .pid = ::getpid(),
                      .state_dir = config_->state_dir,
                      .sockets = {},
                      .ticket_keys = tickets_->aged(Clock::now())};
  const Successor::Sources sources{*edge_, *admin_, *publisher_, *holds_, *events_, *store_, notifier_};
  successor_ = std::make_unique<Successor>(sources, std::move(*ends), command_, std::move(offer),
                                           config_->upgrade_timeout, static_cast<Successor::Observer&>(*this));
  return {};
}

Result<void> Daemon::upgrade_from(Duration patience) {
  const auto begun = std::make_shared<std::promise<Result<void>>>();
  boost::asio::post(control_, [this, begun] { begun->set_value(upgrade()); });
  auto answer = begun->get_future();
  if (answer.wait_for(patience) != std::future_status::ready) return make_error(Reason::kIo, "this process is busy");
  return answer.get();
}

void Daemon::on_handover_failed(const Error& why) {
  log::error("no upgrade, this process goes on: {}", why.detail);
  const std::lock_guard lock(config_mutex_);
  upgrade_ = "failed: " + why.detail;
}

void Daemon::on_handed_over(pid_t successor) {
  boost::asio::post(control_, [this, successor] { retire(successor); });
}

// Requests and tunnels under way have as long as at a stop; who only keeps his connection open may use it once more,
// because a request may be on its way, and is sent elsewhere with the answer.
void Daemon::retire(pid_t successor) {
  is_retired_ = true;
  if (prober_) prober_->stop();
  const auto bound = config_->shutdown_timeout;
  log::info("process {} has taken over; what is under way here has {} ms", successor, bound.count());
  edge_->retire([this] { boost::asio::post(control_, [this] { control_.stop(); }); });
  deadline_.expires_after(bound / 2);
  deadline_.async_wait([this, bound](const boost::system::error_code& error) {
    if (error) return;
    edge_->close_idle();
    end_within(bound / 2);
  });
}

void Daemon::end() {
  if (admin_) admin_->stop();
  if (edge_) edge_->stop();
  if (predecessor_) predecessor_->stop();
  if (successor_) successor_->stop();
  if (prober_) prober_->stop();
  // Whoever could still call somebody else goes before those it could call.
  if (publishing_) publishing_->stop();  // what it answers belongs to the APIs
  own_api_.reset();
  monitoring_.reset();
  api_.reset();
  if (publishing_) publishing_->stop();
  if (agent_calls_) agent_calls_->stop();
  holds_.reset();
  in_band_.reset();
  agent_calls_.reset();
  publishing_.reset();
  predecessor_.reset();
  successor_.reset();
  publisher_.reset();
  followed_.reset();
  followed_holds_.reset();
  loaders_.reset();
  prober_.reset();
  resolver_.reset();
  admin_.reset();
  metrics_.reset();
  edge_.reset();
  access_log_.reset();
  log::info("stopped");
}

int run_daemon(const std::string& program, const std::string& config_path, const MakeOwnApi& make_own_api) {
  std::signal(SIGPIPE, SIG_IGN);
  auto predecessor = Predecessor::from_environment();
  if (!predecessor) {
    say_faults({predecessor.error().detail});
    return 1;
  }
  const auto refuse = [](Predecessor* told, const std::string& why) {
    if (told) told->failed(why);
    return 1;
  };
  auto config = load_config(config_path);
  auto faults = config ? check_files(*config) : std::vector<std::string>{config.error().detail};
  if (!faults.empty()) {
    say_faults(faults);
    return refuse(predecessor->get(), faults.front());
  }
  Daemon daemon{
      {program, "run", "-c", config_path}, config_path, std::move(*config), std::move(*predecessor), make_own_api};
  if (auto started = daemon.start(); !started) {
    log::error("{}", started.error().detail);
    return refuse(daemon.predecessor(), started.error().detail);
  }
  daemon.serve();
  return 0;
}

}  // namespace hybridge
