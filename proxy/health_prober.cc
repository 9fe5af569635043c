#include "proxy/health_prober.h"

#include <pthread.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "proxy/upstream/lease.h"

namespace hybridge {

namespace {
constexpr auto kTick = std::chrono::milliseconds(100);
// A table that changes many times a minute is looked at this often.
constexpr auto kTableEvery = std::chrono::seconds(1);
// After a failure the next question comes soon: one lost packet is no outage, and an outage shall be known.
constexpr auto kAgain = std::chrono::seconds(1);
constexpr std::size_t kAtOnce = 256;
constexpr int kInformational = 8;  // heads that may come before the answer's own

std::int64_t unix_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint32_t seed() {
  std::uint32_t value = 1;
  static_cast<void>(getrandom(&value, sizeof value, 0));
  return value;
}

std::string text_of(const Endpoint& endpoint) {
  const bool is_v6 = endpoint.address.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" + std::to_string(endpoint.port);
}
}  // namespace

// One endpoint of a server, and what is known of it. This thread's only.
struct HealthProber::Target {
  std::string key;
  std::string name;                      // the server's
  std::shared_ptr<const Server> source;  // as the table has it
  std::shared_ptr<const Server> server;  // with this endpoint alone
  std::string head;                      // the question
  EndpointState state;
  std::uint32_t failures = 0;
  TimePoint next{};
  bool is_under_way = false;
  bool is_known = false;  // it has been asked
};

HealthProber::HealthProber(Settings settings, Table table, Resolver& resolver, std::unique_ptr<ClientContext> tls,
                           Observer& observer)
    : settings_(std::move(settings)),
      table_(std::move(table)),
      observer_(observer),
      tls_(std::move(tls)),
      tick_(loop_.timers(), *this),
      random_(seed()) {
  upstream_settings_.connect = settings_.timeout;
  upstream_settings_.response_head = settings_.timeout;
  upstream_settings_.keep_alive = 0;
  upstream_settings_.failures = UINT32_MAX;  // the judge sits here
  upstream_settings_.forget_after = std::max<Duration>(upstream_settings_.forget_after, settings_.interval * 2);
  upstreams_ = std::make_unique<Upstreams>(loop_, upstream_settings_, resolver, tls_, nullptr);
  tick_.arm(loop_.now());
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop_.run(); });
  pthread_setname_np(thread_.native_handle(), "health");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HealthProber::~HealthProber() {
  stop();
  is_ending_ = true;
  upstreams_.reset();  // ends what is under way
  loop_.destroy_buried();
}

void HealthProber::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

std::map<std::string, HealthProber::ServerState> HealthProber::states() const {
  const std::lock_guard lock(mutex_);
  return {states_.begin(), states_.end()};
}

std::optional<bool> HealthProber::is_up(std::string_view server) const {
  const std::lock_guard lock(mutex_);
  const auto at = states_.find(server);
  return at == states_.end() ? std::nullopt : std::optional(at->second.is_up);
}

Duration HealthProber::about(Duration duration) {
  return duration * std::uniform_int_distribution<int>(750, 1250)(random_) / 1000;
}

void HealthProber::on_timer() {
  const auto now = loop_.now();
  if (now - taken_at_ >= kTableEvery) take_table();
  for (const auto& [key, target] : targets_) {
    if (under_way_ >= kAtOnce) break;
    if (target->is_under_way || target->next > now) continue;
    target->is_under_way = true;
    ++under_way_;
    spawn(probe(target));
  }
  tick_.arm(now + kTick);
}

void HealthProber::take_table() {
  taken_at_ = loop_.now();
  auto table = table_();
  if (!table || table == seen_) return;
  seen_ = std::move(table);
  Targets kept;
  EndpointSet names;
  seen_->for_each_server([&](const std::shared_ptr<const Server>& server) {
    names.insert(server->name);
    add_targets(server, kept);
  });
  targets_ = std::move(kept);
  const auto before = down_.size();
  std::erase_if(down_, [this](const std::string& key) { return !targets_.contains(key); });
  if (down_.size() != before) observer_.on_endpoints_down(std::make_shared<const EndpointSet>(down_));
  const std::lock_guard lock(mutex_);
  std::erase_if(states_, [&](const auto& entry) { return !names.contains(entry.first); });
}

void HealthProber::add_targets(const std::shared_ptr<const Server>& server, Targets& kept) {
  for (const auto& endpoint : server->endpoints) {
    auto key = endpoint_key(server->name, endpoint);
    const auto known = targets_.find(key);
    if (known != targets_.end() && known->second->source == server) {
      kept.emplace(std::move(key), known->second);
      continue;
    }
    auto target = std::make_shared<Target>();
    if (known != targets_.end()) *target = *known->second;  // what is known of the endpoint stays true
    auto alone = std::make_shared<Server>(*server);
    alone->endpoints = {endpoint};
    alone->limits = {};
    alone->name = key;
    if (alone->tls.name.empty()) alone->tls.name = server->name;
    target->key = key;
    target->name = server->name;
    target->source = server;
    target->server = std::move(alone);
    const auto& path = server->health_path.empty() ? settings_.path : server->health_path;
    target->head = "GET " + path + " HTTP/1.1\r\nHost: " + server->name +
                   "\r\nUser-Agent: hybridge-health\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    target->state.endpoint = text_of(endpoint);
    target->is_under_way = false;
    if (!target->is_known) {
      target->next = loop_.now() + settings_.interval * std::uniform_int_distribution<int>(0, 1000)(random_) / 1000;
    }
    kept.emplace(std::move(key), std::move(target));
  }
}

Task<void> HealthProber::probe(std::shared_ptr<Target> target) {
  const auto answer = co_await ask(*target);
  --under_way_;
  if (is_ending_) co_return;
  target->is_under_way = false;
  const auto current = targets_.find(target->key);
  if (current == targets_.end() || current->second != target) co_return;  // the table has changed meanwhile
  judge(*target, answer);
}

Task<Result<int>> HealthProber::ask(const Target& target) {
  LeaseRequest request;
  request.is_safe = true;
  request.fresh_only = true;
  request.is_probe = true;
  auto lease = co_await upstreams_->find(target.server).lease(request);
  if (!lease) co_return lease.error();
  auto& connection = **lease;
  connection.begin(http::Method::kGet, {});
  connection.write_head(target.head);
  connection.finish_body();
  for (int heads = 0; heads < kInformational; ++heads) {
    const auto head = co_await connection.read_head();
    if (!head) co_return head.error();
    if (!(*head)->is_informational()) co_return (*head)->status;
  }
  co_return make_error(Reason::kUpstreamMalformed, "it announces an answer without end");
}

void HealthProber::judge(Target& target, const Result<int>& answer) {
  auto& state = target.state;
  const bool was_up = state.is_up;
  target.is_known = true;
  state.status = answer ? *answer : 0;
  state.fault = answer ? std::string() : answer.error().detail;
  target.failures = answer ? 0 : target.failures + 1;
  if (answer) state.is_up = true;
  if (target.failures >= settings_.failures) state.is_up = false;
  const bool is_urgent = target.failures > 0 && state.is_up;
  target.next = loop_.now() + about(is_urgent ? std::min<Duration>(kAgain, settings_.interval) : settings_.interval);
  if (was_up != state.is_up) {
    if (state.is_up) {
      down_.erase(target.key);
    } else {
      down_.insert(target.key);
    }
    observer_.on_endpoints_down(std::make_shared<const EndpointSet>(down_));
  }
  tell(target.name);
}

// The server, from its endpoints: it is up while one of them is.
void HealthProber::tell(const std::string& server) {
  ServerState state;
  state.is_up = false;
  for (auto at = targets_.lower_bound(server + '\n'); at != targets_.end() && at->second->name == server; ++at) {
    // Who has not been asked yet may answer.
    state.is_up = state.is_up || !at->second->is_known || at->second->state.is_up;
    if (at->second->is_known) state.endpoints.push_back(at->second->state);
  }
  state.since_ms = unix_milliseconds();
  bool is_news = false;
  {
    const std::lock_guard lock(mutex_);
    const auto at = states_.find(server);
    // What was never seen down is no news when it is up.
    is_news = at == states_.end() ? !state.is_up : at->second.is_up != state.is_up;
    if (at != states_.end() && !is_news) state.since_ms = at->second.since_ms;
    states_[server] = state;
  }
  if (!is_news) return;
  observer_.on_server_health(server, state);
}

}  // namespace hybridge
