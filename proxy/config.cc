#include "proxy/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <tuple>

#include "base/host_name.h"
#include "io/driver.h"
#include "proxy/config_reader.h"
#include "proxy/hold_class.h"
#include "routing/rule_matcher.h"
#include "routing/snapshot.h"

namespace hybridge {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What the word `cloudflare` stands for: https://www.cloudflare.com/ips-v4 and https://www.cloudflare.com/ips-v6
// as published (unchanged since 2021-04-08).
constexpr std::string_view kCloudflare[] = {
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22",  "103.31.4.0/22",   "141.101.64.0/18", "108.162.192.0/18",
    "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15",  "104.16.0.0/13",
    "104.24.0.0/14",   "172.64.0.0/13",   "131.0.72.0/22",    "2400:cb00::/32",  "2606:4700::/32",  "2803:f800::/32",
    "2405:b500::/32",  "2405:8100::/32",  "2a06:98c0::/29",   "2c0f:f248::/32"};

void read_host_name(ConfigSection& section, const char* key, std::string& name) {
  section.text(key, name);
  if (name.empty()) return;
  auto normal = normalize_host_name(name);
  if (!normal) return section.refuse(key, normal.error().detail);
  name = std::move(*normal);
}

void read_addresses(ConfigSection& section, const char* key, std::vector<Address>& addresses) {
  std::vector<Address> read;
  section.list(key, [&](std::string_view text) -> std::string {
    auto address = Address::parse_with_port(text);
    if (!address) return '"' + std::string(text) + "\" is not an address with its port (0.0.0.0:443 or [::]:443)";
    // Port 0 asks for any free port, so two of them are two listeners.
    if (address->port() != 0 && std::find(read.begin(), read.end(), *address) != read.end()) {
      return '"' + std::string(text) + "\" is listed twice";
    }
    read.push_back(*address);
    return {};
  });
  if (section.has(key)) addresses = std::move(read);
}

void read_networks(ConfigSection& section, const char* key, std::vector<Network>& networks) {
  section.list(key, [&](std::string_view text) -> std::string {
    if (text == "cloudflare") {
      for (const auto network : kCloudflare) networks.push_back(Network::parse(network).value());
      return {};
    }
    auto network = Network::parse(text);
    if (!network) {
      return '"' + std::string(text) + "\" is neither a network (203.0.113.0/24, 2001:db8::/32) nor cloudflare";
    }
    networks.push_back(*network);
    return {};
  });
}

void read_listen(ConfigSection& section, Config::Listen& listen) {
  read_addresses(section, "https", listen.https);
  read_addresses(section, "http", listen.http);
  read_addresses(section, "proxy_protocol", listen.proxy_protocol);
  if (listen.https.empty() && listen.http.empty())
    section.refuse("https", "and listen.http are empty: nothing listens");
  for (const auto& address : listen.proxy_protocol) {
    const auto is_in = [&](const auto& list) { return std::find(list.begin(), list.end(), address) != list.end(); };
    if (!is_in(listen.https) && !is_in(listen.http)) {
      section.refuse("proxy_protocol", address.to_string() + " is neither in listen.https nor in listen.http");
    }
  }
  for (const auto& address : listen.http) {
    if (address.port() != 0 && std::find(listen.https.begin(), listen.https.end(), address) != listen.https.end()) {
      section.refuse("http", address.to_string() + " is in listen.https too");
    }
  }
}

void read_admin(ConfigSection& section, Config::Admin& admin) {
  read_addresses(section, "listen", admin.listen);
  section.text("socket", admin.socket);
  // sun_path holds 107 characters and a NUL.
  if (admin.socket.size() > 107)
    section.refuse("socket", "is longer than a Unix socket's path may be (107 characters)");
}

void read_local_agent(ConfigSection& section, const char* key, std::optional<Address>& agent) {
  std::string text;
  section.text(key, text);
  if (text.empty()) return;
  const auto address = Address::parse_with_port(text);
  if (!address || address->port() == 0 || !address->is_loopback()) {
    return section.refuse(key, '"' + text + "\" is not a loopback address with its port (127.0.0.1:25052): the " +
                                   "control plane's password goes there in clear text");
  }
  agent = *address;
}

// What is wrong with it, or "".
std::string read_exporter(const std::string& name, std::string_view url, Config& config) {
  constexpr std::string_view kScheme = "http://";
  const bool is_name = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (!is_name) return "is no name of an exporter (lower-case letters, digits, - and _)";
  if (name == "hybridge") return "is the name of what Hybridge tells itself at /metrics/hybridge";
  const auto slash = url.find('/', kScheme.size());
  if (url.starts_with(kScheme) && slash != std::string_view::npos &&
      url.find_first_of(" ?#") == std::string_view::npos) {
    const auto address = Address::parse_with_port(url.substr(kScheme.size(), slash - kScheme.size()));
    if (address && address->port() != 0) {
      config.exporters[name] = {*address, std::string(url.substr(slash))};
      return {};
    }
  }
  return in_quotes(url) + " is not a URL with an address, a port and a path (http://127.0.0.1:9100/metrics)";
}

void read_certificate_files(ConfigSection& section, Config::CertificateFiles& files) {
  section.text("chain", files.chain);
  section.text("key", files.key);
  if (files.chain.empty() == files.key.empty()) return;
  const auto* missing = files.chain.empty() ? "chain" : "key";
  section.refuse(missing, "is missing: a certificate is both a chain and a key");
}

void read_tls_version(ConfigSection& section, Config::TlsVersion& version) {
  section.choice<Config::TlsVersion>("min_version", version,
                                     {{"1.2", Config::TlsVersion::kTls12}, {"1.3", Config::TlsVersion::kTls13}});
}

void read_limits(ConfigSection& section, Config::Limits& limits) {
  constexpr auto kKiB = Config::kKiB;
  constexpr auto kMiB = Config::kMiB;
  section.size("header_bytes", limits.header_bytes, {1 * kKiB, 1 * kMiB});
  section.size("target_bytes", limits.target_bytes, {256, 1 * kMiB});
  section.count("headers", limits.headers, {10, 10'000});
  section.size("body_bytes", limits.body_bytes, {0, 1024 * 1024 * kMiB});
  section.count("requests_per_connection", limits.requests_per_connection, {1, 1'000'000'000});
  section.count("http2_streams", limits.http2_streams, {1, 10'000});
  section.count_or_auto("connections", limits.connections, {10, 10'000'000});
  section.count("connections_per_address", limits.connections_per_address, {1, 10'000'000});
  section.count("requests_per_address", limits.requests_per_address, {1, 10'000'000});
  section.count("handshakes_per_address", limits.handshakes_per_address, {0, 1'000'000});
  section.count("handshakes", limits.handshakes, {1, 1'000'000});
  section.size("waiting_output", limits.waiting_output, {1 * kMiB, 1024 * 1024 * kMiB});
  section.size("min_rate", limits.min_rate, {0, 1 * kMiB});
  section.size_or_auto("memory", limits.memory, {64 * kMiB, 1024 * 1024 * kMiB});
  section.size("upstream_header_bytes", limits.upstream_header_bytes, {1 * kKiB, 1 * kMiB});
  section.count("upstream_connections", limits.upstream_connections, {1, 100'000});
  section.count("upstream_waiting", limits.upstream_waiting, {0, 1'000'000});
  section.count("upstream_site_share", limits.upstream_site_share, {1, 100});
  if (limits.target_bytes > limits.header_bytes) {
    section.refuse("target_bytes", "is more than limits.header_bytes, of which the target is a part");
  }
}

void read_rate_limit(ConfigSection& section, RuleLimit& limit) {
  section.count("requests", limit.requests, {0, 1'000'000});
  section.choice<std::uint32_t>("per", limit.seconds, {{"second", 1}, {"minute", 60}, {"hour", 3600}});
  section.count("burst", limit.burst, {0, 1'000'000});
  section.boolean("dry_run", limit.dry_run);
}

void read_rate_limits(ConfigSection& section, Config::RateLimits& limits) {
  section.section("per_address", [&](ConfigSection& inner) { read_rate_limit(inner, limits.per_address); });
  section.section("per_site", [&](ConfigSection& inner) { read_rate_limit(inner, limits.per_site); });
  section.section("per_address_and_site",
                  [&](ConfigSection& inner) { read_rate_limit(inner, limits.per_address_and_site); });
  section.size("memory", limits.memory, {64 * Config::kKiB, 1024 * Config::kMiB});
}

void read_timeouts(ConfigSection& section, Config::Timeouts& timeouts) {
  constexpr Range<milliseconds> kShort{milliseconds{100}, hours{1}};
  constexpr Range<milliseconds> kLong{milliseconds{100}, hours{24 * 30}};
  section.duration("handshake", timeouts.handshake, kShort);
  section.duration("request_head", timeouts.request_head, kShort);
  section.duration("keep_alive", timeouts.keep_alive, kShort);
  section.duration("body_idle", timeouts.body_idle, kShort);
  section.duration("write_idle", timeouts.write_idle, kShort);
  section.duration("connect", timeouts.connect, kShort);
  section.duration("upstream_wait", timeouts.upstream_wait, kShort);
  section.duration("response_head", timeouts.response_head, kLong);
  section.duration("response_idle", timeouts.response_idle, kLong);
  section.duration("tunnel_idle", timeouts.tunnel_idle, kLong);
}

void read_health_check(ConfigSection& section, Config::HealthCheck& check) {
  section.duration("interval", check.interval, {milliseconds{0}, hours{1}});
  section.duration("timeout", check.timeout, {milliseconds{10}, seconds{60}});
  section.text("path", check.path);
  if (const auto fault = health_path_fault(check.path)) section.refuse("path", *fault);
}

void read_forward(ConfigSection& section, Config::Forward& forward) {
  read_networks(section, "allow", forward.allow);
  section.list("suffixes", [&](std::string_view text) -> std::string {
    auto name = normalize_host_name(text);
    if (!name) return name.error().detail;
    forward.suffixes.push_back(std::move(*name));
    return {};
  });
}

void read_upstream(ConfigSection& section, Config::Upstream& upstream) {
  constexpr Range<milliseconds> kWait{milliseconds{100}, hours{1}};
  section.count("keep_alive", upstream.keep_alive, {0, 100'000});
  section.duration("idle", upstream.idle, kWait);
  section.count("warm", upstream.warm, {0, 1'000});
  section.count("retries", upstream.retries, {0, 10});
  section.section("tls", [&](ConfigSection& tls) {
    tls.text("ca", upstream.tls.ca);
    if (upstream.tls.ca.empty()) tls.refuse("ca", "is empty: verification needs a bundle of trusted certificates");
    read_tls_version(tls, upstream.tls.min_version);
    tls.section("certificate", [&](ConfigSection& own) { read_certificate_files(own, upstream.tls.certificate); });
  });
  section.section("dns", [&](ConfigSection& dns) {
    dns.duration("refresh", upstream.dns.refresh, {seconds{1}, hours{24}});
  });
  section.section("health", [&](ConfigSection& health) {
    health.count("failures", upstream.health.failures, {1, 1'000});
    health.duration("retry_after", upstream.health.retry_after, kWait);
    health.section("check", [&](ConfigSection& check) { read_health_check(check, upstream.health.check); });
  });
}

void read_pattern(ConfigSection& section, const char* key, std::string& pattern) {
  section.text(key, pattern);
  if (pattern.empty()) return;
  if (const auto fault = pattern_fault(pattern)) section.refuse(key, *fault);
}

void read_hold_classes(ConfigSection& section, Config::Holds& holds) {
  std::vector<Config::HoldClassRule> classes;
  section.sections("classes", [&](ConfigSection& item) {
    Config::HoldClassRule rule;
    item.text("name", rule.name);
    if (!hold_class(holds, rule.name)) {
      item.refuse("name", '"' + rule.name + "\" is none of navigation, api, asset, ping, pass, socketio");
    }
    read_pattern(item, "method", rule.method);
    read_pattern(item, "path", rule.path);
    item.text("header", rule.header);
    std::transform(rule.header.begin(), rule.header.end(), rule.header.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    read_pattern(item, "value", rule.value);
    if (rule.header.empty() != rule.value.empty()) item.refuse("header", "goes with value: the pattern of its value");
    if (rule.method.empty() && rule.path.empty() && rule.header.empty()) {
      item.refuse("path", "is missing: a class needs a pattern of method, path or header");
    }
    classes.push_back(std::move(rule));
  });
  if (section.has("classes")) holds.classes = std::move(classes);
}

void read_holds(ConfigSection& section, Config::Holds& holds) {
  constexpr Range<std::uint32_t> kWaiting{1, 10'000'000};
  section.count("per_site", holds.per_site, kWaiting);
  section.count("per_server", holds.per_server, kWaiting);
  section.count("per_address", holds.per_address, kWaiting);
  section.count("total", holds.total, kWaiting);
  section.size("memory", holds.memory, {1 * Config::kMiB, 1024 * 1024 * Config::kMiB});
  section.count("reserve", holds.reserve, {0, 1'000'000});
  section.section("max_wait", [&](ConfigSection& max_wait) {
    constexpr Range<milliseconds> kWait{milliseconds{100}, hours{1}};
    max_wait.duration("navigation", holds.max_wait.navigation, kWait);
    max_wait.duration("api", holds.max_wait.api, kWait);
  });
  section.boolean("in_band", holds.in_band);
  section.size("replay", holds.replay, {0, 16 * Config::kMiB});
  section.choice<Config::Monitors>("monitors", holds.monitors,
                                   {{"pass", Config::Monitors::kPass}, {"synthetic", Config::Monitors::kSynthetic}});
  read_hold_classes(section, holds);
  read_networks(section, "preview", holds.preview);
  section.section("guard", [&](ConfigSection& guard) {
    guard.count("share", holds.guard.share, {1, 100});
    guard.count("least", holds.guard.least, {1, 20});
    guard.duration("again_after", holds.guard.again_after, {milliseconds{100}, hours{1}});
  });
}

void read_access_log(ConfigSection& section, Config::AccessLog& log) {
  section.text("path", log.path);
  section.choice<Config::LogFormat>("format", log.format,
                                    {{"json", Config::LogFormat::kJson}, {"frappe", Config::LogFormat::kFrappe}});
  section.size("buffer", log.buffer, {64 * Config::kKiB, 1024 * Config::kMiB});
}

void read_log_level(ConfigSection& section, Config::LogLevel& level) {
  section.choice<Config::LogLevel>("level", level,
                                   {{"debug", Config::LogLevel::kDebug},
                                    {"info", Config::LogLevel::kInfo},
                                    {"warn", Config::LogLevel::kWarn},
                                    {"error", Config::LogLevel::kError}});
}

void read_io(ConfigSection& section, Config::Io& io) {
  section.choice<Config::Io>("io", io,
                             {{"auto", Config::Io::kAuto}, {"ring", Config::Io::kRing}, {"epoll", Config::Io::kEpoll}});
  if (io != Config::Io::kRing) return;
  if (const auto refusal = ring_refusal(); !refusal.empty()) {
    section.refuse("io", "ring: the kernel does not allow io_uring here (" + refusal + "): use auto or epoll");
  }
}

void read_root(ConfigSection& root, Config& config) {
  root.count_or_auto("workers", config.workers, {1, 256});
  read_io(root, config.io);
  root.text("state_dir", config.state_dir);
  if (config.state_dir.empty()) root.refuse("state_dir", "is empty: routes and certificates must be kept somewhere");
  root.text("state_key", config.state_key);
  read_host_name(root, "domain", config.domain);
  read_host_name(root, "server_name", config.server_name);
  root.text("server_header", config.server_header);
  root.section("listen", [&](ConfigSection& section) { read_listen(section, config.listen); });
  root.boolean("redirect_to_https", config.redirect_to_https);
  root.section("admin", [&](ConfigSection& section) { read_admin(section, config.admin); });
  read_local_agent(root, "local_agent", config.local_agent);
  root.named("exporters",
             [&](const std::string& name, std::string_view url) { return read_exporter(name, url, config); });
  root.section("default_certificate",
               [&](ConfigSection& section) { read_certificate_files(section, config.default_certificate); });
  root.section("tls", [&](ConfigSection& section) {
    read_tls_version(section, config.tls.min_version);
    section.text("ciphers", config.tls.ciphers);
    section.duration("ticket_rotation", config.tls.ticket_rotation, {seconds{1}, hours{24 * 7}});
    section.duration("ticket_lifetime", config.tls.ticket_lifetime, {seconds{1}, hours{24 * 7}});  // RFC 8446 4.6.1
  });
  read_networks(root, "trusted_proxies", config.trusted_proxies);
  if (config.trusted_proxies.empty() && !config.listen.proxy_protocol.empty()) {
    root.refuse("trusted_proxies", "is empty, but listen.proxy_protocol needs to know who may send a PROXY header");
  }
  root.section("limits", [&](ConfigSection& section) { read_limits(section, config.limits); });
  root.section("rate_limits", [&](ConfigSection& section) { read_rate_limits(section, config.rate_limits); });
  root.section("timeouts", [&](ConfigSection& section) { read_timeouts(section, config.timeouts); });
  root.duration("shutdown_timeout", config.shutdown_timeout, {milliseconds{0}, hours{24}});
  root.duration("upgrade_timeout", config.upgrade_timeout, {seconds{1}, hours{1}});
  root.section("upstream", [&](ConfigSection& section) { read_upstream(section, config.upstream); });
  root.section("forward", [&](ConfigSection& section) { read_forward(section, config.forward); });
  root.section("holds", [&](ConfigSection& section) { read_holds(section, config.holds); });
  root.section("access_log", [&](ConfigSection& section) { read_access_log(section, config.access_log); });
  root.section("audit", [&](ConfigSection& section) {
    section.duration("keep", config.audit.keep, {hours{1}, hours{24 * 3650}});
  });
  root.section("log", [&](ConfigSection& section) { read_log_level(section, config.log.level); });
  root.text("pages_dir", config.pages_dir);
}

auto compared(const Config& c) {
  return std::tie(c.workers, c.io, c.state_dir, c.state_key, c.domain, c.server_name, c.server_header, c.listen,
                  c.redirect_to_https, c.admin, c.local_agent, c.exporters, c.default_certificate, c.tls,
                  c.trusted_proxies, c.limits, c.rate_limits, c.timeouts, c.shutdown_timeout, c.upgrade_timeout,
                  c.upstream, c.forward, c.holds, c.access_log, c.audit, c.log, c.pages_dir);
}

}  // namespace

bool operator==(const Config& a, const Config& b) {
  return compared(a) == compared(b);
}

std::vector<Address> Config::every_address(std::uint16_t port) {
  return {Address::parse("0.0.0.0", port).value(), Address::parse("::", port).value()};
}

std::vector<Address> Config::loopback(std::uint16_t port) {
  return {Address::parse("127.0.0.1", port).value()};
}

std::vector<Config::HoldClassRule> Config::default_hold_classes() {
  return {
      {.name = "ping", .method = "^(GET|HEAD)$", .path = "^/api/method/(frappe\\.)?ping$", .header = {}, .value = {}},
      {.name = "asset", .method = "^(GET|HEAD)$", .path = "^/assets/", .header = {}, .value = {}},
      {.name = "socketio", .method = {}, .path = "^/socket\\.io(/|$)", .header = {}, .value = {}},
      {.name = "navigation", .method = {}, .path = {}, .header = "sec-fetch-mode", .value = "^navigate$"},
      {.name = "navigation", .method = "^(GET|HEAD)$", .path = {}, .header = "accept", .value = "text/html"}};
}

bool Config::is_trusted_proxy(const Address& peer) const {
  return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                     [&](const Network& network) { return network.contains(peer); });
}

Result<Config> parse_config(std::string_view text, std::string_view file_name) {
  ConfigFaults faults(file_name);
  Config config;
  try {
    const auto documents = YAML::LoadAll(std::string(text));
    const YAML::Node root = documents.empty() ? YAML::Node{} : documents.front();
    if (documents.size() > 1) faults.add(documents[1].Mark(), "a second document begins here; the file must be one");
    if (!root.IsNull() && !root.IsMap()) {
      faults.add(root.Mark(), "expects keys and values, such as workers: auto");
    } else {
      ConfigSection section(root, "", faults, config.origins);
      read_root(section, config);
      section.refuse_others();
    }
  } catch (const YAML::Exception& error) {
    faults.add(error.mark, "not YAML: " + error.msg);
  }
  if (!faults.empty()) return make_error(Reason::kInvalid, faults.text());
  return config;
}

Result<Config> load_config(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) return make_error(Reason::kIo, path + ": " + std::strerror(errno));
  std::string text;
  char piece[4096];
  while (const auto bytes = std::fread(piece, 1, sizeof piece, file.get())) text.append(piece, bytes);
  if (std::ferror(file.get())) return make_error(Reason::kIo, path + ": " + std::strerror(errno));
  return parse_config(text, path);
}

}  // namespace hybridge
