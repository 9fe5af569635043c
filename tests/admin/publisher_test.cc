#include "admin/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "routing/snapshot_json.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

using testing::HasSubstr;
using Kind = Outcome::Kind;

// Workers that take new tables up at once, or when told.
class FakeWorkers : public LiveTables {
 public:
  void publish(std::shared_ptr<const Snapshot> table, std::function<void()> all_live) override {
    snapshot = std::move(table);
    take(std::move(all_live));
  }
  void publish(std::shared_ptr<const CertificateTable> table, std::function<void()> all_live) override {
    certificates = std::move(table);
    take(std::move(all_live));
  }
  void take_up_all() {
    for (auto& each : std::exchange(waiting, {})) each();
  }

  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const CertificateTable> certificates;
  std::vector<std::function<void()>> waiting;
  bool at_once = true;
  int calls = 0;

 private:
  void take(std::function<void()> all_live) {
    ++calls;
    if (at_once) return all_live();
    waiting.push_back(std::move(all_live));
  }
};

struct Observed final : Publisher::Observer {
  void on_published(std::uint64_t revision, Duration) override { published = revision; }
  void on_written(const StoreWrite& write, bool live) override { written.emplace_back(write.revision, live); }
  void on_store_failed(const Error& error) override { failures.push_back(error.detail); }
  std::atomic<std::uint64_t> published{0};
  std::vector<std::pair<std::uint64_t, bool>> written;  // on the Publisher's thread, before the answer
  std::vector<std::string> failures;
};

struct World {
  explicit World(Duration patience = std::chrono::minutes(1)) {
    publisher = std::make_unique<Publisher>(executor, *store, workers, load(), &observed, patience);
  }
  ~World() { executor.stop(); }

  LoadedState load() { return StateReader::open(directory.path()).value()->load().value(); }

  Outcome submit(Write write) {
    std::promise<Outcome> promise;
    publisher->submit(std::move(write), [&](const Outcome& outcome) { promise.set_value(outcome); });
    return promise.get_future().get();
  }
  Outcome put_host(const std::string& name, Host host) { return submit(write({put(name, std::move(host))})); }
  static Write write(std::vector<Change> changes) {
    Write made;
    made.plan = [changes = std::move(changes)](const Tip&) {
      Plan plan;
      plan.changes = changes;
      return plan;
    };
    made.who = "ci";
    made.action = "PUT /v1/test";
    return made;
  }
  // Keeps the Publisher's thread busy until the latch is counted down.
  void hold(std::latch& latch) {
    executor.post([&latch] { latch.wait(); });
  }
  void run_on_executor(std::function<void()> work) {
    std::promise<void> done;
    executor.post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }
  void fill_the_disk(bool full) {
    const auto pages = full ? store->database().number("PRAGMA page_count").value() : 1'000'000;
    ASSERT_TRUE(store->database().execute(("PRAGMA max_page_count = " + std::to_string(pages)).c_str()));
  }

  TemporaryDirectory directory;
  std::unique_ptr<Store> store = Store::open(directory.path(), Store::Access::kServe).value();
  FakeWorkers workers;
  Observed observed;
  Executor executor{"publisher"};
  std::unique_ptr<Publisher> publisher;
};

Host to_site(std::string site) {
  return {std::move(site), "", false, false};
}

Host to_redirect(std::string target) {
  return {"", std::move(target), false, false};
}

CertificateRecord certificate(const std::string& host) {
  CertificateRecord record;
  record.facts.host = host;
  record.facts.not_after = 1'900'000'000;
  record.pairs = {{"CHAIN", "KEY"}};
  return record;
}

// Too much for a disk without room.
std::vector<Change> many_hosts() {
  std::vector<Change> changes;
  for (int i = 0; i < 2000; ++i) changes.push_back(put("h" + std::to_string(i) + ".test", to_site("x.test")));
  return changes;
}

TEST(Publisher, StoresAJobThatChangesNoTable) {
  World world;
  world.workers.at_once = false;
  Write write;
  write.plan = [](const Tip&) {
    Plan plan;
    plan.jobs = {{1'000'001, "faefbd3550", "Ping Job", false, 5, 0, {"Ping Step"}, {0, 7}, "{}"}};
    return plan;
  };
  std::promise<Outcome> promise;
  world.publisher->submit(std::move(write), [&](const Outcome& outcome) { promise.set_value(outcome); });
  world.run_on_executor([] {});
  world.workers.take_up_all();
  const auto outcome = promise.get_future().get();
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_TRUE(outcome.live);
  EXPECT_EQ(world.publisher->live_revision(), 1U);
  EXPECT_EQ(outcome.tip.snapshot->revision(), 0U);
  const auto stored = StateReader::open(world.directory.path()).value()->newest_jobs(9).value();
  ASSERT_EQ(stored.size(), 1U);
  EXPECT_EQ(stored[0].revision, 1U);
}

TEST(Publisher, StoresAndPublishesBeforeItAnswers) {
  World world;
  const auto outcome = world.put_host("a.test", to_site("x.test"));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_EQ(outcome.revision, 1U);
  EXPECT_TRUE(outcome.live);
  EXPECT_EQ(outcome.puts, 1U);
  EXPECT_TRUE(world.workers.snapshot->host("a.test"));
  EXPECT_EQ(world.workers.snapshot->revision(), 1U);
  EXPECT_TRUE(world.load().snapshot.host("a.test"));
  EXPECT_EQ(world.publisher->live_revision(), 1U);
  EXPECT_EQ(world.observed.published, 1U);
}

TEST(Publisher, CountsOnFromTheRevisionThatWasLoaded) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  world.put_host("b.test", to_site("x.test"));
  FakeWorkers workers;
  Executor executor("second");
  Publisher second(executor, *world.store, workers, world.load());
  EXPECT_EQ(second.revision(), 2U);
  EXPECT_TRUE(second.tip().snapshot->host("b.test"));
  std::promise<void> published;
  second.publish_loaded([&] { published.set_value(); });
  published.get_future().get();
  EXPECT_TRUE(workers.snapshot->host("a.test"));
  EXPECT_TRUE(workers.certificates);
  EXPECT_EQ(second.live_revision(), 2U);
  EXPECT_TRUE(second.has_published());
  executor.stop();
}

TEST(Publisher, HandsACertificateAndItsHostOverTogether) {
  World world;
  Write write;
  write.plan = [](const Tip&) {
    Plan plan;
    plan.changes = {put("erp.acme.com", to_site("acme.test"))};
    plan.certificates = {certificate("erp.acme.com")};
    return plan;
  };
  const auto outcome = world.submit(std::move(write));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_EQ(outcome.puts, 2U);
  EXPECT_TRUE(world.workers.snapshot->host("erp.acme.com"));
  ASSERT_TRUE(world.workers.certificates->own("erp.acme.com"));
  EXPECT_EQ(world.workers.certificates->own("erp.acme.com")->version, 1U);
  EXPECT_EQ(world.load().certificates.own("erp.acme.com")->version, 1U);
}

TEST(Publisher, ACertificateAloneLeavesTheSnapshotsRevision) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  Write write;
  write.plan = [](const Tip&) {
    Plan plan;
    plan.certificates = {certificate("a.test")};
    return plan;
  };
  EXPECT_EQ(world.submit(std::move(write)).revision, 2U);
  EXPECT_EQ(world.workers.snapshot->revision(), 1U);
  Write removal;
  removal.plan = [](const Tip&) {
    Plan plan;
    plan.removed_certificates = {"a.test"};
    return plan;
  };
  EXPECT_EQ(world.submit(std::move(removal)).deletions, 1U);
  EXPECT_FALSE(world.workers.certificates->own("a.test"));
  EXPECT_EQ(world.load().certificates.size(), 0U);
}

TEST(Publisher, AnswersThatAWriteIsNotYetLive) {
  World world(std::chrono::milliseconds(10));
  world.workers.at_once = false;
  const auto outcome = world.put_host("a.test", to_site("x.test"));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_FALSE(outcome.live);
  EXPECT_TRUE(outcome.durable);
  EXPECT_EQ(world.publisher->live_revision(), 0U);
  world.workers.take_up_all();
  world.run_on_executor([] {});
  EXPECT_EQ(world.publisher->live_revision(), 1U);
}

TEST(Publisher, WaitsForEveryTableToBeTakenUp) {
  World world;
  world.workers.at_once = false;
  std::promise<Outcome> promise;
  auto answered = promise.get_future();
  Write write;
  write.plan = [](const Tip&) {
    Plan plan;
    plan.changes = {put("erp.acme.com", to_site("acme.test"))};
    plan.certificates = {certificate("erp.acme.com")};
    return plan;
  };
  world.publisher->submit(std::move(write), [&](const Outcome& outcome) { promise.set_value(outcome); });
  world.run_on_executor([] {});
  ASSERT_EQ(world.workers.waiting.size(), 2U);
  world.workers.waiting[0]();
  world.run_on_executor([] {});
  EXPECT_EQ(answered.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  world.workers.waiting[1]();
  EXPECT_TRUE(answered.get().live);
}

TEST(Publisher, RefusesAConflict) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  Write write;
  write.plan = [](const Tip& tip) {
    Plan plan;
    plan.is_conflict = tip.snapshot->revision() != 7;
    plan.changes = {put("b.test", to_site("x.test"))};
    return plan;
  };
  const auto outcome = world.submit(std::move(write));
  EXPECT_EQ(outcome.kind, Kind::kConflict);
  EXPECT_EQ(outcome.revision, 1U);
  EXPECT_FALSE(world.workers.snapshot->host("b.test"));
}

TEST(Publisher, OfTwoWritersThatKnowTheSameTableOneIsRefused) {
  World world;
  const auto compare_and_put = [](const std::string& name) {
    Write write;
    write.plan = [name](const Tip& tip) {
      Plan plan;
      plan.is_conflict = tip.snapshot->revision() != 0;
      plan.changes = {put(name, to_site("x.test"))};
      return plan;
    };
    return write;
  };
  std::latch go(1);
  world.hold(go);
  std::promise<Outcome> first, second;
  world.publisher->submit(compare_and_put("a.test"), [&](const Outcome& outcome) { first.set_value(outcome); });
  world.publisher->submit(compare_and_put("b.test"), [&](const Outcome& outcome) { second.set_value(outcome); });
  go.count_down();
  EXPECT_EQ(first.get_future().get().kind, Kind::kAccepted);
  EXPECT_EQ(second.get_future().get().kind, Kind::kConflict);
  EXPECT_FALSE(world.workers.snapshot->host("b.test"));
}

TEST(Publisher, WritersFromManyThreadsLoseNothing) {
  World world;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&world, writer] {
      for (int i = 0; i < 25; ++i) {
        const auto name = "h" + std::to_string(writer) + "-" + std::to_string(i) + ".test";
        EXPECT_EQ(world.put_host(name, to_site("x.test")).kind, Kind::kAccepted);
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(world.workers.snapshot->host_count(), 100U);
  EXPECT_EQ(world.load().snapshot.host_count(), 100U);
  EXPECT_EQ(world.publisher->revision(), 100U);
}

TEST(Publisher, CommitsWritesThatCameTogetherAtOnce) {
  World world;
  std::latch go(1), answered(20);
  world.hold(go);
  std::vector<std::uint64_t> revisions;
  for (int i = 0; i < 20; ++i) {
    world.publisher->submit(World::write({put("h" + std::to_string(i) + ".test", to_site("x.test"))}),
                            [&](const Outcome& outcome) {
                              revisions.push_back(outcome.revision);
                              answered.count_down();
                            });
  }
  go.count_down();
  answered.wait();
  EXPECT_EQ(world.workers.calls, 1);
  EXPECT_EQ(revisions.front(), 1U);
  EXPECT_EQ(revisions.back(), 20U);
  EXPECT_EQ(world.load().snapshot.host_count(), 20U);
}

TEST(Publisher, ChangesNothingWhenThereIsNothingToChange) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  const auto outcome = world.submit(World::write({}));
  EXPECT_EQ(outcome.kind, Kind::kUnchanged);
  EXPECT_EQ(outcome.revision, 1U);
  EXPECT_TRUE(outcome.live);
  EXPECT_EQ(world.workers.calls, 1);
}

TEST(Publisher, DoesNotAnswerARepetitionBeforeWhatItRepeatsIsStored) {
  World world;
  const auto document = [] {
    Write write;
    write.plan = [](const Tip& tip) {
      Plan plan;
      plan.changes = difference(*tip.snapshot, Snapshot{}.with_host("a.test", to_site("x.test")));
      return plan;
    };
    return write;
  };
  world.fill_the_disk(true);
  std::latch go(1);
  world.hold(go);
  std::promise<Outcome> first, second;
  world.publisher->submit(document(), [&](const Outcome& outcome) { first.set_value(outcome); });
  world.publisher->submit(document(), [&](const Outcome& outcome) { second.set_value(outcome); });
  go.count_down();
  // A single host may still fit into the page it belongs to; then both are accepted.
  const auto kind = first.get_future().get().kind;
  EXPECT_EQ(second.get_future().get().kind, kind == Kind::kAccepted ? Kind::kUnchanged : kind);
}

TEST(Publisher, ADryRunLeavesEverythingAsItIs) {
  World world;
  auto write = World::write({put("a.test", to_site("x.test")), deletion(Change::Kind::kSite, "x.test")});
  write.dry_run = true;
  const auto outcome = world.submit(std::move(write));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_TRUE(outcome.dry_run);
  EXPECT_EQ(outcome.revision, 0U);
  EXPECT_EQ(outcome.puts, 1U);
  EXPECT_EQ(outcome.deletions, 1U);
  EXPECT_FALSE(outcome.tip.snapshot->host("a.test"));
  EXPECT_EQ(world.workers.calls, 0);
  EXPECT_FALSE(world.publisher->tip().snapshot->host("a.test"));
  EXPECT_EQ(world.load().snapshot.host_count(), 0U);
}

TEST(Publisher, RefusesARedirectRingThatTwoChangesMakeTogether) {
  World world;
  EXPECT_EQ(world.put_host("a.test", to_redirect("b.test")).kind, Kind::kAccepted);
  const auto outcome = world.put_host("b.test", to_redirect("a.test"));
  EXPECT_EQ(outcome.kind, Kind::kInvalid);
  ASSERT_EQ(outcome.faults.count(), 1U);
  EXPECT_THAT(outcome.faults.kept()[0].message, HasSubstr("ring: b.test → a.test → b.test"));
  EXPECT_FALSE(world.workers.snapshot->host("b.test"));
}

TEST(Publisher, RefusesFaultsOfThePlan) {
  World world;
  Write write;
  write.plan = [](const Tip&) {
    Plan plan;
    plan.faults.add("sites", "is wrong");
    plan.changes = {put("a.test", to_site("x.test"))};
    return plan;
  };
  EXPECT_EQ(world.submit(std::move(write)).kind, Kind::kInvalid);
  EXPECT_EQ(world.workers.calls, 0);
}

TEST(Publisher, PromisesNothingThatTheDiskHasNoRoomFor) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  world.fill_the_disk(true);
  const auto outcome = world.submit(World::write(many_hosts()));
  EXPECT_EQ(outcome.kind, Kind::kNotStored);
  EXPECT_THAT(outcome.error.detail, HasSubstr("the disk is full"));
  EXPECT_EQ(outcome.revision, 1U);
  EXPECT_EQ(world.workers.snapshot->host_count(), 1U);
  EXPECT_EQ(world.publisher->tip().snapshot->host_count(), 1U);
  EXPECT_EQ(world.observed.failures.size(), 1U);
  world.fill_the_disk(false);
  EXPECT_EQ(world.submit(World::write(many_hosts())).kind, Kind::kAccepted);
}

TEST(Publisher, AWriteThatDoesNotFitTakesNoOtherWithIt) {
  World world;
  // Pages to spare for one host, not for two thousand.
  ASSERT_TRUE(world.store->database().execute(
      ("PRAGMA max_page_count = " + std::to_string(world.store->database().number("PRAGMA page_count").value() + 4))
          .c_str()));
  std::latch go(1);
  world.hold(go);
  std::promise<Outcome> small, large;
  world.publisher->submit(World::write(many_hosts()), [&](const Outcome& outcome) { large.set_value(outcome); });
  world.publisher->submit(World::write({put("a.test", to_site("x.test"))}),
                          [&](const Outcome& outcome) { small.set_value(outcome); });
  go.count_down();
  EXPECT_EQ(large.get_future().get().kind, Kind::kNotStored);
  EXPECT_EQ(small.get_future().get().kind, Kind::kAccepted);
  EXPECT_TRUE(world.load().snapshot.host("a.test"));
}

TEST(Publisher, ARemovalIsServedThoughTheDiskIsFullAndStoredWithTheNextWrite) {
  World world;
  ASSERT_EQ(world.submit(World::write(many_hosts())).kind, Kind::kAccepted);
  ASSERT_TRUE(
      world.store->database().execute("CREATE TRIGGER broken BEFORE DELETE ON hosts BEGIN "
                                      "SELECT RAISE(ABORT, 'as if the disk were full'); END"));
  auto removal = World::write({deletion(Change::Kind::kHost, "h7.test")});
  removal.frees = true;
  const auto outcome = world.submit(std::move(removal));
  EXPECT_EQ(outcome.kind, Kind::kAccepted);
  EXPECT_FALSE(outcome.durable);
  EXPECT_FALSE(world.workers.snapshot->host("h7.test"));
  EXPECT_TRUE(world.load().snapshot.host("h7.test"));

  ASSERT_TRUE(world.store->database().execute("DROP TRIGGER broken"));
  EXPECT_TRUE(world.put_host("new.test", to_site("x.test")).durable);
  EXPECT_FALSE(world.load().snapshot.host("h7.test"));
  EXPECT_TRUE(world.load().snapshot.host("new.test"));
}

TEST(Publisher, NotesWhatWasBeforeAndAfter) {
  World world;
  world.put_host("a.test", to_site("x.test"));
  world.put_host("a.test", to_site("y.test"));
  const auto audit = StateReader::open(world.directory.path()).value()->audit(1).value();
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_EQ(audit[0].who, "ci");
  EXPECT_EQ(audit[0].action, "PUT /v1/test");
  EXPECT_EQ(
      audit[0].detail,
      R"({"changes":[{"kind":"host","name":"a.test","before":{"site":"x.test"},"after":{"site":"y.test"}}],"count":1})");
}

}  // namespace
}  // namespace hybridge
