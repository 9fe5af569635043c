#include "admin/daemon.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/admin_api.h"
#include "admin/admin_side.h"
#include "admin/executor.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "base/process_log.h"
#include "base/sd_notify.h"
#include "base/version.h"
#include "proxy/access_log.h"
#include "proxy/config.h"
#include "proxy/default_certificate.h"
#include "proxy/edge.h"
#include "proxy/metrics.h"
#include "proxy/upstream/resolver.h"
#include "tls/ticket_keys.h"
#include "tls/trust_store.h"

namespace hybridge {

namespace {
using boost::asio::steady_timer;

constexpr auto kWatch = std::chrono::seconds(1);
constexpr std::size_t kLoaderThreads = 2;
constexpr rlim_t kFewDescriptors = 4096;

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

// As many descriptors as we are allowed; a word when they are few.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kFewDescriptors) {
    log::warn("only {} file descriptors are allowed: raise LimitNOFILE or `ulimit -n` (65536 is a good start)",
              limit.rlim_cur);
  }
}

// glibc gives memory back to the kernel at every lull and takes it again at the next megabyte; a server keeps it.
void keep_memory() {
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

void say_faults(const std::vector<std::string>& faults) {
  for (const auto& fault : faults) std::fprintf(stderr, "%s\n", fault.c_str());
}

bool same_until_restart(const Config& now, const Config& next) {
  return now.workers == next.workers && now.io == next.io && now.state_dir == next.state_dir &&
         now.listen == next.listen && now.admin == next.admin && now.access_log == next.access_log &&
         now.tls == next.tls && now.upstream.tls == next.upstream.tls && now.upstream.dns == next.upstream.dns &&
         now.limits.connections == next.limits.connections &&
         now.limits.connections_per_address == next.limits.connections_per_address;
}
}  // namespace

class Daemon final : private Publisher::Observer {
 public:
  Daemon(std::string config_path, Config config)
      : config_path_(std::move(config_path)),
        config_(std::make_shared<const Config>(std::move(config))),
        log_(level_of(config_->log.level)),
        notifier_(ServiceNotifier::from_environment()),
        signals_(control_),
        watch_(control_),
        deadline_(control_) {}

  ~Daemon() { end(); }

  Result<void> start();
  void serve() { control_.run(); }

 private:
  Result<Standing> make_standing(std::shared_ptr<const Config> config) const;
  Result<void> open_state();
  Result<void> open_edge();
  Result<void> open_admin();

  void await_signal();
  void on_signal(int signal);
  void watch();
  void reload();
  void look_at_certificate();
  void drain();
  void end();
  StatusFacts status() const;
  std::shared_ptr<const Config> config() const;  // any thread
  std::vector<Metrics::Expiry> expiring(std::size_t most) const;
  void on_published(std::uint64_t revision, Duration took) override;
  void on_store_failed(const Error& error) override;

  const std::string config_path_;
  std::shared_ptr<const Config> config_;  // changed by this thread only, under the mutex
  mutable std::mutex config_mutex_;
  ProcessLog log_;
  const ServiceNotifier notifier_;
  const TimePoint began_ = Clock::now();

  std::unique_ptr<Store> store_;
  std::unique_ptr<StateReader> reader_;
  std::shared_ptr<TrustStore> trust_;
  std::unique_ptr<AccessLog> access_log_;
  std::unique_ptr<CertificateCache> certificates_;
  std::unique_ptr<Executor> loaders_;     // of certificates at their first use
  std::unique_ptr<Executor> publishing_;  // the store's one thread
  std::unique_ptr<Resolver> resolver_;
  std::optional<TicketKeyring> tickets_;
  ProcessCounters counters_;
  std::unique_ptr<Edge> edge_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<AdminSide> admin_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<AdminApi> api_;
  DefaultCertificate::Stamp certificate_stamp_;

  boost::asio::io_context control_{1};
  boost::asio::signal_set signals_;
  steady_timer watch_;
  steady_timer deadline_;
};

Result<Standing> Daemon::make_standing(std::shared_ptr<const Config> config) const {
  auto pages = http::Pages::load(config->pages_dir);
  if (!pages) return pages.error();
  auto certificate = DefaultCertificate::load(*config);
  if (!certificate) return certificate.error();
  return Standing{.config = std::move(config),
                  .pages = std::make_shared<const http::Pages>(std::move(*pages)),
                  .default_certificate = std::move(*certificate)};
}

Result<void> Daemon::open_state() {
  auto store = Store::open(config_->state_dir, Store::Access::kServe);
  if (!store) return store.error();
  store_ = std::move(*store);
  auto reader = StateReader::open(config_->state_dir);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  auto trust = TrustStore::load(config_->upstream.tls.ca);
  if (!trust) return trust.error();
  trust_ = std::move(*trust);
  return {};
}

Result<void> Daemon::open_edge() {
  auto standing = make_standing(config_);
  if (!standing) return standing.error();
  certificate_stamp_ = DefaultCertificate::stamp(*config_);
  const auto workers = Edge::workers_of(*config_);
  access_log_ = std::make_unique<AccessLog>(config_->access_log, workers);
  loaders_ = std::make_unique<Executor>("certificates", kLoaderThreads);
  certificates_ = std::make_unique<CertificateCache>(
      [this](const std::string& name) { return reader_->pairs(name); },
      [this](std::function<void()> work) { loaders_->post(std::move(work)); }, CertificateCache::Limits{},
      [](const std::string& name, const Error& error) {
        log::error("the certificate of {} cannot be used, the default is served: {}", name, error.detail);
      });
  resolver_ = std::make_unique<Resolver>(config_->upstream.dns.refresh);
  edge_ = std::make_unique<Edge>(
      std::move(*standing),
      Edge::Shared{.resolver = *resolver_, .access_log = *access_log_, .certificates = *certificates_, .trust = trust_},
      workers);
  return edge_->open();
}

Result<void> Daemon::start() {
  raise_descriptor_limit();
  keep_memory();
  if (auto opened = open_state(); !opened) return opened;
  if (auto opened = open_edge(); !opened) return opened;
  if (auto opened = open_admin(); !opened) return opened;
  tickets_.emplace(Clock::now(), config_->tls.ticket_rotation);
  edge_->publish(tickets_->keys());
  edge_->start();
  admin_->start();
  await_signal();
  watch();
  log::info("hybridge {} serves with {} workers on {}", kVersion, edge_->worker_count(),
            edge_->driver() == DriverKind::kRing ? "io_uring" : "epoll");
  notifier_.ready();
  return {};
}

Result<void> Daemon::open_admin() {
  auto state = reader_->load();
  if (!state) return state.error();
  for (const auto& fault : state->quarantined.kept()) {
    log::error("a stored record cannot be right and is left out: {}: {}", fault.path, fault.message);
  }
  admin_ = std::make_unique<AdminSide>(*config_);
  publishing_ = std::make_unique<Executor>("publisher");
  publisher_ =
      std::make_unique<Publisher>(*publishing_, *store_, *edge_, *state, static_cast<Publisher::Observer*>(this));
  metrics_ = std::make_unique<Metrics>(Metrics::Sources{
      .version = std::string(kVersion),
      .revision = std::string(kSourceRevision),
      .workers = edge_->counters(),
      .process = &counters_,
      .certificates = [this] { return publisher_->tip().certificates->size(); },
      .expiring = [this](std::size_t most) { return expiring(most); },
      .access_log_dropped = [this] { return access_log_->dropped(); },
  });
  // Before any listener opens: nobody is to be told that his site is unknown because we have just started.
  std::promise<void> loaded;
  publisher_->publish_loaded([&loaded] { loaded.set_value(); });
  loaded.get_future().wait();
  api_ = std::make_unique<AdminApi>(AdminApi::Sources{
      .publisher = *publisher_,
      .reader = *reader_,
      .post = [this](std::function<void()> work) { admin_->loop().post(std::move(work)); },
      .status = [this] { return status(); },
      .metrics = [this] { return metrics_->text(); },
      .config = [this] { return config(); },
  });
  return admin_->open(*api_);
}

std::shared_ptr<const Config> Daemon::config() const {
  const std::lock_guard lock(config_mutex_);
  return config_;
}

void Daemon::await_signal() {
  boost::system::error_code ignored;
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1}) signals_.add(signal, ignored);
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
    default:
      drain();
      break;
  }
}

void Daemon::watch() {
  const auto stalled = edge_->longest_stall();
  if (stalled < std::chrono::seconds(10)) notifier_.alive();
  if (tickets_->rotate(Clock::now())) edge_->publish(tickets_->keys());
  if (edge_->is_draining()) {
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
        "workers, io, state_dir, listen, admin, access_log, tls, upstream.tls, upstream.dns and the limits on "
        "connections change at the next start only");
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
  if (edge_->is_draining()) facts.not_ready = "draining";
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

void Daemon::on_published(std::uint64_t revision, Duration took) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  counters_.published(revision, std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                      std::chrono::duration_cast<std::chrono::microseconds>(took).count());
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
  notifier_.stopping();
  log::info("draining: listeners are closed, requests under way have {} s",
            std::chrono::duration_cast<std::chrono::seconds>(config_->shutdown_timeout).count());
  edge_->drain([this] { boost::asio::post(control_, [this] { control_.stop(); }); });
  deadline_.expires_after(config_->shutdown_timeout);
  deadline_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    log::warn("{} connections did not end in time and are cut", edge_->connections());
    control_.stop();
  });
}

void Daemon::end() {
  if (admin_) admin_->stop();
  if (edge_) edge_->stop();
  // Whoever could still call somebody else goes before those it could call.
  api_.reset();
  publishing_.reset();
  publisher_.reset();
  loaders_.reset();
  resolver_.reset();
  admin_.reset();
  metrics_.reset();
  edge_.reset();
  access_log_.reset();
  log::info("stopped");
}

int run_daemon(const std::string& config_path) {
  std::signal(SIGPIPE, SIG_IGN);
  auto config = load_config(config_path);
  if (!config) {
    say_faults({config.error().detail});
    return 1;
  }
  if (const auto faults = check_files(*config); !faults.empty()) {
    say_faults(faults);
    return 1;
  }
  Daemon daemon{config_path, std::move(*config)};
  if (auto started = daemon.start(); !started) {
    log::error("{}", started.error().detail);
    return 1;
  }
  daemon.serve();
  return 0;
}

}  // namespace hybridge
