#include "proxy/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

#include "proxy/process_metrics.h"

namespace hybridge {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Workers = std::vector<const WorkerCounters*>;
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kSides[] = {"downstream", "upstream"};
constexpr std::string_view kProtocols[] = {"handshake", "http1", "http2", "tunnel"};
constexpr std::string_view kUpstreamStates[] = {"none", "connecting", "active", "idle"};
constexpr std::string_view kTlsVersions[] = {"none", "TLSv1.2", "TLSv1.3"};
constexpr std::string_view kTlsResults[] = {"ok", "failed", "timeout", "gone"};
constexpr std::string_view kBoolean[] = {"false", "true"};
constexpr std::string_view kCodeClasses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

static_assert(std::size(kSides) == WorkerCounters::kSides);
static_assert(std::size(kProtocols) == WorkerCounters::kProtocols);
static_assert(std::size(kUpstreamStates) == WorkerCounters::kUpstreamStates);
static_assert(std::size(kTlsVersions) == WorkerCounters::kTlsVersions);
static_assert(std::size(kTlsResults) == WorkerCounters::kTlsResults);
static_assert(std::size(kCodeClasses) == SiteCounters::kClasses);

// Sums what `read` takes from each worker.
template <class Read>
auto sum(const Workers& workers, Read read) {
  decltype(read(*workers.front())) total = 0;
  for (const auto* worker : workers) total += read(*worker);
  return total;
}

class Family {
 public:
  Family(const char* name, const char* help, MetricType type) {
    family_.name = std::string("hybridge_") + name;
    family_.help = help;
    family_.type = type;
  }

  template <class Number>
  void add(Labels labels, Number value) {
    auto& metric = add_metric(labels);
    if (family_.type == MetricType::Counter) {
      metric.counter.value = static_cast<double>(value);
    } else {
      metric.gauge.value = static_cast<double>(value);
    }
  }

  // A series that never counted anything is left out: there are thousands that could.
  void add_if_counted(Labels labels, std::uint64_t value) {
    if (value > 0) add(labels, value);
  }

  void add_histogram(const std::vector<const DurationHistogram*>& parts) {
    auto& histogram = add_metric({}).histogram;
    std::uint64_t microseconds = 0;
    for (std::size_t at = 0; at < DurationHistogram::kBuckets; ++at) {
      auto& bucket = histogram.bucket.emplace_back();
      bucket.upper_bound = at < DurationHistogram::kBounds.size()
                               ? static_cast<double>(DurationHistogram::kBounds[at]) / 1e6
                               : std::numeric_limits<double>::infinity();
      for (const auto* part : parts) histogram.sample_count += part->bucket(at);
      bucket.cumulative_count = histogram.sample_count;
    }
    for (const auto* part : parts) microseconds += part->sum();
    histogram.sample_sum = static_cast<double>(microseconds) / 1e6;
  }

  operator MetricFamily() && { return std::move(family_); }

 private:
  ClientMetric& add_metric(Labels labels) {
    auto& metric = family_.metric.emplace_back();
    for (const auto& [name, value] : labels) metric.label.push_back({std::string(name), std::string(value)});
    return metric;
  }

  MetricFamily family_;
};

MetricFamily histogram(const char* name, const char* help, const Workers& workers,
                       DurationHistogram WorkerCounters::*member) {
  Family family(name, help, MetricType::Histogram);
  std::vector<const DurationHistogram*> parts;
  for (const auto* worker : workers) parts.push_back(&(worker->*member));
  family.add_histogram(parts);
  return family;
}

MetricFamily counter(const char* name, const char* help, const Workers& workers, Counter WorkerCounters::*member) {
  Family family(name, help, MetricType::Counter);
  family.add({}, sum(workers, [&](const WorkerCounters& worker) { return (worker.*member).value(); }));
  return family;
}

MetricFamily gauge(const char* name, const char* help, const Workers& workers, Gauge WorkerCounters::*member) {
  Family family(name, help, MetricType::Gauge);
  family.add({}, sum(workers, [&](const WorkerCounters& worker) { return (worker.*member).value(); }));
  return family;
}

MetricFamily by_reason(const char* name, const char* help, const char* label, const Workers& workers,
                       std::array<Counter, WorkerCounters::kReasons> WorkerCounters::*member) {
  Family family(name, help, MetricType::Counter);
  for (std::size_t at = 0; at < WorkerCounters::kReasons; ++at) {
    family.add_if_counted({{label, code(static_cast<Reason>(at))}},
                          sum(workers, [&](const WorkerCounters& worker) { return (worker.*member)[at].value(); }));
  }
  return family;
}

MetricFamily requests(const Workers& workers) {
  Family family("requests_total",
                "Requests that ended, by class (site, tunnel, redirect, page, own, client, error) and status; code 0: "
                "the client was sent none.",
                MetricType::Counter);
  for (std::size_t at = 0; at < WorkerCounters::kExchangeClasses; ++at) {
    const auto name = to_string(static_cast<ExchangeClass>(at));
    for (std::size_t status = 0; status < WorkerCounters::kStatuses; ++status) {
      const auto count = sum(workers, [&](const auto& worker) { return worker.requests[at][status].value(); });
      if (count > 0) family.add({{"class", name}, {"code", std::to_string(status)}}, count);
    }
  }
  return family;
}

MetricFamily connections(const Workers& workers) {
  Family family("connections", "Connections that are open, by side and protocol.", MetricType::Gauge);
  for (std::size_t side = 0; side < WorkerCounters::kSides; ++side) {
    for (std::size_t protocol = 0; protocol < WorkerCounters::kProtocols; ++protocol) {
      const auto open = sum(workers, [&](const auto& worker) { return worker.connections[side][protocol].value(); });
      family.add({{"side", kSides[side]}, {"protocol", kProtocols[protocol]}}, open);
    }
  }
  return family;
}

MetricFamily connections_opened(const Workers& workers) {
  Family family("connections_total", "Connections opened since the start, by side.", MetricType::Counter);
  for (std::size_t side = 0; side < WorkerCounters::kSides; ++side) {
    family.add({{"side", kSides[side]}},
               sum(workers, [&](const auto& worker) { return worker.connections_opened[side].value(); }));
  }
  return family;
}

MetricFamily tls_handshakes(const Workers& workers) {
  Family family("tls_handshakes_total", "TLS handshakes with clients, by version, resumption and result.",
                MetricType::Counter);
  for (std::size_t version = 0; version < WorkerCounters::kTlsVersions; ++version) {
    for (std::size_t resumed = 0; resumed < 2; ++resumed) {
      for (std::size_t result = 0; result < WorkerCounters::kTlsResults; ++result) {
        family.add_if_counted(
            {{"version", kTlsVersions[version]}, {"resumed", kBoolean[resumed]}, {"result", kTlsResults[result]}},
            sum(workers, [&](const auto& worker) { return worker.tls_handshakes[version][resumed][result].value(); }));
      }
    }
  }
  return family;
}

MetricFamily rate_limited(const Workers& workers) {
  Family family("rate_limited_requests_total",
                "Requests beyond a rate limit, by whose they are counted (site, address, both) and mode: refused, or "
                "dry_run: they would have been.",
                MetricType::Counter);
  for (const auto by : {RuleLimit::By::kSite, RuleLimit::By::kAddress, RuleLimit::By::kBoth}) {
    for (std::size_t dry = 0; dry < 2; ++dry) {
      family.add_if_counted({{"by", to_string(by)}, {"mode", dry == 0 ? "refused" : "dry_run"}},
                            sum(workers, [&](const auto& worker) {
                              return worker.rate_limited_requests[static_cast<std::size_t>(by)][dry].value();
                            }));
    }
  }
  return family;
}

MetricFamily upstream_connections(const Workers& workers) {
  Family family("upstream_connections", "Connections to servers, by state.", MetricType::Gauge);
  for (std::size_t state = 1; state < WorkerCounters::kUpstreamStates; ++state) {
    family.add({{"state", kUpstreamStates[state]}},
               sum(workers, [&](const auto& worker) { return worker.upstream_connections[state].value(); }));
  }
  return family;
}

// The worker that spoke with a server last knows best, but for what was asked.
MetricFamily server_up(const Workers& workers, const std::map<std::string, Metrics::Health>& health) {
  std::map<std::string_view, std::uint64_t> seen;
  for (const auto* worker : workers) {
    for (const auto* server = worker->servers(); server; server = server->next) {
      auto& latest = seen[server->name];
      latest = std::max(latest, server->seen.load(std::memory_order_relaxed));
    }
  }
  Family family("server_up", "1: the server answered when it was last tried; 0: it did not.", MetricType::Gauge);
  for (const auto& [name, latest] : seen) {
    if (latest != 0 && !health.contains(std::string(name))) family.add({{"server", name}}, latest & 1);
  }
  for (const auto& [name, server] : health) family.add({{"server", name}}, server.is_up ? 1 : 0);
  return family;
}

MetricFamily server_endpoints_down(const std::map<std::string, Metrics::Health>& health) {
  Family family("server_endpoints_down", "Endpoints of the server that did not answer when asked; where there are any.",
                MetricType::Gauge);
  for (const auto& [name, server] : health) {
    if (server.endpoints_down > 0) family.add({{"server", name}}, server.endpoints_down);
  }
  return family;
}

void append_worker_metrics(const Workers& workers, std::vector<MetricFamily>& families) {
  using W = WorkerCounters;
  families.push_back(requests(workers));
  families.push_back(by_reason("requests_by_reason_total", "Requests that ended, by the reason code of their end.",
                               "reason", workers, &W::requests_by_reason));
  families.push_back(histogram("request_duration_seconds",
                               "From a request's first byte to its end, without the time it was held and without "
                               "tunnels.",
                               workers, &W::request_duration));
  families.push_back(histogram("upstream_duration_seconds",
                               "From the lease of an upstream connection to its end, without tunnels.", workers,
                               &W::upstream_duration));
  families.push_back(
      gauge("requests_in_flight", "Requests under way, without tunnels.", workers, &W::requests_in_flight));
  families.push_back(
      counter("request_body_bytes_total", "Bytes of request bodies received.", workers, &W::request_body_bytes));
  families.push_back(
      counter("response_body_bytes_total", "Bytes of response bodies sent.", workers, &W::response_body_bytes));
  families.push_back(connections(workers));
  families.push_back(connections_opened(workers));
  families.push_back(by_reason("connections_refused_total", "Client connections refused, by reason.", "reason", workers,
                               &W::connections_refused));
  families.push_back(by_reason("idle_connections_closed_total",
                               "Idle client connections closed to make room for others, by what was short.", "reason",
                               workers, &W::idle_closed));
  families.push_back(tls_handshakes(workers));
  families.push_back(upstream_connections(workers));
  families.push_back(gauge("upstream_waiting_requests", "Requests waiting for a free upstream connection.", workers,
                           &W::upstream_waiting));
  families.push_back(by_reason("upstream_requests_total",
                               "Attempts to have a server answer, by result: ok, upgraded, or the reason of failure.",
                               "result", workers, &W::upstream_requests));
  families.push_back(
      counter("upstream_retries_total", "Requests sent again to another connection.", workers, &W::upstream_retries));
  families.push_back(counter("rule_errors_total",
                             "Searches of rules that memory did not suffice for: denials held, nothing else did.",
                             workers, &W::rule_errors));
  families.push_back(rate_limited(workers));
  families.push_back(
      histogram("hold_wait_seconds", "How long requests waited while their site was held.", workers, &W::hold_wait));
  families.push_back(histogram("worker_stall_seconds", "How long a worker's event loop did not turn, when too long.",
                               workers, &W::stalls));
}

void append_hold_metrics(const HoldFigures& figures, std::vector<MetricFamily>& families) {
  Family windows("hold_windows", "Windows that are on, by state.", MetricType::Gauge);
  for (const auto& [state, count] : figures.windows) windows.add({{"state", state}}, count);
  families.push_back(std::move(windows));
  Family ended("holds_total", "Windows that have ended, by trigger and outcome.", MetricType::Counter);
  for (const auto& each : figures.ended) {
    ended.add_if_counted({{"trigger", each.trigger}, {"outcome", each.outcome}}, each.windows);
  }
  families.push_back(std::move(ended));
  Family requests("hold_requests", "Requests that wait while their site is held.", MetricType::Gauge);
  requests.add({{"state", "held"}}, figures.waiting);
  families.push_back(std::move(requests));
  Family memory("hold_memory_bytes", "What those that wait take of holds.memory.", MetricType::Gauge);
  memory.add({}, figures.memory);
  families.push_back(std::move(memory));
  Family outcomes("hold_outcomes_total", "What became of requests of held sites.", MetricType::Counter);
  for (std::size_t at = 0; at < figures.outcomes.size(); ++at) {
    outcomes.add({{"outcome", to_string(static_cast<HoldOutcome>(at))}}, figures.outcomes[at]);
  }
  families.push_back(std::move(outcomes));
  if (!figures.drain) return;
  Family drain("hold_drain_seconds", "From a window's begin until nothing of its site was under way.",
               MetricType::Histogram);
  drain.add_histogram({figures.drain});
  families.push_back(std::move(drain));
}

MetricFamily single(const char* name, const char* help, MetricType type, double value) {
  Family family(name, help, type);
  family.add({}, value);
  return family;
}

}  // namespace

std::vector<MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> families;
  append_worker_metrics(sources_.workers, families);
  families.push_back(site_requests());
  if (sources_.holds) append_hold_metrics(sources_.holds(), families);
  const auto health = sources_.health ? sources_.health() : std::map<std::string, Health>{};
  families.push_back(server_up(sources_.workers, health));
  families.push_back(server_endpoints_down(health));
  if (const auto* process = sources_.process) {
    families.push_back(single("config_revision", "Revision of the routing table that is served.", MetricType::Gauge,
                              static_cast<double>(process->config_revision.value())));
    families.push_back(single("config_last_publish_success_timestamp_seconds",
                              "When every worker last acknowledged a new table, in seconds of the Unix epoch.",
                              MetricType::Gauge, static_cast<double>(process->last_publish_success_ms.value()) / 1e3));
    Family publish("publish_duration_seconds", "From the decision to publish until every worker serves it.",
                   MetricType::Histogram);
    publish.add_histogram({&process->publish_duration});
    families.push_back(std::move(publish));
  }
  families.push_back(single("certificates", "Certificates in the table.", MetricType::Gauge,
                            static_cast<double>(sources_.certificates ? sources_.certificates() : 0)));
  Family expiry("certificate_expiry_timestamp_seconds",
                "When a certificate expires, in seconds of the Unix epoch; the soonest ones.", MetricType::Gauge);
  if (sources_.expiring) {
    for (const auto& [host, seconds] : sources_.expiring(kExpirySeries)) expiry.add({{"host", host}}, seconds);
  }
  families.push_back(std::move(expiry));
  families.push_back(single("access_log_dropped_total", "Access log lines dropped because they could not be written.",
                            MetricType::Counter,
                            static_cast<double>(sources_.access_log_dropped ? sources_.access_log_dropped() : 0)));
  families.push_back(single(
      "rate_limit_forgotten_total",
      "Keys of rate limits that were forgotten too early because the table was full "
      "(rate_limits.memory).",
      MetricType::Counter, static_cast<double>(sources_.rate_limits_forgotten ? sources_.rate_limits_forgotten() : 0)));
  families.push_back(single("quarantined_records", "Stored records that cannot be right and are left out.",
                            MetricType::Gauge, static_cast<double>(sources_.quarantined ? sources_.quarantined() : 0)));
  Family build("build_info", "1, with what this is a build of.", MetricType::Gauge);
  build.add({{"version", sources_.version}, {"revision", sources_.revision}}, 1);
  families.push_back(std::move(build));
  append_process_metrics(families);
  return families;
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(Collect());
}

MetricFamily Metrics::site_requests() const {
  const std::lock_guard lock(mutex_);
  ByName now;
  ByClass other{};
  const auto add_to = [](ByClass& sums, const SiteCounters& site) {
    for (std::size_t at = 0; at < sums.size(); ++at) sums[at] += site.by_class[at].value();
  };
  for (const auto* worker : sources_.workers) {
    for (const auto* site = worker->sites(); site; site = site->next) add_to(now[site->name], *site);
    add_to(other, worker->other_sites());
  }
  choose_sites(now);

  Family family("site_requests_total",
                "Requests of a site that ended, by class of status; the sites with the most traffic, the rest as "
                "_other.",
                MetricType::Counter);
  for (const auto& [name, counts] : now) {
    const auto since = since_.find(name);
    for (std::size_t at = 0; at < counts.size(); ++at) {
      const auto reported_as_other = since == since_.end() ? counts[at] : since->second[at];
      other[at] += reported_as_other;
      family.add_if_counted({{"site", name}, {"code_class", kCodeClasses[at]}}, counts[at] - reported_as_other);
    }
  }
  for (std::size_t at = 0; at < other.size(); ++at) {
    family.add_if_counted({{"site", "_other"}, {"code_class", kCodeClasses[at]}}, other[at]);
  }
  last_ = std::move(now);
  return family;
}

// A site that made at least a thousandth of the requests since the last scrape gets a series, the busiest first,
// while there are any left.
void Metrics::choose_sites(const ByName& now) const {
  if (since_.size() >= kSiteSeries) return;
  const auto total = [](const ByClass& counts) {
    std::uint64_t all = 0;
    for (const auto count : counts) all += count;
    return all;
  };
  std::uint64_t all = 0;
  std::vector<std::pair<std::uint64_t, std::string_view>> busy;
  for (const auto& [name, counts] : now) {
    const auto before = last_.find(name);
    const auto fresh = total(counts) - (before == last_.end() ? 0 : total(before->second));
    all += fresh;
    if (fresh > 0 && !since_.contains(name)) busy.emplace_back(fresh, name);
  }
  std::erase_if(busy, [&](const auto& site) { return site.first * 1000 < all; });
  std::sort(busy.begin(), busy.end(), std::greater<>{});
  for (const auto& [fresh, name] : busy) {
    if (since_.size() >= kSiteSeries) return;
    const auto before = last_.find(name);
    since_.emplace(std::string(name), before == last_.end() ? ByClass{} : before->second);
  }
}

}  // namespace hybridge
