// The table that hosts are looked up in, and what a change of one of them costs, at 100,000 hosts.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "routing/change.h"
#include "routing/snapshot.h"
#include "tls/certificate_table.h"

namespace hybridge {
namespace {

constexpr int kHosts = 100'000;

std::string host_name(int number) {
  return "erp.customer-" + std::to_string(number) + ".com";
}
std::string site_name(int number) {
  return "site-" + std::to_string(number) + ".example.com";
}

const Snapshot& table() {
  static const Snapshot made = [] {
    Snapshot::Builder builder;
    Server server;
    server.name = "f1.example.com";
    server.endpoints = {{"203.0.113.7", 80, 1}};
    builder.set_server(server);
    Host wildcard;
    builder.set_host("*.example.com", wildcard);
    for (int i = 0; i < kHosts; ++i) {
      builder.set_site(site_name(i), {.server = server.name});
      Host host;
      host.site = site_name(i);
      builder.set_host(host_name(i), host);
    }
    return std::move(builder).build(1);
  }();
  return made;
}

// Names in an order that no cache foresees.
std::vector<std::string> asked(std::string (*name)(int)) {
  std::vector<std::string> names;
  unsigned random = 1;
  for (int i = 0; i < 4096; ++i) {
    random = random * 1'664'525 + 1'013'904'223;
    names.push_back(name(static_cast<int>(random % kHosts)));
  }
  return names;
}

void find_each(benchmark::State& state, const std::vector<std::string>& names, Route::Kind kind) {
  const auto& snapshot = table();
  std::size_t at = 0;
  for (auto _ : state) {
    auto route = snapshot.find(names[at++ % names.size()]);
    if (route.kind != kind) state.SkipWithError("found something else");
    benchmark::DoNotOptimize(route);
  }
}

void BM_FindHost(benchmark::State& state) {
  find_each(state, asked(host_name), Route::Kind::kSite);
}
void BM_FindSiteByItsName(benchmark::State& state) {
  find_each(state, asked(site_name), Route::Kind::kSite);
}
void BM_FindUnknownHost(benchmark::State& state) {
  find_each(state, asked([](int i) { return "nobody-" + std::to_string(i) + ".test"; }), Route::Kind::kUnknown);
}
BENCHMARK(BM_FindHost);
BENCHMARK(BM_FindSiteByItsName);
BENCHMARK(BM_FindUnknownHost);

// What one change costs before the store and the workers: a new snapshot that shares all the rest.
void BM_ChangeOneHost(benchmark::State& state) {
  Snapshot snapshot = table();
  std::uint64_t revision = 1;
  for (auto _ : state) {
    Host host;
    host.site = site_name(static_cast<int>(revision % kHosts));
    snapshot = apply(snapshot, {put(host_name(7), host)}, ++revision);
    benchmark::DoNotOptimize(snapshot);
  }
}
BENCHMARK(BM_ChangeOneHost);

void BM_CopyOfTheTable(benchmark::State& state) {
  for (auto _ : state) {
    Snapshot copy = table();
    benchmark::DoNotOptimize(copy);
  }
}
BENCHMARK(BM_CopyOfTheTable);

void BM_FindCertificate(benchmark::State& state) {
  static const CertificateTable certificates = [] {
    CertificateTable::Builder builder;
    for (int i = 0; i < kHosts; ++i) builder.set(host_name(i), {});
    return std::move(builder).build();
  }();
  const auto names = asked(host_name);
  std::size_t at = 0;
  for (auto _ : state) {
    auto found = certificates.find(names[at++ % names.size()]);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(BM_FindCertificate);

}  // namespace
}  // namespace hybridge
