#include "tests/support/edge_world.h"

#include "tests/support/loop_runner.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <utility>

#include "proxy/http/error_page.h"

namespace hybridge::test {

EdgeWorld::EdgeWorld(Options options) {
  Config config;
  config.listen.https = {*Address::parse("127.0.0.1", 0)};
  config.listen.http = {*Address::parse("127.0.0.1", 0)};
  config.io = driver_kind() == DriverKind::kRing ? Config::Io::kRing : Config::Io::kEpoll;
  config.redirect_to_https = false;
  config.access_log.path = directory_ / "access.log";
  config.upstream.tls.ca = directory_ / "ca.pem";
  config.limits.connections = 10'000;
  config.upstream.warm = 0;  // servers of tests count who connects; tests/e2e/warm_test.cc switches it on
  std::ofstream(config.upstream.tls.ca) << authority.pem();
  if (options.tune) options.tune(config);
  config_ = std::make_shared<const Config>(std::move(config));
  access_log_ = std::make_unique<AccessLog>(config_->access_log, options.workers);
  certificates_ = std::make_unique<CertificateCache>(
      [this](const std::string& name) -> Result<PemPairs> { return PemPairs{authority.issue({.names = {name}})}; },
      [this](std::function<void()> work) {
        const std::lock_guard lock(loads_mutex_);  // several workers may ask at a time
        loads_.emplace_back(std::move(work));
      },
      CertificateCache::Limits{});
  resolver_ = std::make_unique<Resolver>(config_->upstream.dns.refresh, 2, options.look_up);
  edge = std::make_unique<Edge>(Standing{.config = config_,
                                         .pages = std::make_shared<const http::Pages>(http::Pages::load("").value()),
                                         .default_certificate = authority.certificate({.names = {"default.test"}})},
                                Edge::Shared{.resolver = *resolver_,
                                             .access_log = *access_log_,
                                             .certificates = *certificates_,
                                             .trust = TrustStore::load(config_->upstream.tls.ca).value()},
                                options.workers);
  edge->open().value();
  if (options.own_api) edge->set_own_api(*options.own_api);
  https = edge->https_addresses().front();
  http = edge->http_addresses().front();
  if (options.maintenance) edge->set_maintenance(*options.maintenance);
  edge->start();
}

EdgeWorld::~EdgeWorld() {
  if (edge) {
    eventually([this] { return in_flight() == 0 && connections(Side::kDownstream, ConnectionProtocol::kTunnel) == 0; });
    eventually([this] { return log_lines().size() >= ended(); });  // the line is written behind the counters
    EXPECT_EQ(log_lines().size(), ended());
    stop();
  }
  for (auto& load : loads_) load.join();
}

void EdgeWorld::stop() {
  edge->stop();
  resolver_.reset();  // its threads post to the workers' loops
  edge.reset();
}

Peer EdgeWorld::connect_tls(const std::string& name) {
  auto peer = Peer::connect_to(https);
  EXPECT_TRUE(peer.start_tls(name));
  return peer;
}

void EdgeWorld::publish(Snapshot::Builder builder) {
  snapshot_ = std::make_shared<const Snapshot>(std::move(builder).build(++revision_));
  std::promise<void> live;
  edge->publish(snapshot_, [&live] { live.set_value(); });
  live.get_future().wait();
}

void EdgeWorld::set_certificate(const std::string& name) {
  const auto certificate = authority.certificate({.names = {name}});
  table_ = table_.with(name, CertificateTable::describe(name, *certificate, ++revision_));
  std::promise<void> live;
  edge->publish(std::make_shared<const CertificateTable>(table_), [&live] { live.set_value(); });
  live.get_future().wait();
}

void EdgeWorld::set_config(const std::function<void(Config&)>& tune,
                           std::shared_ptr<const Certificate> default_certificate) {
  Config config = *config_;
  tune(config);
  config_ = std::make_shared<const Config>(std::move(config));
  edge->publish(Standing{.config = config_,
                         .pages = std::make_shared<const http::Pages>(http::Pages::load("").value()),
                         .default_certificate = std::move(default_certificate)});
  publish(Snapshot::Builder(*snapshot_));  // comes behind it
}

void EdgeWorld::set_server(const std::string& name, const std::vector<Address>& endpoints,
                           const std::function<void(Server&)>& tune) {
  Server server;
  server.name = name;
  for (const auto& endpoint : endpoints) server.endpoints.push_back({endpoint.ip(), endpoint.port(), 1});
  if (tune) tune(server);
  Snapshot::Builder builder(*snapshot_);
  builder.set_server(std::move(server));
  publish(std::move(builder));
}

void EdgeWorld::set_site(const std::string& name, const std::string& server, SiteStatus status) {
  Snapshot::Builder builder(*snapshot_);
  builder.set_site(name, {.server = server, .status = status, .says_status = false});
  publish(std::move(builder));
}

void EdgeWorld::set_host(const std::string& name, Host host) {
  Snapshot::Builder builder(*snapshot_);
  builder.set_host(name, std::move(host));
  publish(std::move(builder));
}

std::uint64_t EdgeWorld::sum(const std::function<std::uint64_t(const WorkerCounters&)>& of) const {
  std::uint64_t total = 0;
  for (const auto* counters : edge->counters()) total += of(*counters);
  return total;
}

std::uint64_t EdgeWorld::ended(Reason reason) const {
  return sum([&](const WorkerCounters& counters) {
    return counters.requests_by_reason[static_cast<std::size_t>(reason)].value();
  });
}

std::uint64_t EdgeWorld::ended() const {
  return sum([](const WorkerCounters& counters) {
    std::uint64_t total = 0;
    for (const auto& counter : counters.requests_by_reason) total += counter.value();
    return total;
  });
}

std::int64_t EdgeWorld::connections(Side side, ConnectionProtocol protocol) const {
  return static_cast<std::int64_t>(sum([&](const WorkerCounters& counters) {
    return static_cast<std::uint64_t>(
        counters.connections[static_cast<std::size_t>(side)][static_cast<std::size_t>(protocol)].value());
  }));
}

std::int64_t EdgeWorld::upstream_connections(UpstreamState state) const {
  return static_cast<std::int64_t>(sum([&](const WorkerCounters& counters) {
    return static_cast<std::uint64_t>(counters.upstream_connections[static_cast<std::size_t>(state)].value());
  }));
}

std::uint64_t EdgeWorld::retries() const {
  return sum([](const WorkerCounters& counters) { return counters.upstream_retries.value(); });
}

std::vector<std::string> EdgeWorld::log_lines() {
  access_log_->flush();
  std::ifstream file(config_->access_log.path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string get(std::string_view target, std::string_view more_fields) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a.test\r\n" + std::string(more_fields) + "\r\n";
}

std::string post(std::string_view target, std::string_view body, std::string_view more_fields) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(more_fields) + "\r\n" + std::string(body);
}

std::string ok(std::string_view body, std::string_view more_fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more_fields) +
         "\r\n" + std::string(body);
}

}  // namespace hybridge::test
