#include "proxy/counters.h"

#include <numeric>

namespace hybridge {
namespace {

template <class Enum>
constexpr std::size_t index(Enum value) {
  return static_cast<std::size_t>(value);
}

constexpr std::size_t index_of_status(int status) {
  return status > 0 && status < static_cast<int>(WorkerCounters::kStatuses) ? static_cast<std::size_t>(status) : 0;
}

std::size_t index_of_result(Reason reason) {
  if (reason == Reason::kOk) return 0;
  if (reason == Reason::kHandshakeTimeout) return 2;
  return reason == Reason::kClientGone ? 3 : 1;
}

std::size_t index_of_version(std::string_view version) {
  if (version == "TLSv1.3") return 2;
  return version == "TLSv1.2" ? 1 : 0;
}

}  // namespace

std::string_view to_string(ExchangeClass exchange_class) {
  switch (exchange_class) {
    case ExchangeClass::kSite:
      return "site";
    case ExchangeClass::kTunnel:
      return "tunnel";
    case ExchangeClass::kRedirect:
      return "redirect";
    case ExchangeClass::kPage:
      return "page";
    case ExchangeClass::kAgent:
      return "agent";
    case ExchangeClass::kOwn:
      return "own";
    case ExchangeClass::kClient:
      return "client";
    case ExchangeClass::kError:
    case ExchangeClass::kCount_:
      break;
  }
  return "error";
}

ExchangeClass class_of(Reason reason) {
  switch (reason) {
    case Reason::kOk:
    case Reason::kUpstreamStatus:
      return ExchangeClass::kSite;
    case Reason::kUpgraded:
    case Reason::kTunnelIdle:
      return ExchangeClass::kTunnel;
    case Reason::kRedirectToHttps:
    case Reason::kAcmeRedirect:
    case Reason::kHostRedirect:
    case Reason::kRuleRedirect:
      return ExchangeClass::kRedirect;
    case Reason::kUnknownHost:
    case Reason::kSuspended:
    case Reason::kSuspendedSaas:
    case Reason::kDeactivated:
    case Reason::kRuleDenied:
    case Reason::kRuleLimited:
    case Reason::kRateLimited:
    case Reason::kHoldDeadline:
    case Reason::kHoldFull:
    case Reason::kHoldPaged:
    case Reason::kHoldRefused:
    case Reason::kHoldPong:
      return ExchangeClass::kPage;
    case Reason::kOwnPage:
    case Reason::kOwnApi:
    case Reason::kNotFound:
    case Reason::kUnauthorized:
    case Reason::kForwardDenied:
    case Reason::kUnknownServer:
      return ExchangeClass::kOwn;
    case Reason::kBadRequestLine:
    case Reason::kBadHeader:
    case Reason::kBadHost:
    case Reason::kBadFraming:
    case Reason::kBadChunk:
    case Reason::kBadTarget:
    case Reason::kVersionNotSupported:
    case Reason::kMethodNotAllowed:
    case Reason::kTargetTooLong:
    case Reason::kHeaderTooLarge:
    case Reason::kTooManyHeaders:
    case Reason::kBodyTooLarge:
    case Reason::kExpectationFailed:
    case Reason::kHeadTimeout:
    case Reason::kBodyTimeout:
    case Reason::kClientTooSlow:
    case Reason::kClientGone:
    case Reason::kBadHandshake:
    case Reason::kHandshakeTimeout:
    case Reason::kBadProxyHeader:
    case Reason::kMisdirected:
    case Reason::kTooManyRequestsFromAddress:
    case Reason::kTooManyHandshakesFromAddress:
    case Reason::kHttp2Protocol:
    case Reason::kHttp2Resets:
    case Reason::kHttp2Frames:
    case Reason::kHttp2Headers:
      return ExchangeClass::kClient;
    default:
      return ExchangeClass::kError;
  }
}

std::uint64_t SiteTotals::requests() const {
  return std::accumulate(by_class.begin(), by_class.end(), std::uint64_t{0});
}

SiteTotals totals_of(std::string_view name, const std::vector<const WorkerCounters*>& workers) {
  SiteTotals totals;
  for (const auto* worker : workers) {
    for (const auto* site = worker->sites(); site; site = site->next) {
      if (site->name != name) continue;
      for (std::size_t at = 0; at < totals.by_class.size(); ++at) totals.by_class[at] += site->by_class[at].value();
      totals.body_bytes_in += site->body_bytes_in.value();
      totals.body_bytes_out += site->body_bytes_out.value();
      totals.microseconds += site->microseconds.value();
      break;
    }
  }
  return totals;
}

void WorkerCounters::request_ended(const ExchangeRecord& record) {
  if (!record.is_tunnel) requests_in_flight.add(-1);
  const auto exchange_class = record.is_agent_call ? ExchangeClass::kAgent
                              : record.is_tunnel   ? ExchangeClass::kTunnel
                                                   : class_of(record.reason);
  const auto status = index_of_status(record.status);
  requests[index(exchange_class)][status].add();
  requests_by_reason[index(record.reason)].add();
  const auto held = record.timings.hold > 0 ? record.timings.hold : 0;
  const auto took = record.is_tunnel ? 0 : record.timings.total - held;
  if (!record.is_tunnel) request_duration.observe(took);
  if (record.timings.hold >= 0) hold_wait.observe(record.timings.hold);
  request_body_bytes.add(record.bytes_in);
  response_body_bytes.add(record.bytes_out);
  if (record.retries > 0) upstream_retries.add(record.retries);
  if (record.site.empty()) return;
  auto& its_site = site(record.site);
  its_site.by_class[status / 100].add();
  its_site.body_bytes_in.add(record.bytes_in);
  its_site.body_bytes_out.add(record.bytes_out);
  its_site.microseconds.add(static_cast<std::uint64_t>(took));
}

void WorkerCounters::connection_opened(Side side, ConnectionProtocol protocol) {
  connections[index(side)][index(protocol)].add();
  connections_opened[index(side)].add();
}

void WorkerCounters::connection_became(Side side, ConnectionProtocol from, ConnectionProtocol to) {
  connections[index(side)][index(from)].add(-1);
  connections[index(side)][index(to)].add();
}

void WorkerCounters::connection_closed(Side side, ConnectionProtocol protocol) {
  connections[index(side)][index(protocol)].add(-1);
}

void WorkerCounters::tls_handshake_ended(std::string_view version, bool resumed, Reason reason) {
  tls_handshakes[index_of_version(version)][resumed ? 1 : 0][index_of_result(reason)].add();
}

void WorkerCounters::upstream_connection_moved(UpstreamState from, UpstreamState to) {
  upstream_connections[index(from)].add(-1);
  upstream_connections[index(to)].add();
}

void WorkerCounters::upstream_request_ended(Reason reason, std::int64_t microseconds) {
  upstream_requests[index(reason)].add();
  // A tunnel lasts as long as people look at a page, which says nothing of the server.
  if (class_of(reason) != ExchangeClass::kTunnel) upstream_duration.observe(microseconds);
}

void WorkerCounters::server_seen(std::string_view name, bool up, std::uint64_t steady_ms) {
  server(name).seen.store(steady_ms << 1 | (up ? 1 : 0), std::memory_order_relaxed);
}

void WorkerCounters::server_removed(std::string_view name) {
  if (const auto found = servers_by_name_.find(name); found != servers_by_name_.end()) {
    found->second->seen.store(0, std::memory_order_relaxed);
  }
}

SiteCounters& WorkerCounters::site(std::string_view name) {
  if (const auto found = sites_by_name_.find(name); found != sites_by_name_.end()) return *found->second;
  if (sites_by_name_.size() >= kMaxSites) return other_sites_;
  auto& made = site_storage_.emplace_back(name);
  made.next = sites_.load(std::memory_order_relaxed);
  sites_by_name_.emplace(made.name, &made);
  sites_.store(&made, std::memory_order_release);
  return made;
}

ServerCounters& WorkerCounters::server(std::string_view name) {
  if (const auto found = servers_by_name_.find(name); found != servers_by_name_.end()) return *found->second;
  auto& made = server_storage_.emplace_back(name);
  made.next = servers_.load(std::memory_order_relaxed);
  servers_by_name_.emplace(made.name, &made);
  servers_.store(&made, std::memory_order_release);
  return made;
}

}  // namespace hybridge
