// An edge with windows that the test opens and releases itself, as the registry of holds would, and what the workers
// say of them.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "proxy/live_holds.h"
#include "tests/support/edge_world.h"

namespace hybridge::test {

class HoldWorld final : private LiveHolds::Observer {
 public:
  explicit HoldWorld(EdgeWorld::Options options = {}) : edge_world(std::move(options)) {
    edge_world.edge->set_observer(this);
    terms.id = "w1";
    terms.names = {"a.test"};
  }
  ~HoldWorld() {
    if (terms.epoch > 0) unhold();
  }

  // Live on every worker when they return. They change `terms`, the next of the window's.
  void hold(const std::function<void(HoldTerms&)>& tune = {}) { set(HoldMode::kHold, tune); }
  void release(const std::function<void(HoldTerms&)>& tune = {}) { set(HoldMode::kRelease, tune); }
  void page() { set(HoldMode::kPage, {}); }
  void unhold() {
    terms.epoch = 0;
    std::promise<void> live;
    edge_world.edge->unhold(terms.id, [&live] { live.set_value(); });
    live.get_future().wait();
  }

  LiveHolds::Counts counts() const { return edge_world.edge->counts(terms.id).value_or(LiveHolds::Counts{}); }
  void await_waiting(std::size_t requests) {
    EXPECT_TRUE(eventually([&] { return counts().waiting == requests; })) << counts().waiting << " wait";
  }
  std::vector<Straggler> stragglers() {
    std::promise<std::vector<Straggler>> found;
    edge_world.edge->stragglers(terms.id, 10, [&](std::vector<Straggler> all) { found.set_value(std::move(all)); });
    return found.get_future().get();
  }
  std::size_t cut() {
    std::promise<std::size_t> done;
    edge_world.edge->cut(terms.id, [&](std::size_t cut) { done.set_value(cut); });
    return done.get_future().get();
  }

  bool has_drained() const { return drained == terms.epoch; }

  EdgeWorld edge_world;
  HoldTerms terms;
  std::atomic<std::uint64_t> drained{0};  // epochs
  std::atomic<std::uint64_t> emptied{0};
  std::atomic<std::uint64_t> failed{0};

 private:
  void set(HoldMode mode, const std::function<void(HoldTerms&)>& tune) {
    ++terms.epoch;
    terms.mode = mode;
    terms.server = "f1.test";
    if (tune) tune(terms);
    std::promise<void> live;
    edge_world.edge->hold(std::make_shared<const HoldTerms>(terms), [&live] { live.set_value(); });
    live.get_future().wait();
  }
  void on_drained(const std::string&, std::uint64_t epoch) override { drained = epoch; }
  void on_emptied(const std::string&, std::uint64_t epoch) override { emptied = epoch; }
  void on_failed(const std::string&, std::uint64_t epoch) override { failed = epoch; }
};

}  // namespace hybridge::test
