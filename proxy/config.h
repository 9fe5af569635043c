// The configuration file as a value: every key of conf/hybridge.yaml, typed, with its default.
//
// Read once at start and again at SIGHUP; const from then on, so every thread may read it. Durations are
// milliseconds, sizes bytes. Syntax and ranges are checked here; whether files exist is check_files()'s question.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/address.h"
#include "routing/rule.h"

namespace hybridge {

struct Config {
  using Duration = std::chrono::milliseconds;
  static constexpr std::uint32_t kAuto = 0;  // of counts: chosen at start from the machine
  static constexpr std::uint64_t kKiB = 1024;
  static constexpr std::uint64_t kMiB = 1024 * kKiB;

  enum class Io : std::uint8_t { kAuto, kRing, kEpoll };
  enum class LogFormat : std::uint8_t { kJson, kFrappe };
  enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
  enum class TlsVersion : std::uint8_t { kTls12, kTls13 };

  struct Listen {
    std::vector<Address> https = every_address(443);
    std::vector<Address> http = every_address(80);
    std::vector<Address> proxy_protocol;  // those of both on which every connection begins with a PROXY header

    friend bool operator==(const Listen&, const Listen&) = default;
  };

  struct Admin {
    std::vector<Address> listen = loopback(9180);     // empty: none
    std::string socket = "/run/hybridge/admin.sock";  // empty: none

    friend bool operator==(const Admin&, const Admin&) = default;
  };

  struct CertificateFiles {  // both or neither; neither: a self-signed one is made in state_dir
    std::string chain;
    std::string key;

    friend bool operator==(const CertificateFiles&, const CertificateFiles&) = default;
  };

  struct Tls {  // towards clients
    TlsVersion min_version = TlsVersion::kTls12;
    std::string ciphers;  // of TLS 1.2, an OpenSSL list; empty: Mozilla's intermediate list
    Duration ticket_rotation = std::chrono::hours{8};
    Duration ticket_lifetime = std::chrono::hours{24};  // no session is resumed by an older one

    friend bool operator==(const Tls&, const Tls&) = default;
  };

  struct Limits {
    std::uint64_t header_bytes = 32 * kKiB;  // of a request's head, request line included
    std::uint64_t target_bytes = 16 * kKiB;
    std::uint32_t headers = 100;            // fields of a request
    std::uint64_t body_bytes = 250 * kMiB;  // of a request's body
    std::uint32_t requests_per_connection = 10'000;
    std::uint32_t http2_streams = 128;                // requests under way on an HTTP/2 connection
    std::uint32_t connections = kAuto;                // downstream, of the process; auto: by the descriptors allowed
    std::uint32_t connections_per_address = 1'000;    // IPv6: a /64; never loopback or trusted_proxies
    std::uint32_t requests_per_address = 500;         // under way, as above; tunnels are none
    std::uint32_t handshakes_per_address = 100;       // a second, as above; 0: any number
    std::uint32_t handshakes = 512;                   // TLS handshakes under way, per worker
    std::uint64_t waiting_output = 256 * kMiB;        // of answers that clients do not take, per worker
    std::uint64_t min_rate = 240;                     // bytes a second of a client that is waited for; 0: any
    std::uint64_t memory = kAuto;                     // of the process; beyond it nobody new is taken in
    std::uint64_t upstream_header_bytes = 64 * kKiB;  // of an upstream's response head
    std::uint32_t upstream_connections = 512;         // in use, per server and worker
    std::uint32_t upstream_waiting = 1'024;           // requests waiting for one, per server and worker
    std::uint32_t upstream_site_share = 50;           // percent of the two above that one site may take

    friend bool operator==(const Limits&, const Limits&) = default;
  };

  struct RateLimits {  // for every request to a site; `requests` 0: there is none. Rules say more for some
    RuleLimit per_address{.by = RuleLimit::By::kAddress};
    RuleLimit per_site{.by = RuleLimit::By::kSite};
    RuleLimit per_address_and_site{.by = RuleLimit::By::kBoth};
    std::uint64_t memory = 8 * kMiB;  // for all that is counted

    // As clients are told them.
    std::array<std::pair<std::string_view, const RuleLimit*>, 3> all() const {
      return {
          {{"per_address", &per_address}, {"per_site", &per_site}, {"per_address_and_site", &per_address_and_site}}};
    }

    friend bool operator==(const RateLimits&, const RateLimits&) = default;
  };

  struct Timeouts {
    Duration handshake = std::chrono::seconds{10};      // TLS, from accept to its end
    Duration request_head = std::chrono::seconds{10};   // from a head's first byte to its last
    Duration keep_alive = std::chrono::seconds{75};     // idle between two requests
    Duration body_idle = std::chrono::seconds{60};      // between two pieces of a request's body
    Duration write_idle = std::chrono::seconds{60};     // a client that takes nothing of what waits for it
    Duration connect = std::chrono::seconds{5};         // to an upstream, TLS included
    Duration upstream_wait = std::chrono::seconds{10};  // for a free upstream connection
    Duration response_head = std::chrono::seconds{600};
    Duration response_idle = std::chrono::seconds{600};
    Duration tunnel_idle = std::chrono::hours{1};

    friend bool operator==(const Timeouts&, const Timeouts&) = default;
  };

  struct UpstreamTls {
    std::string ca = "/etc/ssl/certs/ca-certificates.crt";  // PEM bundle, for servers without a `ca` of their own
    TlsVersion min_version = TlsVersion::kTls12;
    CertificateFiles certificate;  // ours, shown to servers that ask for one; none: they get none

    friend bool operator==(const UpstreamTls&, const UpstreamTls&) = default;
  };

  struct UpstreamDns {
    Duration refresh = std::chrono::seconds{30};  // names of endpoints are looked up again this often

    friend bool operator==(const UpstreamDns&, const UpstreamDns&) = default;
  };

  struct HealthCheck {
    Duration interval = std::chrono::seconds{30};  // of the process, for each endpoint; 0: none is asked
    Duration timeout = std::chrono::seconds{5};    // to connect, and again for the answer's head
    std::string path = "/";

    friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
  };

  struct UpstreamHealth {
    std::uint32_t failures = 3;                      // in a row; then the endpoint is left alone
    Duration retry_after = std::chrono::seconds{5};  // at most, until one probe request
    HealthCheck check;

    friend bool operator==(const UpstreamHealth&, const UpstreamHealth&) = default;
  };

  struct Upstream {
    std::uint32_t keep_alive = 100;           // idle connections kept, per endpoint and worker
    Duration idle = std::chrono::seconds{8};  // below the 10 s after which customers' nginx closes
    std::uint32_t warm = 1;                   // of these, made ahead for endpoints that had a request lately
    std::uint32_t retries = 1;                // where repeating is safe
    UpstreamTls tls;
    UpstreamDns dns;
    UpstreamHealth health;

    friend bool operator==(const Upstream&, const Upstream&) = default;
  };

  struct Forward {                      // below server_name, to servers' agents and exporters
    std::vector<Network> allow;         // of whose calls are taken; empty: everybody's
    std::vector<std::string> suffixes;  // names below them may be servers that the table knows by address

    friend bool operator==(const Forward&, const Forward&) = default;
  };

  struct Exporter {  // of this machine, read below server_name
    Address address;
    std::string path;

    friend bool operator==(const Exporter&, const Exporter&) = default;
  };

  struct MaxWait {
    Duration navigation = std::chrono::seconds{30};
    Duration api = std::chrono::seconds{60};

    friend bool operator==(const MaxWait&, const MaxWait&) = default;
  };

  // One way to know the class of a request of a held site: RE2 patterns that all hold; "": is not asked.
  struct HoldClassRule {
    std::string name;  // navigation, api, asset, ping, pass, socketio
    std::string method;
    std::string path;
    std::string header;  // its name in lower case
    std::string value;   // of that header

    friend bool operator==(const HoldClassRule&, const HoldClassRule&) = default;
  };

  enum class Monitors : std::uint8_t { kPass, kSynthetic };

  struct HoldGuard {
    std::uint32_t share = 50;  // percent of the released requests that end badly: then the site is held again
    std::uint32_t least = 5;   // of so many at least
    Duration again_after = std::chrono::seconds{5};

    friend bool operator==(const HoldGuard&, const HoldGuard&) = default;
  };

  struct Holds {
    std::uint32_t per_site = 1'000;
    std::uint32_t per_server = 5'000;
    std::uint32_t per_address = 200;
    std::uint32_t total = 20'000;
    std::uint64_t memory = 256 * kMiB;
    std::uint32_t reserve = 50;
    MaxWait max_wait;
    bool in_band = true;
    std::uint64_t replay = 64 * kKiB;  // of a request's body, kept until its answer has come
    Monitors monitors = Monitors::kPass;
    std::vector<HoldClassRule> classes = default_hold_classes();
    std::vector<Network> preview;  // clients that a closed gate lets through
    HoldGuard guard;

    friend bool operator==(const Holds&, const Holds&) = default;
  };

  struct AccessLog {
    std::string path = "/var/log/hybridge/access.log";  // empty: off
    LogFormat format = LogFormat::kJson;
    std::uint64_t buffer = 1 * kMiB;  // per worker; lines beyond it are dropped and counted

    friend bool operator==(const AccessLog&, const AccessLog&) = default;
  };

  struct Audit {
    Duration keep = std::chrono::hours{24 * 90};

    friend bool operator==(const Audit&, const Audit&) = default;
  };

  struct Log {
    LogLevel level = LogLevel::kInfo;

    friend bool operator==(const Log&, const Log&) = default;
  };

  std::uint32_t workers = kAuto;
  Io io = Io::kAuto;
  std::string state_dir = "/var/lib/hybridge";
  std::string state_key;      // a file; empty: private keys are stored as they are
  std::string domain;         // empty: unknown hosts get a 404 page
  std::string server_name;    // empty: this proxy has no name of its own
  std::string server_header;  // empty: no Server header
  Listen listen;
  bool redirect_to_https = true;
  Admin admin;
  std::optional<Address> local_agent;  // not there: there is none
  std::map<std::string, Exporter, std::less<>> exporters;
  CertificateFiles default_certificate;
  Tls tls;
  std::vector<Network> trusted_proxies;
  Limits limits;
  RateLimits rate_limits;
  Timeouts timeouts;
  Duration shutdown_timeout = std::chrono::seconds{30};
  Duration upgrade_timeout = std::chrono::seconds{60};  // for a new process to take over
  Upstream upstream;
  Forward forward;
  Holds holds;
  AccessLog access_log;
  Audit audit;
  Log log;
  std::string pages_dir;  // empty: the built-in pages

  // Where the file gave a key: `limits.headers` → `FILE:LINE:COLUMN`, "" when it did not. Once parsed, every key there
  // is. For messages about what the values point to.
  std::map<std::string, std::string, std::less<>> origins;

  bool is_trusted_proxy(const Address& peer) const;

  // Compares what is configured, not where it was said.
  friend bool operator==(const Config&, const Config&);

 private:
  static std::vector<Address> every_address(std::uint16_t port);  // of IPv4 and IPv6
  static std::vector<Address> loopback(std::uint16_t port);
  static std::vector<HoldClassRule> default_hold_classes();
};

// Reads and checks the file. kInvalid: `detail` has every fault, one a line, as `FILE:LINE:COLUMN: message`.
// kIo: the file cannot be read.
Result<Config> load_config(const std::string& path);

// The same of a text; `file_name` is what messages call it.
Result<Config> parse_config(std::string_view text, std::string_view file_name);

// What the values point to: certificates load and match, directories and bundles are there. Each fault a line that
// begins with the place that named it, or with the key when the file did not. Empty: all is well.
std::vector<std::string> check_files(const Config& config);

}  // namespace hybridge
