// The numbers of one worker, and those of the process: written on the hot path, summed when somebody scrapes.
//
// A WorkerCounters has one writer, its worker; any thread may read it. Writing costs a load and a store (relaxed, no
// locked instruction); a reader sees each number whole, but not all of them at one instant. No label is made from what
// a client sent: sites and servers are names of the table.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "proxy/exchange_record.h"
#include "routing/rule.h"

namespace hybridge {

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t n = 1) noexcept { set(value() + n); }
  void set(std::int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// How long things took: buckets from 1 ms to 10 minutes, in microseconds.
class DurationHistogram {
 public:
  static constexpr std::array<std::int64_t, 18> kBounds{
      1'000,     2'500,     5'000,     10'000,     25'000,     50'000,     100'000,     250'000,     500'000,
      1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000, 120'000'000, 300'000'000, 600'000'000};
  static constexpr std::size_t kBuckets = kBounds.size() + 1;  // the last: longer than that

  void observe(std::int64_t microseconds) noexcept {
    const std::int64_t value = microseconds > 0 ? microseconds : 0;
    std::size_t at = 0;
    while (at < kBounds.size() && value > kBounds[at]) ++at;
    buckets_[at].add();
    sum_.add(static_cast<std::uint64_t>(value));
  }
  std::uint64_t bucket(std::size_t at) const noexcept { return buckets_[at].value(); }  // not cumulative
  std::uint64_t sum() const noexcept { return sum_.value(); }                           // microseconds

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
};

// What became of a request, in few words: the label `class` of requests_total.
enum class ExchangeClass : std::uint8_t {
  kSite,      // answered by the site's server
  kTunnel,    // upgraded: WebSocket
  kRedirect,  // ours: to https, to the canonical host, of ACME
  kPage,      // ours: a suspended or deactivated site, an unknown host, a rule's refusal
  kAgent,     // a call to a server's agent or exporters, whatever came of it
  kOwn,       // ours: this proxy's own name, the admin API
  kClient,    // the client's fault: refused, too slow, gone
  kError,     // our fault or the server's
  kCount_
};
std::string_view to_string(ExchangeClass exchange_class);
ExchangeClass class_of(Reason reason);

enum class Side : std::uint8_t { kDownstream, kUpstream, kCount_ };
enum class ConnectionProtocol : std::uint8_t { kHandshake, kHttp1, kHttp2, kTunnel, kCount_ };
enum class UpstreamState : std::uint8_t { kNone, kConnecting, kActive, kIdle, kCount_ };

// The requests of one site on one worker. Lives as long as the WorkerCounters that it came from.
struct SiteCounters {
  static constexpr std::size_t kClasses = 6;  // none, 1xx … 5xx

  explicit SiteCounters(std::string_view site) : name(site) {}

  const std::string name;
  std::array<Counter, kClasses> by_class;
  Counter body_bytes_in;
  Counter body_bytes_out;
  Counter microseconds;          // without tunnels, without hold time
  SiteCounters* next = nullptr;  // earlier made
};

// What one worker last saw of a server.
struct ServerCounters {
  explicit ServerCounters(std::string_view server) : name(server) {}

  const std::string name;
  std::atomic<std::uint64_t> seen{0};  // steady milliseconds << 1 | up; 0: not in use
  ServerCounters* next = nullptr;
};

class alignas(64) WorkerCounters {
 public:
  static constexpr std::size_t kStatuses = 600;
  static constexpr std::size_t kMaxSites = 200'000;  // further ones are counted as other

  WorkerCounters() : other_sites_("_other") {}
  WorkerCounters(const WorkerCounters&) = delete;

  // For the worker that owns these.
  void request_began() { requests_in_flight.add(); }
  void request_upgraded() { requests_in_flight.add(-1); }  // from now on it is a connection of kind kTunnel
  void request_ended(const ExchangeRecord& record);        // log line or not: once for each that began
  void connection_opened(Side side, ConnectionProtocol protocol);
  void connection_became(Side side, ConnectionProtocol from, ConnectionProtocol to);
  void connection_closed(Side side, ConnectionProtocol protocol);
  void connection_refused(Reason reason) { connections_refused[static_cast<std::size_t>(reason)].add(); }
  void idle_connections_closed(Reason scarce, std::size_t count) {
    idle_closed[static_cast<std::size_t>(scarce)].add(count);
  }
  // `version` as OpenSSL names it; kOk, kHandshakeTimeout, kClientGone, anything else: failed.
  void tls_handshake_ended(std::string_view version, bool resumed, Reason reason);
  // kNone on one side: opened or closed.
  void upstream_connection_moved(UpstreamState from, UpstreamState to);
  // One attempt; microseconds from its lease to its end.
  void upstream_request_ended(Reason reason, std::int64_t microseconds);
  void upstream_waiting_changed(std::int64_t by) { upstream_waiting.add(by); }
  void server_seen(std::string_view server, bool up, std::uint64_t steady_ms);
  void server_removed(std::string_view server);
  void rate_limited(RuleLimit::By by, bool dry_run) {
    rate_limited_requests[static_cast<std::size_t>(by)][dry_run].add();
  }
  void stalled(std::int64_t microseconds) { stalls.observe(microseconds); }

  // For anybody; newest first.
  const SiteCounters* sites() const { return sites_.load(std::memory_order_acquire); }
  const SiteCounters& other_sites() const { return other_sites_; }
  const ServerCounters* servers() const { return servers_.load(std::memory_order_acquire); }

  static constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::kCount_);
  static constexpr std::size_t kExchangeClasses = static_cast<std::size_t>(ExchangeClass::kCount_);
  static constexpr std::size_t kSides = static_cast<std::size_t>(Side::kCount_);
  static constexpr std::size_t kProtocols = static_cast<std::size_t>(ConnectionProtocol::kCount_);
  static constexpr std::size_t kUpstreamStates = static_cast<std::size_t>(UpstreamState::kCount_);
  static constexpr std::size_t kTlsVersions = 3;  // none (it failed before), TLSv1.2, TLSv1.3
  static constexpr std::size_t kTlsResults = 4;   // ok, failed, timeout, gone

  std::array<std::array<Counter, kStatuses>, kExchangeClasses> requests;  // by class and status; 0: none sent
  std::array<Counter, kReasons> requests_by_reason;
  Gauge requests_in_flight;
  DurationHistogram request_duration;                           // without tunnels, without hold time
  DurationHistogram upstream_duration;                          // without tunnels
  DurationHistogram hold_wait;                                  // of requests that waited while their site was held
  std::array<std::array<Counter, 2>, 3> rate_limited_requests;  // by whose they are counted; refused, or in a dry run
  Counter rule_errors;                                          // searches of rules that memory did not suffice for
  Counter request_body_bytes;
  Counter response_body_bytes;
  std::array<std::array<Gauge, kProtocols>, kSides> connections;
  std::array<Counter, kSides> connections_opened;
  std::array<Counter, kReasons> connections_refused;
  std::array<Counter, kReasons> idle_closed;
  std::array<std::array<std::array<Counter, kTlsResults>, 2>, kTlsVersions> tls_handshakes;  // [version][resumed]
  std::array<Gauge, kUpstreamStates> upstream_connections;
  std::array<Counter, kReasons> upstream_requests;
  Gauge upstream_waiting;
  Counter upstream_retries;
  DurationHistogram stalls;

 private:
  SiteCounters& site(std::string_view name);
  ServerCounters& server(std::string_view name);

  // The worker finds by name; readers follow the list, whose members never go and never change their names.
  std::unordered_map<std::string_view, SiteCounters*> sites_by_name_;
  std::unordered_map<std::string_view, ServerCounters*> servers_by_name_;
  std::deque<SiteCounters> site_storage_;
  std::deque<ServerCounters> server_storage_;
  std::atomic<SiteCounters*> sites_{nullptr};
  std::atomic<ServerCounters*> servers_{nullptr};
  SiteCounters other_sites_;
};

// The requests of one site on all workers, since the process began.
struct SiteTotals {
  std::array<std::uint64_t, SiteCounters::kClasses> by_class{};
  std::uint64_t body_bytes_in = 0;
  std::uint64_t body_bytes_out = 0;
  std::uint64_t microseconds = 0;

  std::uint64_t requests() const;
};
SiteTotals totals_of(std::string_view site, const std::vector<const WorkerCounters*>& workers);

// What is not of one worker. One writer: whoever publishes.
struct ProcessCounters {
  Gauge config_revision;
  Gauge last_publish_success_ms;  // of the Unix epoch; 0: not yet
  DurationHistogram publish_duration;

  void published(std::uint64_t revision, std::int64_t now_ms, std::int64_t microseconds) {
    config_revision.set(static_cast<std::int64_t>(revision));
    last_publish_success_ms.set(now_ms);
    publish_duration.observe(microseconds);
  }
};

}  // namespace hybridge
