// What it costs a request to come in by its gate and to leave: while no window is open, and while another site's is.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/access_log.h"
#include "proxy/exchange.h"
#include "proxy/gate.h"
#include "proxy/hold_pool.h"
#include "proxy/worker.h"
#include "tests/support/fake_stream.h"
#include "tls/trust_store.h"

namespace hybridge {
namespace {

Snapshot table() {
  Snapshot::Builder builder;
  Server server;
  server.name = "f1.test";
  server.endpoints = {{"203.0.113.7", 80, 1}};
  builder.set_server(server);
  for (const auto* name : {"a.test", "b.test"}) builder.set_site(name, {.server = "f1.test"});
  return std::move(builder).build(1);
}

// One worker that does not run, and a request of a.test.
class GateWorld final : private HoldPool::Listener {
 public:
  GateWorld() {
    worker.set_snapshot(std::make_shared<const Snapshot>(table()));
    exchange.emplace(worker, stream, entrance);
    exchange->route = (*exchange->snapshot)->find("a.test");
  }

  void hold(std::string site) {
    HoldTerms terms;
    terms.id = "window";
    terms.epoch = 1;
    terms.names = {std::move(site)};
    auto shared = std::make_shared<const HoldTerms>(std::move(terms));
    worker.gates().apply(pool.set(shared, worker.loop().now()), shared);
  }

 private:
  void on_granted(std::size_t, const HoldPool::WindowPtr&, std::vector<HoldTicket>) override {}
  void on_drained(const HoldWindow&, std::uint64_t) override {}
  void on_emptied(const HoldWindow&, std::uint64_t) override {}
  void on_failed(const HoldWindow&, std::uint64_t) override {}

  static std::shared_ptr<const Config> config() {
    auto made = std::make_shared<Config>();
    made->access_log.path.clear();
    return made;
  }

  const std::shared_ptr<const Config> config_ = config();
  ClientLimits limits_{{}};
  Resolver resolver_{config_->upstream.dns.refresh, 1};
  AccessLog access_log_{config_->access_log, 1};
  CertificateCache certificates_{[](const std::string&) -> Result<PemPairs> { return make_error(Reason::kNotFound); },
                                 [](const std::function<void()>&) {},
                                 {}};
  RateLimits rate_limits_{1 << 16};

 public:
  HoldPool pool{1, *this};
  Worker worker{{.limits = limits_,
                 .resolver = resolver_,
                 .access_log = access_log_,
                 .certificates = certificates_,
                 .rate_limits = rate_limits_,
                 .holds = pool,
                 .trust = TrustStore::load(config_->upstream.tls.ca).value()},
                0,
                {.config = config_,
                 .pages = std::make_shared<const http::Pages>(http::Pages::load("").value()),
                 .default_certificate = {}}};
  test::FakeStream stream{{}};
  Entrance entrance;
  std::optional<Exchange> exchange;
};

void enter_and_leave(benchmark::State& state, GateWorld& world) {
  const Result<void> outcome;
  for (auto _ : state) {
    GateEntry entry(*world.exchange);
    if (!world.worker.gates().admit(entry)) state.SkipWithError("the gate is closed");
    benchmark::DoNotOptimize(entry.leave(outcome));
  }
}

void BM_EnterAndLeave(benchmark::State& state) {
  GateWorld world;
  enter_and_leave(state, world);
}
BENCHMARK(BM_EnterAndLeave);

void BM_EnterAndLeaveBesideAnothersWindow(benchmark::State& state) {
  GateWorld world;
  world.hold("b.test");
  enter_and_leave(state, world);
}
BENCHMARK(BM_EnterAndLeaveBesideAnothersWindow);

}  // namespace
}  // namespace hybridge
