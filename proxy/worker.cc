#include "proxy/worker.h"

#include <sys/random.h>

#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/process_log.h"
#include "proxy/own_host.h"
#include "proxy/serve.h"

namespace hybridge {

namespace {
std::uint64_t seed() {
  std::uint64_t value = 0;
  if (getrandom(&value, sizeof value, 0) != sizeof value) value = static_cast<std::uint64_t>(time(nullptr));
  return value;
}

DownstreamSettings downstream_settings(std::shared_ptr<const Config> config) {
  const auto& limits = config->limits;
  const auto& timeouts = config->timeouts;
  DownstreamSettings settings;
  settings.head = {.target_bytes = limits.target_bytes, .head_bytes = limits.header_bytes, .headers = limits.headers};
  settings.body_bytes = limits.body_bytes;
  settings.requests_per_connection = limits.requests_per_connection;
  settings.http2_streams = limits.http2_streams;
  settings.handshakes = limits.handshakes;
  settings.handshake = timeouts.handshake;
  settings.request_head = timeouts.request_head;
  settings.keep_alive = timeouts.keep_alive;
  settings.body_idle = timeouts.body_idle;
  settings.write_idle = timeouts.write_idle;
  settings.waiting_output = limits.waiting_output;
  settings.min_rate = static_cast<std::uint32_t>(limits.min_rate);
  if (!config->server_name.empty()) {
    settings.is_unbounded = [config](const http::RequestHead& head) {
      return head.host == config->server_name && own_path(head.path()) == OwnPath::kServer;
    };
  }
  if (!config->trusted_proxies.empty()) {
    settings.is_trusted_proxy = [config](const Address& peer) { return config->is_trusted_proxy(peer); };
  }
  return settings;
}

UpstreamSettings upstream_settings(const Config& config, std::size_t workers) {
  UpstreamSettings settings;
  settings.connect = config.timeouts.connect;
  settings.wait = config.timeouts.upstream_wait;
  settings.response_head = config.timeouts.response_head;
  settings.response_idle = config.timeouts.response_idle;
  settings.write_idle = config.timeouts.write_idle;
  settings.keep_alive = config.upstream.keep_alive;
  settings.idle = config.upstream.idle;
  settings.warm = config.upstream.warm;
  settings.connections = config.limits.upstream_connections;
  settings.waiting = config.limits.upstream_waiting;
  settings.site_share = config.limits.upstream_site_share;
  settings.workers = static_cast<std::uint32_t>(workers);
  settings.head_bytes = config.limits.upstream_header_bytes;
  settings.failures = config.upstream.health.failures;
  settings.retry_after_max = std::max<Duration>(config.upstream.health.retry_after, settings.retry_after);
  settings.resolve_again = config.upstream.dns.refresh;
  return settings;
}

ServerOptions server_options(const Config& config) {
  ServerOptions options;
  options.only_tls13 = config.tls.min_version == Config::TlsVersion::kTls13;
  options.ciphers = config.tls.ciphers;
  options.ticket_lifetime = std::chrono::duration_cast<std::chrono::seconds>(config.tls.ticket_lifetime);
  return options;
}

Entrance https_entrance() {
  return {.is_https = true, .redirects_to_https = false};
}

Entrance http_entrance(const Config& config) {
  return {.is_https = false, .redirects_to_https = config.redirect_to_https};
}

ConnectionProtocol to_protocol(DownstreamProtocol protocol) {
  switch (protocol) {
    case DownstreamProtocol::kHttp1:
      return ConnectionProtocol::kHttp1;
    case DownstreamProtocol::kHttp2:
      return ConnectionProtocol::kHttp2;
    case DownstreamProtocol::kTunnel:
      break;
  }
  return ConnectionProtocol::kTunnel;
}

UpstreamState to_state(UpstreamObserver::State state) {
  switch (state) {
    case UpstreamObserver::State::kConnecting:
      return UpstreamState::kConnecting;
    case UpstreamObserver::State::kActive:
      return UpstreamState::kActive;
    case UpstreamObserver::State::kIdle:
      return UpstreamState::kIdle;
    case UpstreamObserver::State::kNone:
      break;
  }
  return UpstreamState::kNone;
}
}  // namespace

Task<void> Worker::EntranceService::serve(Stream& stream) {
  return hybridge::serve(worker_, stream, entrance_);
}

Worker::Worker(Shared shared, std::size_t index, Standing standing)
    : shared_(shared),
      index_(index),
      standing_(std::move(standing)),
      loop_(shared.driver),
      random_(seed()),
      server_tls_(ServerContext::make(server_options(config()), shared.certificates,
                                      [this](std::function<void()> work) { loop_.post(std::move(work)); })
                      .value()),
      client_tls_(ClientContext::make(client_options(config(), shared.client_certificate), shared.trust).value()),
      downstream_(loop_, downstream_settings(standing_.config), shared.limits, *this),
      https_(*this, https_entrance()),
      http_(*this, http_entrance(config())),
      hold_classes_(standing_.config),
      gates_(*this, shared_.holds, index),
      replay_memory_({.charge = [&holds = shared_.holds](std::size_t bytes) { return holds.charge(bytes); },
                      .refund = [&holds = shared_.holds](std::size_t bytes) { holds.refund(bytes); }}),
      in_band_(*this, index),
      upstreams_(std::make_unique<Upstreams>(loop_, upstream_settings(config(), shared.workers), shared.resolver,
                                             client_tls_, static_cast<UpstreamObserver*>(this))) {
  set_snapshot(std::make_shared<const Snapshot>());
  server_tls_->set_default(standing_.default_certificate);
}

Worker::~Worker() {
  in_band_.close();
  upstreams_.reset();
  loop_.destroy_buried();
}

Address Worker::listen(int descriptor, bool is_https, bool is_behind_proxy) {
  Service& service = is_https ? https_ : http_;
  listeners_.push_back(std::make_unique<Listener>(
      downstream_, service, descriptor,
      Listener::Options{.tls = is_https ? server_tls_.get() : nullptr, .is_behind_proxy = is_behind_proxy}));
  return listeners_.back()->local();
}

void Worker::open_listeners() {
  for (auto& listener : listeners_) listener->start();
}

void Worker::set_snapshot(std::shared_ptr<const Snapshot> snapshot) {
  snapshot_ = boost::make_local_shared<const std::shared_ptr<const Snapshot>>(std::move(snapshot));
  gates_.look_again();
}

void Worker::set_certificates(std::shared_ptr<const CertificateTable> table) {
  server_tls_->set_table(std::move(table));
}

void Worker::set_ticket_keys(std::shared_ptr<const TicketKeys> keys) {
  server_tls_->set_ticket_keys(std::move(keys));
}

void Worker::set_standing(Standing standing) {
  standing_ = std::move(standing);
  server_tls_->set_default(standing_.default_certificate);
  downstream_.update(downstream_settings(standing_.config));
  upstreams_->set_settings(upstream_settings(config(), shared_.workers));
  http_.set(http_entrance(config()));
  hold_classes_ = HoldClasses(standing_.config);
}

void Worker::retire(std::function<void()> all_gone) {
  for (auto& listener : listeners_) listener->stop();
  upstreams_->stop_warming();
  downstream_.retire(std::move(all_gone));
}

void Worker::close_idle() {
  downstream_.close_idle();
  gates_.page_all();
  upstreams_->close_idle();
}

std::string_view Worker::http_date() {
  const auto second = wall_milliseconds() / 1000;
  if (second != date_second_) {
    date_second_ = second;
    const auto moment = static_cast<std::time_t>(second);
    std::tm parts{};
    gmtime_r(&moment, &parts);
    char text[40];
    const auto length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    date_.assign(text, length);
  }
  return date_;
}

std::int64_t Worker::wall_milliseconds() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void Worker::report_upstream(std::string_view server, const Error& error) {
  if (const auto times = upstream_faults_.happened(loop_.now())) {
    log::warn("{} requests failed at their servers, the last at {}: {}: {}", *times, server, code(error.reason),
              error.detail);
  }
}

void Worker::account(Exchange& exchange) {
  const auto record = exchange.record(Clock::now());
  counters_.request_ended(record);
  recent_requests_.keep(record);
  if (shared_.access_log.is_on()) shared_.access_log.lane(index_).write(record);
}

void Worker::on_opened(DownstreamProtocol protocol) {
  counters_.connection_opened(Side::kDownstream, to_protocol(protocol));
}

void Worker::on_tunnel() {
  counters_.connection_became(Side::kDownstream, ConnectionProtocol::kHttp1, ConnectionProtocol::kTunnel);
}

void Worker::on_closed(DownstreamProtocol protocol) {
  counters_.connection_closed(Side::kDownstream, to_protocol(protocol));
}

void Worker::on_refused(const Address& peer, const Error& error) {
  counters_.connection_refused(error.reason);
  if (const auto times = refusals_.happened(loop_.now())) {
    log::warn("{} connections were refused, the last from {}: {}: {}", *times, peer.ip(), code(error.reason),
              error.detail);
  }
}

void Worker::on_idle_closed(Reason scarce, std::size_t count) {
  counters_.idle_connections_closed(scarce, count);
  // Those to servers are none of limits.connections, but take descriptors and memory.
  if (scarce != Reason::kTooManyConnections) upstreams_->close_idle();
}

void Worker::on_handshake(std::string_view version, bool resumed, Reason result) {
  counters_.tls_handshake_ended(version, resumed, result);
}

void Worker::on_accept_failed(int error) {
  if (const auto times = accept_failures_.happened(loop_.now())) {
    log::warn("no connection could be accepted for a moment, {} times: {} (ulimit -n, limits.connections)", *times,
              std::strerror(error));
  }
}

void Worker::upstream_connection_moved(UpstreamObserver::State from, UpstreamObserver::State to) {
  counters_.upstream_connection_moved(to_state(from), to_state(to));
}

void Worker::upstream_waiting_changed(int by) {
  counters_.upstream_waiting_changed(by);
}

void Worker::upstream_server_seen(std::string_view server, bool up) {
  if (!(*snapshot_)->server(server)) return;  // an agent's: what is shown is how servers are
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(loop_.now().time_since_epoch()).count();
  counters_.server_seen(server, up, static_cast<std::uint64_t>(now));
}

// Only as the table has it now; for a server that is being worked on a connection would be one more thing in the way.
bool Worker::upstream_may_be_warmed(const Server& server) {
  return (*snapshot_)->server(server.name).get() == &server && !gates_.holds_server(server.name);
}

void Worker::upstream_server_dropped(std::string_view server) {
  counters_.server_removed(server);
}

}  // namespace hybridge
