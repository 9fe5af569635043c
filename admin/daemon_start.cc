// How the process comes: from nothing, or in the place of another one that is still there.
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <future>
#include <utility>

#include "admin/daemon.h"
#include "admin/unix_time.h"
#include "base/version.h"

namespace hybridge {

namespace {
constexpr std::size_t kLoaderThreads = 2;
constexpr rlim_t kFewDescriptors = 4096;

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
}  // namespace

Result<Standing> Daemon::make_standing(std::shared_ptr<const Config> config) const {
  auto pages = http::Pages::load(config->pages_dir);
  if (!pages) return pages.error();
  auto certificate = DefaultCertificate::load(*config);
  if (!certificate) return certificate.error();
  return Standing{.config = std::move(config),
                  .pages = std::make_shared<const http::Pages>(std::move(*pages)),
                  .default_certificate = std::move(*certificate)};
}

Result<void> Daemon::open_store(Descriptor lock) {
  auto store = Store::open(config_->state_dir, Store::Access::kServe, std::move(lock));
  if (!store) return store.error();
  store_ = std::move(*store);
  if (auto unlocked = store_->use_vault(config_->state_key); !unlocked) return unlocked;
  // A vault may just have been made.
  return reader_ ? reader_->use_vault(config_->state_key) : Result<void>();
}

Result<void> Daemon::make_edge() {
  auto reader = StateReader::open_beside_older(config_->state_dir);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  if (auto unlocked = reader_->use_vault(config_->state_key); !unlocked) return unlocked;
  auto trust = TrustStore::load(config_->upstream.tls.ca);
  if (!trust) return trust.error();
  trust_ = std::move(*trust);
  if (const auto& files = config_->upstream.tls.certificate; !files.chain.empty()) {
    auto certificate = load_certificate(files);
    if (!certificate) return certificate.error();
    client_certificate_ = std::move(*certificate);
  }
  auto standing = make_standing(config_);
  if (!standing) return standing.error();
  certificate_stamp_ = DefaultCertificate::stamp(*config_);
  const auto workers = Edge::workers_of(*config_);
  access_log_ = std::make_unique<AccessLog>(config_->access_log, workers);
  loaders_ = std::make_unique<Executor>("certificates", kLoaderThreads);
  certificates_ = std::make_unique<CertificateCache>(
      [this](const std::string& name) { return reader_->pairs(name); },
      [this](std::function<void()> work) { loaders_->post(std::move(work)); }, CertificateCache::Limits{},
      [this](const std::string& name, const Error& error) {
        log::error("the certificate of {} cannot be used, the default is served: {}", name, error.detail);
        quarantine_.add_certificate(name, error.detail);
      });
  resolver_ = std::make_unique<Resolver>(config_->upstream.dns.refresh);
  edge_ = std::make_unique<Edge>(std::move(*standing),
                                 Edge::Shared{.resolver = *resolver_,
                                              .access_log = *access_log_,
                                              .certificates = *certificates_,
                                              .trust = trust_,
                                              .client_certificate = client_certificate_},
                                 workers);
  admin_ = std::make_unique<AdminSide>(*config_);
  return {};
}

Result<void> Daemon::bind(ListeningSockets inherited) {
  const auto edge = edge_->open(inherited);
  const auto admin = admin_->open(inherited);
  if (edge && admin) return {};
  if (edge || admin) return edge ? admin : edge;
  return make_error(Reason::kIo, edge.error().detail + "\n" + admin.error().detail);
}

// Before any listener opens: nobody is to be told that his site is unknown because we have just started.
void Daemon::publish_before_listening(const LoadedState& state) {
  for (const auto& fault : state.quarantined.kept()) {
    log::error("a stored record cannot be right and is left out: {}: {}", fault.path, fault.message);
    quarantine_.add(fault);
  }
  const auto snapshot = std::make_shared<const Snapshot>(state.snapshot);
  edge_->publish(std::make_shared<const CertificateTable>(state.certificates), {});
  edge_->publish(snapshot, {});
  if (predecessor_) {
    followed_ = std::make_unique<FollowedTables>(*edge_, *predecessor_, snapshot);
    followed_holds_ = std::make_unique<FollowedHolds>(*edge_, *predecessor_);
  }
  tickets_.emplace(Clock::now(), config_->tls.ticket_rotation, config_->tls.ticket_lifetime,
                   predecessor_ ? predecessor_->offer().ticket_keys : std::vector<TicketKeyring::Aged>{});
  edge_->publish(tickets_->keys());
  // Windows that are on are in force, too. They are looked after when this process may write.
  const auto held = HoldStore::read_live(config_->state_dir);
  if (!held) return log::error("which sites are held cannot be read: {}", held.error().detail);
  for (const auto& record : *held) edge_->hold(std::make_shared<const HoldTerms>(terms_of(record, *snapshot)), {});
}

Result<void> Daemon::start() {
  await_signal();  // by default most of them would end a process that is just being told something
  raise_descriptor_limit();
  keep_memory();
  if (predecessor_ && predecessor_->offer().state_dir != config_->state_dir) {
    return make_error(Reason::kInvalid, "state_dir is another one than " + predecessor_->offer().state_dir +
                                            ", where the running process has its state: that takes a restart");
  }
  if (auto opened = predecessor_ ? Result<void>() : open_store({}); !opened) return opened;
  if (auto made = make_edge(); !made) return made;
  auto state = reader_->load();
  if (!state) return state.error();
  Descriptor lock;
  if (predecessor_) {
    auto frozen = predecessor_->prepared();
    if (!frozen) return frozen.error();
    lock = std::move(*frozen);
    // It has written until now.
    if (!reader_->reads_copy()) state = reader_->load();
    if (!state) return state.error();
  }
  if (auto bound = bind(predecessor_ ? predecessor_->take_sockets() : ListeningSockets()); !bound) return bound;
  publish_before_listening(*state);
  if (auto made = predecessor_ ? Result<void>() : make_api(*state); !made) return made;
  edge_->start();
  if (predecessor_) {
    if (auto taken = take_over(std::move(lock)); !taken) return taken;
    if (auto made = make_api(*state); !made) return made;
  }
  holds_->start();
  if (auto made = make_prober(); !made) return made;
  admin_->start(*admin_front_);
  watch();
  log::info("hybridge {} serves with {} workers on {}", kVersion, edge_->worker_count(),
            edge_->driver() == DriverKind::kRing ? "io_uring" : "epoll");
  notifier_.ready();
  return {};
}

// What can fail is done while the other process can still go on; a new schema only when it cannot come back to it.
Result<void> Daemon::take_over(Descriptor lock) {
  const bool is_migration = reader_->reads_copy();
  if (!is_migration) {
    if (auto opened = open_store(std::move(lock)); !opened) return opened;
  }
  predecessor_->serving();
  if (!is_migration) return {};
  if (auto opened = open_store(std::move(lock)); !opened) return opened;
  return reader_->reopen();
}

// Behind the Publisher: a window may move its site when it ends.
Result<void> Daemon::open_holds() {
  auto store = HoldStore::open(config_->state_dir);
  if (!store) return store.error();
  hold_store_ = std::move(*store);
  holds_ = std::make_unique<HoldRegistry>(HoldRegistry::Ports{
      .store = *hold_store_,
      .workers = followed_holds_ ? static_cast<LiveHolds&>(*followed_holds_) : *edge_,
      .tip = [this] { return publisher_->tip(); },
      .submit = [this](Write write, Publisher::Done done) { publisher_->submit(std::move(write), std::move(done)); },
      .before = [this](const std::vector<std::string>& sites) { return pace_.basis(sites); },
      .again_after = config_->holds.guard.again_after,
  });
  holds_->add_listener(static_cast<HoldRegistry::Listener&>(*this));
  in_band_ = std::make_unique<InBandClaims>(
      *holds_, InBandClaims::Workers{
                   .resume = [this](const std::string& site) { edge_->resume_in_band(site); },
                   .ended = [this](const std::string& site, bool gives_up) { edge_->in_band_ended(site, gives_up); },
               });
  if (auto restored = holds_->restore(); !restored) return restored;
  in_band_->resume();
  edge_->set_maintenance(*in_band_);
  agent_windows_ = std::make_unique<AgentWindows>(*holds_);
  agent_calls_ = std::make_unique<AgentCalls>(*agent_windows_, [this](const auto& site, const auto& address) {
    return is_on_server(*publisher_->tip().snapshot, site, address);
  });
  agent_windows_->resume(*agent_calls_);
  edge_->set_agent_calls(*agent_calls_);
  return {};
}

Result<void> Daemon::make_prober() {
  const auto& health = config_->upstream.health;
  if (health.check.interval == Config::Duration::zero()) return {};
  auto tls = ClientContext::make(client_options(*config_, client_certificate_), trust_);
  if (!tls) return tls.error();
  prober_ = std::make_unique<HealthProber>(
      HealthProber::Settings{.interval = health.check.interval,
                             .timeout = health.check.timeout,
                             .path = health.check.path,
                             .failures = health.failures},
      [this] { return publisher_->tip().snapshot; }, *resolver_, std::move(*tls),
      static_cast<HealthProber::Observer&>(*this));
  return {};
}

Result<void> Daemon::make_api(const LoadedState& state) {
  publishing_ = std::make_unique<Executor>("publisher");
  LiveTables& tables = followed_ ? static_cast<LiveTables&>(*followed_) : *edge_;
  // No other run of the process counts from here: events do not come every microsecond.
  events_ = std::make_unique<EventLog>(state.revision, static_cast<std::uint64_t>(unix_microseconds()));
  publisher_ =
      std::make_unique<Publisher>(*publishing_, *store_, tables, state, static_cast<Publisher::Observer*>(this));
  metrics_ = std::make_unique<Metrics>(Metrics::Sources{
      .version = std::string(kVersion),
      .revision = std::string(kSourceRevision),
      .workers = edge_->counters(),
      .process = &counters_,
      .certificates = [this] { return publisher_->tip().certificates->size(); },
      .expiring = [this](std::size_t most) { return expiring(most); },
      .access_log_dropped = [this] { return access_log_->dropped(); },
      .rate_limits_forgotten = [this] { return edge_->rate_limits_forgotten(); },
      .quarantined = [this] { return quarantine_.count(); },
      .holds = [this] { return hold_figures(); },
      .health = [this] { return health(); },
  });
  std::promise<void> loaded;
  publisher_->publish_loaded([&loaded] { loaded.set_value(); });
  loaded.get_future().wait();
  if (auto opened = open_holds(); !opened) return opened;
  api_ = std::make_unique<AdminApi>(AdminApi::Sources{
      .publisher = *publisher_,
      .reader = *reader_,
      .events = *events_,
      .post = [this](std::function<void()> work) { admin_->loop().post(std::move(work)); },
      .status = [this] { return status(); },
      .metrics = [this] { return metrics_->text(); },
      .config = [this] { return config(); },
      .upgrade = [this] { return upgrade_from(std::chrono::seconds(2)); },
      .holds = holds_.get(),
      .workers = {.counters = edge_->counters(),
                  .find_request = [this](std::string id, auto found) { edge_->find_request(std::move(id), found); },
                  .recent_failures = [this](std::size_t most, auto found) { edge_->recent_failures(most, found); }},
      .traffic = [this] { return traffic_.seconds(); },
      .health = [this] { return prober_ ? prober_->states() : ServerStates(); },
  });
  housekeeping_ = std::make_unique<Housekeeping>(
      *publishing_, *publisher_,
      Housekeeping::Keep{.audit = std::chrono::duration_cast<std::chrono::seconds>(config_->audit.keep)},
      unix_microseconds);
  housekeeping_->begin();
  auto own_api = make_own_api_(
      {.publisher = *publisher_, .reader = *reader_, .config = [this] { return this->config(); }, .holds = *holds_});
  if (!own_api) return own_api.error();
  own_api_ = std::move(*own_api);
  monitoring_ = std::make_unique<Monitoring>(Monitoring::Sources{
      .reader = *reader_,
      .status = {.publisher = *publisher_,
                 .status = [this] { return status(); },
                 .metrics = [this] { return metrics_->text(); },
                 .now = [] { return unix_microseconds() / 1'000'000; },
                 .upgrade = {}},
      .config = [this] { return config(); },
  });
  own_front_ = std::make_unique<OwnFront>(*own_api_, *monitoring_);
  edge_->set_own_api(*own_front_);
  admin_front_ = std::make_unique<AdminFront>(
      *api_, *own_api_, [this](std::function<void()> work) { admin_->loop().post(std::move(work)); });
  return {};
}

}  // namespace hybridge
