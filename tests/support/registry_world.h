// A registry of holds over a store of its own, with workers that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "admin/hold_registry.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "tests/support/peer.h"
#include "tests/support/temporary_directory.h"

namespace hybridge::test {

// Closes gates at once, or never; drained and emptied when the test says so.
class FakeHolds final : public LiveHolds {
 public:
  void set_observer(Observer* its_observer) override { observer = its_observer; }
  void hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) override {
    {
      const std::lock_guard lock(mutex);
      last[terms->id] = *terms;
    }
    if (on_hold) on_hold(*terms);
    if (is_obedient) all_live();
  }
  void unhold(std::string id, std::function<void()>) override {
    const std::lock_guard lock(mutex);
    last.erase(id);
  }
  void stragglers(std::string, std::size_t, std::function<void(std::vector<Straggler>)> done) override {
    done({{.method = "GET", .path = "/report", .site = "a.test", .age_ms = 1500, .is_answering = false}});
  }
  void cut(std::string id, std::function<void(std::size_t)> done) override {
    in_flight = 0;
    drain(id);  // the workers say so before the count is known
    done(1);
  }
  std::optional<Counts> counts(std::string_view) const override {
    Counts counts;
    counts.in_flight = in_flight;
    counts.waiting = waiting;
    counts.outcomes[static_cast<std::size_t>(HoldOutcome::kReleased)] = 7;
    return counts;
  }

  std::optional<HoldTerms> terms(const std::string& id) {
    const std::lock_guard lock(mutex);
    const auto found = last.find(id);
    if (found == last.end()) return std::nullopt;
    return found->second;
  }
  void drain(const std::string& id) { observer->on_drained(id, terms(id)->epoch); }
  void empty(const std::string& id) { observer->on_emptied(id, terms(id)->epoch); }
  void fail(const std::string& id) { observer->on_failed(id, terms(id)->epoch); }

  Observer* observer = nullptr;
  std::function<void(const HoldTerms&)> on_hold;
  std::atomic<bool> is_obedient{true};
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<std::size_t> waiting{0};

 private:
  std::mutex mutex;
  std::map<std::string, HoldTerms> last;
};

class SilentTables final : public LiveTables {
 public:
  void publish(std::shared_ptr<const Snapshot>, std::function<void()> all_live) override {
    if (on_snapshot) on_snapshot();
    all_live();
  }
  void publish(std::shared_ptr<const CertificateTable>, std::function<void()> all_live) override { all_live(); }

  std::function<void()> on_snapshot;
};

struct RegistryWorld {
  // Tells the registry of writes, as the daemon does.
  struct Observer final : Publisher::Observer {
    explicit Observer(RegistryWorld& its_world) : world(its_world) {}
    void on_published(std::uint64_t, Duration) override {}
    void on_planned(const StoreWrite& write, const Snapshot& before) override {
      if (world.registry) world.registry->plan_to_write(write.changes, before);
    }
    void on_written(const StoreWrite& write, bool) override {
      if (world.registry) world.registry->has_written(write.changes);
    }
    void on_store_failed(const Error&) override {}
    RegistryWorld& world;
  };

  explicit RegistryWorld(Duration its_patience = std::chrono::seconds(10)) : patience(its_patience) {
    publisher = std::make_unique<Publisher>(executor, *store, tables,
                                            StateReader::open(directory.path()).value()->load().value(), &observer);
    Server f1{.name = "f1.test",
              .endpoints = {{"127.0.0.1", 80, 1}},
              .tls = {},
              .limits = {},
              .health_path = {},
              .document = {},
              .proxy_upstream = {}};
    auto f2 = f1;
    f2.name = "f2.test";
    change({put(f1), put(f2), put("a.test", Site{"f1.test"}), put("b.test", Site{"f1.test"})});
    start();
  }
  ~RegistryWorld() {
    executor.stop();  // first, as the daemon does: what it answers belongs to the registry
    registry.reset();
  }

  // As after a start of the process.
  void start() {
    registry.reset();
    hold_store = HoldStore::open(directory.path()).value();
    registry = std::make_unique<HoldRegistry>(HoldRegistry::Ports{
        .store = *hold_store,
        .workers = workers,
        .tip = [this] { return publisher->tip(); },
        .submit = [this](Write write, Publisher::Done done) { publisher->submit(std::move(write), std::move(done)); },
        .before = {},
        .again_after = std::chrono::milliseconds(20),
        .patience = patience});
    EXPECT_TRUE(registry->restore());
    registry->start();
  }

  Outcome change(std::vector<Change> changes) {
    Write write;
    write.plan = [changes = std::move(changes)](const Tip&) {
      Plan plan;
      plan.changes = changes;
      return plan;
    };
    std::promise<Outcome> done;
    publisher->submit(std::move(write), [&](const Outcome& outcome) { done.set_value(outcome); });
    return done.get_future().get();
  }

  template <class Call>
  HoldReply await(Call call) {
    std::promise<HoldReply> done;
    call([&](const HoldReply& reply) { done.set_value(reply); });
    return done.get_future().get();
  }
  static HoldBegin wish(const std::string& id, const std::string& site = "a.test") {
    HoldBegin begin;
    begin.id = id;
    begin.scope = {false, site, {}};
    begin.reason = "update";
    begin.who = "ci";
    return begin;
  }
  HoldReply begin(HoldBegin begin) {
    return await([&](auto done) { registry->begin(std::move(begin), done); });
  }
  HoldReply release(const std::string& id, HoldResult result = HoldResult::kReleased) {
    return await([&](auto done) {
      registry->release({.id = id, .result = result, .server = {}, .if_revision = {}, .who = "ci"}, done);
    });
  }
  HoldReply find(const std::string& id) {
    return await([&](auto done) { registry->find(id, done); });
  }
  HoldState state(const std::string& id) { return find(id).record->state; }
  bool comes_to(const std::string& id, HoldState wanted) {
    return eventually([&] { return state(id) == wanted; });
  }
  // By a connection of its own: the registry's is its thread's.
  HoldStore::Loaded stored() { return HoldStore::open(directory.path()).value()->load().value(); }
  // By the registry's connection to the store, on the registry's thread, as all that uses it.
  void execute(const char* statement) {
    await([&](auto done) {
      registry->find({}, [&, done](const HoldReply& reply) {
        EXPECT_TRUE(hold_store->database().execute(statement));
        done(reply);
      });
    });
  }
  // That connection takes nothing from now on, or does again.
  void fill_the_disk(bool full) { execute(full ? "PRAGMA query_only = ON" : "PRAGMA query_only = OFF"); }
  std::vector<std::string> audit() {
    std::vector<std::string> actions;
    const auto lines = StateReader::open(directory.path()).value()->audit(100).value();
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (line->action.find(" hold ") != std::string::npos) actions.push_back(line->action);
    }
    return actions;
  }

  Duration patience;
  TemporaryDirectory directory;
  std::unique_ptr<Store> store = Store::open(directory.path(), Store::Access::kServe).value();
  SilentTables tables;
  Observer observer{*this};
  Executor executor{"publisher"};
  std::unique_ptr<Publisher> publisher;
  FakeHolds workers;
  std::unique_ptr<HoldStore> hold_store;
  std::unique_ptr<HoldRegistry> registry;
};

}  // namespace hybridge::test
