#include "proxy/upstream/server.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "io/loop.h"

namespace hybridge {

namespace {
// So many endpoints are tried for one request; with more than that down, one more would hardly help.
constexpr std::size_t kEndpointsTried = 8;

std::uint64_t microseconds_between(TimePoint begin, TimePoint end) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count());
}
}  // namespace

// A place under the bounds that a request has while it looks for a connection; passed on to its Lease by keep().
class UpstreamServer::Place {
 public:
  Place(UpstreamServer& server, UpstreamSiteUse& use) : server_(server), use_(&use) {}
  ~Place() {
    if (use_) server_.leave(*use_);
  }
  Place(const Place&) = delete;
  UpstreamSiteUse* keep() { return std::exchange(use_, nullptr); }

 private:
  UpstreamServer& server_;
  UpstreamSiteUse* use_;
};

UpstreamServer::UpstreamServer(UpstreamEndpoint::Shared& shared, UpstreamTls& tls, std::shared_ptr<const Server> server)
    : shared_(shared), tls_(tls), server_(std::move(server)), wait_timer_(shared.loop.timers(), *this) {
  for (const auto& endpoint : server_->endpoints) {
    endpoints_.push_back(make_endpoint(endpoint));
  }
  last_used_ = shared_.loop.now();
  sweep();
}

std::unique_ptr<UpstreamEndpoint> UpstreamServer::make_endpoint(const Endpoint& configured) {
  UpstreamEndpoint::Owner& owner = *this;
  auto endpoint = std::make_unique<UpstreamEndpoint>(shared_, owner, configured);
  endpoint->is_said_down = is_said_down(configured);
  return endpoint;
}

bool UpstreamServer::is_said_down(const Endpoint& configured) const {
  return shared_.down && shared_.down->contains(endpoint_key(server_->name, configured));
}

void UpstreamServer::heed_down() {
  for (const auto& endpoint : endpoints_) endpoint->is_said_down = is_said_down(endpoint->configured());
}

UpstreamServer::~UpstreamServer() {
  is_ending_ = true;
  const auto error = make_error(Reason::kShuttingDown);
  while (!arrivals_.empty()) {
    auto& request = arrivals_.front();
    dequeue(request);
    request.end_wait(error);
  }
  for (const auto& endpoint : endpoints_) endpoint->end_all(error);
  for (const auto& endpoint : retired_) endpoint->end_all(error);
  if (shared_.observer) shared_.observer->upstream_server_dropped(server_->name);
}

// ---- Leasing ----

Task<Result<Lease>> UpstreamServer::lease(LeaseRequest& request) {
  request.queue_microseconds = request.connect_microseconds = 0;
  last_used_ = shared_.loop.now();
  auto& use = use_of(request.site);
  if (auto refused = refusal(request, use)) co_return std::move(*refused);
  if (request.is_probe || has_place(use)) {
    ++in_use_;
    ++use.in_use;
  } else {
    enqueue(request, use);
    const auto began = shared_.loop.now();
    co_await request.waiter_.wait();
    request.queue_microseconds = microseconds_between(began, shared_.loop.now());
    if (request.wait_error_) co_return *std::exchange(request.wait_error_, std::nullopt);
  }
  Place place(*this, use);

  std::array<UpstreamEndpoint*, kEndpointsTried> tried{};
  std::size_t tried_count = 0;
  std::optional<Error> error;
  while (tried_count < tried.size()) {
    auto* endpoint = choose(request, std::span(tried).first(tried_count));
    if (!endpoint) break;
    endpoint->resolve();
    if (!request.is_probe) endpoint->pace().requested(last_used_);
    if (!request.fresh_only) {
      if (auto* idle = endpoint->take_idle(!request.is_safe)) {
        idle->site_use = place.keep();
        co_return Lease(*this, *idle);
      }
    }
    tried[tried_count++] = endpoint;
    if (!request.is_probe && !endpoint->health().may_try(shared_.loop.now())) continue;
    auto made = co_await connect(*endpoint, request);
    if (made.has_value()) {
      auto& connection = endpoint->adopt(std::move(*made));
      connection.site_use = place.keep();
      co_return Lease(*this, connection);
    }
    error = made.error();
    if (error->reason == Reason::kClientGone || is_ending_) break;
  }
  if (!error) error = down();
  co_return std::move(*error);
}

Task<Dial::Outcome> UpstreamServer::connect(UpstreamEndpoint& endpoint, LeaseRequest& request) {
  const auto began = Clock::now();
  if (!request.is_probe) endpoint.health().begin_try();
  Dial dial(endpoint, server_, tls_);
  request.dial_ = &dial;
  auto outcome = co_await dial.connected();
  request.dial_ = nullptr;
  request.connect_microseconds += microseconds_between(began, Clock::now());
  note_outcome(endpoint, request, outcome);
  co_return outcome;
}

void UpstreamServer::note_outcome(UpstreamEndpoint& endpoint, const LeaseRequest& request,
                                  const Dial::Outcome& outcome) {
  const auto& settings = shared_.settings;
  if (outcome.has_value()) {
    endpoint.health().succeed();
  } else if (request.is_probe) {
    return;
  } else if (outcome.error().reason == Reason::kClientGone || outcome.error().reason == Reason::kShuttingDown) {
    endpoint.health().abandon_try();
  } else {
    endpoint.health().fail(shared_.loop.now(), {.failures = settings.failures,
                                                .retry_after = settings.retry_after,
                                                .retry_after_max = settings.retry_after_max});
  }
  tell_health();
}

bool UpstreamServer::is_worth_trying(const UpstreamEndpoint& endpoint) const {
  return endpoint.health().may_try(shared_.loop.now()) || endpoint.idle_count() > 0;
}

// Smooth weighted round robin among those that are worth trying: each gains its weight, the richest pays for all.
// Endpoints of weight 0 are there for when nothing else is.
UpstreamEndpoint* UpstreamServer::choose(const LeaseRequest& request, std::span<UpstreamEndpoint* const> tried) {
  const auto may_be = [&](const UpstreamEndpoint& endpoint) { return request.is_probe || is_worth_trying(endpoint); };
  if (endpoints_.size() == 1 || request.to_primary) {
    auto* first = endpoints_.front().get();
    return tried.empty() && may_be(*first) ? first : nullptr;
  }
  const auto is_open = [&](const auto& endpoint) {
    return std::find(tried.begin(), tried.end(), endpoint.get()) == tried.end() && may_be(*endpoint);
  };
  // Who does not answer when asked has his turn only when nobody else is left.
  const bool has_better = std::any_of(endpoints_.begin(), endpoints_.end(), [&](const auto& endpoint) {
    return !endpoint->is_said_down && is_open(endpoint);
  });
  UpstreamEndpoint* best = nullptr;
  UpstreamEndpoint* spare = nullptr;
  int total = 0;
  for (const auto& endpoint : endpoints_) {
    if (!is_open(endpoint) || (has_better && endpoint->is_said_down)) continue;
    const auto weight = static_cast<int>(endpoint->configured().weight);
    if (weight == 0) {
      if (!spare) spare = endpoint.get();
      continue;
    }
    total += weight;
    endpoint->current_weight += weight;
    if (!best || endpoint->current_weight > best->current_weight) best = endpoint.get();
  }
  if (!best) return spare;
  best->current_weight -= total;
  return best;
}

Error UpstreamServer::down() const {
  if (endpoints_.empty()) return make_error(Reason::kUpstreamDown, server_->name + " has no endpoints");
  auto retry_at = kNever;
  for (const auto& endpoint : endpoints_) retry_at = std::min(retry_at, endpoint->health().retry_at());
  const auto left = std::chrono::ceil<std::chrono::seconds>(retry_at - shared_.loop.now()).count();
  return make_error(Reason::kUpstreamDown, "connecting to " + server_->name + " failed lately; it is tried again " +
                                               (left > 0 ? "in " + std::to_string(left) + " s" : "right now"));
}

// ---- Bounds ----

std::size_t UpstreamServer::connections_bound() const {
  const auto own = server_->limits.connections;
  if (own == 0) return shared_.settings.connections;
  return std::max<std::size_t>(1, own / std::max(1U, shared_.settings.workers));
}

std::size_t UpstreamServer::waiting_bound() const {
  const auto own = server_->limits.waiting;
  if (own == 0) return shared_.settings.waiting;
  return std::max<std::size_t>(1, own / std::max(1U, shared_.settings.workers));
}

std::size_t UpstreamServer::share_of(std::size_t bound) const {
  return bound == 0 ? 0 : std::max<std::size_t>(1, bound * shared_.settings.site_share / 100);
}

bool UpstreamServer::has_place(const UpstreamSiteUse& use) const {
  const auto bound = connections_bound();
  // Who comes now must not overtake those of its own site that wait.
  return in_use_ < bound && use.in_use < share_of(bound) && use.waiting == 0;
}

std::optional<Error> UpstreamServer::refusal(const LeaseRequest& request, const UpstreamSiteUse& use) const {
  if (is_ending_) return make_error(Reason::kShuttingDown);
  if (request.is_probe) return std::nullopt;
  // A dead server costs its requests nothing but this.
  const bool is_hopeless = std::none_of(endpoints_.begin(), endpoints_.end(),
                                        [this](const auto& endpoint) { return is_worth_trying(*endpoint); });
  if (is_hopeless) return down();
  const auto& settings = shared_.settings;
  if (request.is_tunnel && (tunnels_ >= settings.tunnels || use.tunnels >= share_of(settings.tunnels))) {
    return make_error(Reason::kServerBusy, "too many upgraded connections to " + server_->name);
  }
  if (has_place(use)) return std::nullopt;
  const auto bound = waiting_bound();
  if (waiting_ < bound && use.waiting < share_of(bound)) return std::nullopt;
  return make_error(Reason::kServerBusy,
                    waiting_ >= bound ? "too many requests wait for " + server_->name
                                      : "too many requests of " + std::string(request.site) + " wait for its server");
}

UpstreamSiteUse& UpstreamServer::use_of(std::string_view site) {
  if (const auto at = uses_.find(site); at != uses_.end()) return at->second;
  if (uses_.size() >= purge_at_) {
    std::erase_if(uses_, [](const auto& entry) { return entry.second.is_zero(); });
    purge_at_ = std::max<std::size_t>(64, uses_.size() * 2);
  }
  return uses_[std::string(site)];
}

void UpstreamServer::enqueue(LeaseRequest& request, UpstreamSiteUse& use) {
  request.server_ = this;
  request.use_ = &use;
  request.deadline_ = shared_.loop.now() + shared_.settings.wait;
  if (arrivals_.empty()) wait_timer_.arm(request.deadline_);
  arrivals_.push_back(request);
  use.queue.push_back(request);
  if (!use.hungry.is_linked()) hungry_.push_back(use);
  ++waiting_;
  ++use.waiting;
  ++shared_.stats.waiting;
  if (shared_.observer) shared_.observer->upstream_waiting_changed(1);
}

void UpstreamServer::dequeue(LeaseRequest& request) {
  auto& use = *request.use_;
  request.by_arrival_.unlink();
  request.by_site_.unlink();
  if (use.queue.empty()) use.hungry.unlink();
  --waiting_;
  --use.waiting;
  --shared_.stats.waiting;
  if (shared_.observer) shared_.observer->upstream_waiting_changed(-1);
}

void UpstreamServer::on_timer() {
  const auto now = shared_.loop.now();
  while (!arrivals_.empty() && arrivals_.front().deadline_ <= now) {
    auto& request = arrivals_.front();
    dequeue(request);
    request.end_wait(make_error(Reason::kServerBusy,
                                "no connection to " + server_->name + " became free in time (timeouts.upstream_wait)"));
  }
  if (!arrivals_.empty()) wait_timer_.arm(arrivals_.front().deadline_);
}

void UpstreamServer::grant() {
  if (is_ending_) return;
  grant_again_ = true;
  if (std::exchange(is_granting_, true)) return;  // a granted request has ended within its own grant
  while (std::exchange(grant_again_, false)) {
    const auto bound = connections_bound();
    const auto share = share_of(bound);
    while (in_use_ < bound) {
      const auto at = std::find_if(hungry_.begin(), hungry_.end(),
                                   [share](const UpstreamSiteUse& use) { return use.in_use < share; });
      if (at == hungry_.end()) break;
      auto& use = *at;
      auto& request = use.queue.front();
      dequeue(request);
      if (use.hungry.is_linked()) {
        use.hungry.unlink();
        hungry_.push_back(use);
      }
      ++in_use_;
      ++use.in_use;
      request.end_wait(std::nullopt);
    }
  }
  is_granting_ = false;
}

void UpstreamServer::leave(UpstreamSiteUse& use) {
  --in_use_;
  --use.in_use;
  grant();
  drop_retired();
}

void UpstreamServer::on_tunnel(UpstreamConnection& connection) {
  if (std::exchange(connection.counts_as_tunnel, true)) return;
  ++tunnels_;
  ++connection.site_use->tunnels;
  ++shared_.stats.tunnels;
  leave(*connection.site_use);
}

void UpstreamServer::give_back(UpstreamConnection& connection) {
  auto& use = *std::exchange(connection.site_use, nullptr);
  connection.abort_waits();
  const bool was_tunnel = std::exchange(connection.counts_as_tunnel, false);
  connection.owner().on_released(connection);
  if (was_tunnel) {
    --tunnels_;
    --use.tunnels;
    --shared_.stats.tunnels;
    drop_retired();
  } else {
    leave(use);
  }
}

// ---- Changes ----

void UpstreamServer::update(std::shared_ptr<const Server> server) {
  const bool same_tls = server->tls == server_->tls && server->name == server_->name;
  server_ = std::move(server);
  auto old = std::exchange(endpoints_, {});
  for (const auto& configured : server_->endpoints) {
    const auto at = std::find_if(old.begin(), old.end(), [&](const auto& endpoint) {
      return same_tls && endpoint && endpoint->configured().address == configured.address &&
             endpoint->configured().port == configured.port;
    });
    if (at == old.end()) {
      endpoints_.push_back(make_endpoint(configured));
    } else {
      (*at)->set_weight(configured.weight);
      endpoints_.push_back(std::move(*at));
    }
  }
  for (auto& endpoint : old) {
    if (!endpoint) continue;
    endpoint->retire();
    retired_.push_back(std::move(endpoint));
  }
  drop_retired();
  tell_health();
  grant();
}

void UpstreamServer::drop_retired() {
  if (is_ending_) return;
  std::erase_if(retired_, [this](auto& endpoint) {
    if (!endpoint->is_unused()) return false;
    shared_.loop.bury(std::move(endpoint));
    return true;
  });
}

bool UpstreamServer::is_up() const {
  return std::any_of(endpoints_.begin(), endpoints_.end(),
                     [](const auto& endpoint) { return endpoint->health().is_up(); });
}

void UpstreamServer::tell_health() {
  const bool up = is_up();
  if (std::exchange(said_up_, up) != up && shared_.observer) shared_.observer->upstream_server_seen(server_->name, up);
}

void UpstreamServer::sweep() {
  said_up_ = is_up();
  if (shared_.observer) shared_.observer->upstream_server_seen(server_->name, said_up_);
}

bool UpstreamServer::is_unused() const {
  const auto unused = [](const auto& endpoint) { return endpoint->is_unused(); };
  return in_use_ == 0 && waiting_ == 0 && tunnels_ == 0 && retired_.empty() &&
         std::all_of(endpoints_.begin(), endpoints_.end(), unused);
}

std::size_t UpstreamServer::idle() const {
  std::size_t count = 0;
  for (const auto& endpoint : endpoints_) count += endpoint->idle_count();
  return count;
}

void UpstreamServer::close_idle() {
  for (const auto& endpoint : endpoints_) endpoint->close_idle();
}

// ---- Lease and LeaseRequest ----

void Lease::release() {
  auto* connection = std::exchange(connection_, nullptr);
  if (connection) std::exchange(server_, nullptr)->give_back(*connection);
}

void LeaseRequest::end_wait(std::optional<Error> error) {
  server_ = nullptr;
  use_ = nullptr;
  wait_error_ = std::move(error);
  waiter_.resume();
}

void LeaseRequest::cancel() {
  const auto error = make_error(Reason::kClientGone);
  if (server_) {
    server_->dequeue(*this);
    end_wait(error);
  } else if (dial_) {
    dial_->cancel(error);
  }
}

}  // namespace hybridge
