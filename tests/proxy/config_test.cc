#include "proxy/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "io/driver.h"

namespace hybridge {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

Config parsed(std::string_view text) {
  auto config = parse_config(text, "h.yaml");
  EXPECT_TRUE(config) << config.error().detail;
  return config ? *config : Config{};
}

std::string faults(std::string_view text) {
  const auto config = parse_config(text, "h.yaml");
  return config ? "accepted" : config.error().detail;
}

std::filesystem::path shipped_file() {
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "conf" / "hybridge.yaml";
}

TEST(Config, IsServedByAnEmptyFile) {
  EXPECT_EQ(parsed(""), Config{});
  EXPECT_EQ(parsed("# only a comment\n"), Config{});
  EXPECT_EQ(parsed("{}"), Config{});
}

TEST(Config, ShipsAFileThatSaysExactlyTheDefaults) {
  const auto config = load_config(shipped_file());
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(*config, Config{});
}

TEST(Config, ShipsAFileThatMissesNoKey) {
  const auto config = load_config(shipped_file());
  ASSERT_TRUE(config);
  EXPECT_GT(config->origins.size(), 60u);
  for (const auto& [key, place] : config->origins) EXPECT_NE(place, "") << key << " is missing in conf/hybridge.yaml";
}

TEST(Config, ReadsEveryKindOfValue) {
  const auto config = parsed(R"(
workers: 4
io: epoll
domain: Mumbai.Example.com
listen: { https: ["127.0.0.1:8443", "[::1]:8443"], http: ["127.0.0.1:0"] }
redirect_to_https: false
admin: { listen: [], socket: "" }
default_certificate: { chain: /c.pem, key: /k.pem }
tls: { min_version: 1.3 }
limits: { header_bytes: 64k, target_bytes: 512, body_bytes: 1G, connections: 5000, headers: 50 }
timeouts: { handshake: 500ms, keep_alive: 5m, tunnel_idle: 2h }
upstream: { retries: 0, tls: { ca: /ca.pem }, dns: { refresh: 1m }, health: { failures: 5 } }
holds: { max_wait: { api: 90s }, in_band: false }
access_log: { path: "", format: frappe, buffer: 2M }
log: { level: debug }
)");
  EXPECT_EQ(config.workers, 4u);
  EXPECT_EQ(config.io, Config::Io::kEpoll);
  EXPECT_EQ(config.domain, "mumbai.example.com");
  ASSERT_EQ(config.listen.https.size(), 2u);
  EXPECT_EQ(config.listen.https[1].to_string(), "[::1]:8443");
  ASSERT_EQ(config.listen.http.size(), 1u);
  EXPECT_EQ(config.listen.http[0].to_string(), "127.0.0.1:0");
  EXPECT_FALSE(config.redirect_to_https);
  EXPECT_TRUE(config.admin.listen.empty());
  EXPECT_EQ(config.admin.socket, "");
  EXPECT_EQ(config.default_certificate.key, "/k.pem");
  EXPECT_EQ(config.tls.min_version, Config::TlsVersion::kTls13);
  EXPECT_EQ(config.limits.header_bytes, 65536u);
  EXPECT_EQ(config.limits.target_bytes, 512u);
  EXPECT_EQ(config.limits.body_bytes, 1073741824u);
  EXPECT_EQ(config.limits.connections, 5000u);
  EXPECT_EQ(config.limits.headers, 50u);
  EXPECT_EQ(config.timeouts.handshake, milliseconds{500});
  EXPECT_EQ(config.timeouts.keep_alive, minutes{5});
  EXPECT_EQ(config.timeouts.tunnel_idle, hours{2});
  EXPECT_EQ(config.timeouts.connect, seconds{5});
  EXPECT_EQ(config.upstream.retries, 0u);
  EXPECT_EQ(config.upstream.tls.ca, "/ca.pem");
  EXPECT_EQ(config.upstream.dns.refresh, minutes{1});
  EXPECT_EQ(config.upstream.health.failures, 5u);
  EXPECT_EQ(config.holds.max_wait.api, seconds{90});
  EXPECT_FALSE(config.holds.in_band);
  EXPECT_EQ(config.access_log.path, "");
  EXPECT_EQ(config.access_log.format, Config::LogFormat::kFrappe);
  EXPECT_EQ(config.access_log.buffer, 2097152u);
  EXPECT_EQ(config.log.level, Config::LogLevel::kDebug);
}

TEST(Config, TakesASectionWhoseKeysAreAllCommentedOut) {
  EXPECT_EQ(parsed("limits:\n  # headers: 50\n"), Config{});
}

TEST(Config, RefusesAnUnknownKeyAndSuggestsTheNearest) {
  EXPECT_EQ(faults("workers: 2\nlimits:\n  header_byte: 16k\n"),
            "h.yaml:3:3: limits.header_byte: is not a key; did you mean header_bytes?");
  EXPECT_EQ(faults("zzzzzzzzzzzzzzzz: 1\n"), "h.yaml:1:1: zzzzzzzzzzzzzzzz: is not a key");
}

TEST(Config, RefusesAKeyGivenTwice) {
  EXPECT_EQ(faults("workers: 2\nio: auto\nworkers: 3\n"),
            "h.yaml:3:1: workers: is given twice; the first is at h.yaml:1:1");
  EXPECT_EQ(faults("limits: {headers: 20, headers: 30}\n"),
            "h.yaml:1:23: limits.headers: is given twice; the first is at h.yaml:1:10");
}

TEST(Config, ListsAllFaultsInTheOrderOfTheirPlaces) {
  EXPECT_EQ(faults("wrkers: 2\nlimits: { headers: many, body_bytes: 1T }\nio: kqueue\n"),
            "h.yaml:1:1: wrkers: is not a key; did you mean workers?\n"
            "h.yaml:2:20: limits.headers: \"many\" is not a whole number\n"
            "h.yaml:2:38: limits.body_bytes: \"1T\" is not a size (such as 512, 32k, 250M or 1G)\n"
            "h.yaml:3:5: io: \"kqueue\" is none of auto, ring, epoll");
}

TEST(Config, RefusesWhatIsNotYamlAndSaysWhere) {
  EXPECT_THAT(faults("workers: 2\nlisten: [\n"), AllOf(HasSubstr("h.yaml:"), HasSubstr(": not YAML: ")));
  EXPECT_THAT(faults("a: b: c\n"), HasSubstr("h.yaml:1:"));
  EXPECT_EQ(faults("- 1\n- 2\n"), "h.yaml:1:1: expects keys and values, such as workers: auto");
  EXPECT_THAT(faults("workers: 2\n---\nworkers: 3\n"), HasSubstr("a second document begins here"));
}

TEST(Config, RefusesValuesOfTheWrongKind) {
  EXPECT_EQ(faults("workers: [1]"), "h.yaml:1:10: workers: expects a whole number or auto");
  EXPECT_EQ(faults("limits: 5"), "h.yaml:1:9: limits: expects keys below it");
  EXPECT_EQ(faults("listen: { https: \"0.0.0.0:443\" }"), "h.yaml:1:18: listen.https: expects a list: [first, second]");
  EXPECT_EQ(faults("trusted_proxies: [[a]]"), "h.yaml:1:19: trusted_proxies[0]: expects a text");
  EXPECT_EQ(faults("redirect_to_https: yes"), "h.yaml:1:20: redirect_to_https: \"yes\" is neither true nor false");
  EXPECT_EQ(faults("state_dir:\n"), "h.yaml:1:1: state_dir: expects a text");
}

TEST(Config, RefusesADurationWithoutAUnit) {
  EXPECT_EQ(faults("timeouts: { connect: 5 }"),
            "h.yaml:1:22: timeouts.connect: \"5\" is not a duration with its unit (such as 500ms, 10s, 5m or 1h)");
  EXPECT_THAT(faults("timeouts: { connect: -5s }"), HasSubstr("is not a duration"));
  EXPECT_THAT(faults("timeouts: { connect: 99999999999999999999h }"), HasSubstr("is not a duration"));
}

TEST(Config, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(faults("timeouts: { connect: 10ms }"), "h.yaml:1:22: timeouts.connect: 10ms is out of range (100ms to 1h)");
  EXPECT_EQ(faults("limits: { header_bytes: 2M }"), "h.yaml:1:25: limits.header_bytes: 2M is out of range (1k to 1M)");
  EXPECT_EQ(faults("workers: 0"), "h.yaml:1:10: workers: 0 is out of range (1 to 256), or auto");
  EXPECT_EQ(faults("limits: { headers: 4294967396 }"),
            "h.yaml:1:20: limits.headers: 4294967396 is out of range (10 to 10000)");
}

TEST(Config, RefusesAHealthCheckOfWhatIsNoPath) {
  const auto check = [](const std::string& path) {
    return faults("upstream: { health: { check: { path: '" + path + "' } } }");
  };
  EXPECT_EQ(check("/api/method/ping?a=%20"), "accepted");
  EXPECT_EQ(
      check("ping"),
      "h.yaml:1:38: upstream.health.check.path: \"ping\" does not begin with a slash: a path is meant, such as / or "
      "/api/method/ping");
  EXPECT_THAT(check("/a#b"), HasSubstr("has a fragment"));
  EXPECT_THAT(check("/a b"), HasSubstr("percent-encoded"));
  EXPECT_THAT(check("/\xc3\xa4"), HasSubstr("percent-encoded"));
}

TEST(Config, RefusesWhatIsNoAddress) {
  EXPECT_EQ(faults("listen: { http: [\"localhost:80\", \"1.2.3.4\"] }"),
            "h.yaml:1:18: listen.http[0]: \"localhost:80\" is not an address with its port (0.0.0.0:443 or [::]:443)\n"
            "h.yaml:1:34: listen.http[1]: \"1.2.3.4\" is not an address with its port (0.0.0.0:443 or [::]:443)");
}

TEST(Config, RefusesAnAddressListedTwice) {
  EXPECT_EQ(faults("listen: { http: [\"1.2.3.4:80\", \"1.2.3.4:80\"] }"),
            "h.yaml:1:32: listen.http[1]: \"1.2.3.4:80\" is listed twice");
  EXPECT_EQ(faults("listen: { https: [\"1.2.3.4:80\"], http: [\"1.2.3.4:80\"] }"),
            "h.yaml:1:40: listen.http: 1.2.3.4:80 is in listen.https too");
}

TEST(Config, ReadsRateLimits) {
  const auto limits = parsed(R"(rate_limits:
  per_address: { requests: 20, per: minute, burst: 5 }
  per_site: { requests: 100, dry_run: true }
  memory: 1M
)")
                          .rate_limits;
  EXPECT_EQ(limits.per_address, (RuleLimit{.requests = 20, .seconds = 60, .burst = 5, .by = RuleLimit::By::kAddress}));
  EXPECT_EQ(limits.per_site, (RuleLimit{.requests = 100, .seconds = 1, .by = RuleLimit::By::kSite, .dry_run = true}));
  EXPECT_EQ(limits.per_address_and_site.requests, 0u);
  EXPECT_EQ(limits.memory, 1048576u);
  EXPECT_EQ(faults("rate_limits: { per_site: { per: day } }"),
            "h.yaml:1:33: rate_limits.per_site.per: \"day\" is none of second, minute, hour");
}

TEST(Config, TakesMemoryAsASizeOrAuto) {
  EXPECT_EQ(parsed("limits: { memory: 2G }").limits.memory, std::uint64_t{2} << 30);
  EXPECT_EQ(parsed("limits: { memory: auto }").limits.memory, 0u);
  EXPECT_EQ(faults("limits: { memory: 1M }"), "h.yaml:1:19: limits.memory: 1M is out of range (64M to 1024G), or auto");
  EXPECT_EQ(faults("limits: { memory: much }"),
            "h.yaml:1:19: limits.memory: \"much\" is neither a size (such as 512M or 4G) nor auto");
}

TEST(Config, DemandsAProxyHeaderWhereItListensAndOfWhomItTrusts) {
  const auto config = parsed(R"(
listen: { https: ["10.0.0.5:8443", "10.0.0.5:443"], proxy_protocol: ["10.0.0.5:8443"] }
trusted_proxies: ["10.0.0.0/24"]
)");
  ASSERT_EQ(config.listen.proxy_protocol.size(), 1u);
  EXPECT_EQ(config.listen.proxy_protocol[0].port(), 8443);
  EXPECT_EQ(faults("listen: { proxy_protocol: [\"1.2.3.4:80\"] }\ntrusted_proxies: [\"10.0.0.0/24\"]"),
            "h.yaml:1:27: listen.proxy_protocol: 1.2.3.4:80 is neither in listen.https nor in listen.http");
  EXPECT_THAT(faults("listen: { proxy_protocol: [\"0.0.0.0:80\"] }"),
              HasSubstr("trusted_proxies: is empty, but listen.proxy_protocol needs to know"));
}

TEST(Config, RefusesToListenOnNothing) {
  EXPECT_THAT(faults("listen: { https: [], http: [] }"), HasSubstr("nothing listens"));
  EXPECT_TRUE(parsed("listen: { http: [] }").listen.http.empty());
}

TEST(Config, RefusesHalfACertificate) {
  EXPECT_EQ(faults("default_certificate: { chain: /c.pem }"),
            "h.yaml:1:22: default_certificate.key: is missing: a certificate is both a chain and a key");
}

TEST(Config, RefusesATargetLargerThanItsHead) {
  EXPECT_THAT(faults("limits: { header_bytes: 4k }"), HasSubstr("limits.target_bytes: is more than"));
}

TEST(Config, TakesTheRingWhereTheKernelAllowsIt) {
  const auto refusal = ring_refusal();
  if (refusal.empty()) {
    EXPECT_EQ(parsed("io: ring").io, Config::Io::kRing);
  } else {
    EXPECT_EQ(faults("io: ring"),
              "h.yaml:1:5: io: ring: the kernel does not allow io_uring here (" + refusal + "): use auto or epoll");
  }
}

TEST(Config, KeepsHostNamesInTheirOneSpelling) {
  EXPECT_EQ(parsed("server_name: N1.Example.com.").server_name, "n1.example.com");
}

TEST(Config, RefusesWhatIsNoHostName) {
  for (const std::string name : {"-a.example", "a..example", "a b", "*.example"}) {
    EXPECT_THAT(faults("domain: \"" + name + '"'), HasSubstr("h.yaml:1:9: domain: \"" + name + '"')) << name;
  }
}

TEST(Config, RefusesAServerHeaderThatWouldSplitTheHead) {
  EXPECT_THAT(faults("server_header: \"a\\r\\nSet-Cookie: b\""), HasSubstr("server_header: has a control character"));
}

TEST(Config, KnowsExportersByName) {
  EXPECT_TRUE(Config{}.exporters.empty());
  const auto exporters = parsed("exporters: {node: http://127.0.0.1:9100/metrics, c-1: \"http://[::1]:1/\"}").exporters;
  EXPECT_EQ(exporters.at("node"), (Config::Exporter{Address::parse("127.0.0.1", 9100).value(), "/metrics"}));
  EXPECT_EQ(exporters.at("c-1"), (Config::Exporter{Address::parse("::1", 1).value(), "/"}));
  for (const std::string url : {"https://127.0.0.1:9100/metrics", "http://localhost:9100/metrics", "http://127.0.0.1/m",
                                "http://127.0.0.1:9100", "http://127.0.0.1:0/m", "http://127.0.0.1:1/m?x", "h"}) {
    EXPECT_THAT(faults("exporters: {node: \"" + url + "\"}"),
                HasSubstr("exporters.node: \"" + url + "\" is not a URL"));
  }
  EXPECT_THAT(faults("exporters: {A: http://127.0.0.1:1/}"), HasSubstr("exporters.A: is no name of an exporter"));
  EXPECT_THAT(faults("exporters: {hybridge: http://127.0.0.1:1/}"), HasSubstr("exporters.hybridge: is the name of"));
  EXPECT_THAT(faults("exporters: {a: [b]}"), HasSubstr("exporters.a: expects a text"));
}

TEST(Config, ThePasswordOfALocalAgentStaysOnTheMachine) {
  EXPECT_FALSE(Config{}.local_agent);
  EXPECT_EQ(parsed("local_agent: 127.0.0.1:25052").local_agent, Address::parse("127.0.0.1", 25052).value());
  for (const std::string text : {"10.0.0.1:25052", "127.0.0.1", "127.0.0.1:0", "localhost:25052"}) {
    EXPECT_THAT(faults("local_agent: " + text), HasSubstr("local_agent: \"" + text + "\" is not a loopback address"));
  }
}

TEST(Config, TrustsOnlyTheNetworksItNames) {
  const auto config = parsed("trusted_proxies: [10.1.0.0/16, 2001:db8::/32]");
  EXPECT_TRUE(config.is_trusted_proxy(Address::parse("10.1.2.3", 1).value()));
  EXPECT_TRUE(config.is_trusted_proxy(Address::parse("2001:db8:1::1", 1).value()));
  EXPECT_FALSE(config.is_trusted_proxy(Address::parse("10.2.2.3", 1).value()));
  EXPECT_FALSE(Config{}.is_trusted_proxy(Address::parse("127.0.0.1", 1).value()));
  EXPECT_THAT(faults("trusted_proxies: [10.1.0.0/33]"), HasSubstr("trusted_proxies[0]: \"10.1.0.0/33\" is neither"));
}

TEST(Config, KnowsCloudflaresRanges) {
  const auto config = parsed("trusted_proxies: [cloudflare]");
  EXPECT_EQ(config.trusted_proxies.size(), 22u);
  EXPECT_TRUE(config.is_trusted_proxy(Address::parse("104.16.132.229", 1).value()));
  EXPECT_TRUE(config.is_trusted_proxy(Address::parse("2606:4700::6810:84e5", 1).value()));
  EXPECT_FALSE(config.is_trusted_proxy(Address::parse("8.8.8.8", 1).value()));
}

TEST(Config, RemembersWhereAKeyWasGiven) {
  const auto config = parsed("workers: 1\nlimits:\n  headers: 20\n");
  EXPECT_EQ(config.origins.at("limits.headers"), "h.yaml:3:12");
  EXPECT_EQ(config.origins.at("limits.body_bytes"), "");
}

TEST(Config, SaysWhyAFileCannotBeRead) {
  const auto missing = load_config("/nonexistent/hybridge.yaml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, Reason::kIo);
  EXPECT_EQ(missing.error().detail, "/nonexistent/hybridge.yaml: No such file or directory");
  const auto directory = load_config("/");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().detail, "/: Is a directory");
}

}  // namespace
}  // namespace hybridge
