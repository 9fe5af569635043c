// The admin API over a store of its own and workers that take up everything at once; calls are made with streams in
// memory, on a loop that is the test itself.
#pragma once

#include <boost/json/parse.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "admin/admin_api.h"
#include "admin/events_api.h"
#include "tests/support/fake_stream.h"
#include "tests/support/temporary_directory.h"

namespace hybridge::test {

class ObedientWorkers final : public LiveTables {
 public:
  void publish(std::shared_ptr<const Snapshot> table, std::function<void()> all_live) override {
    snapshot = std::move(table);
    if (is_obedient) all_live();
  }
  void publish(std::shared_ptr<const CertificateTable> table, std::function<void()> all_live) override {
    certificates = std::move(table);
    if (is_obedient) all_live();
  }
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const CertificateTable> certificates;
  bool is_obedient = true;
};

class PostQueue {
 public:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake_.notify_one();
  }
  void run_one() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !posted_.empty(); });
    auto work = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    work();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
};

// Tells the events, as the process does.
class Teller final : public Publisher::Observer {
 public:
  explicit Teller(EventLog& log) : log_(log) {}
  void on_published(std::uint64_t, Duration) override {}
  void on_written(const StoreWrite& write, bool live) override { tell(log_, write.audit, live); }
  void on_store_failed(const Error&) override {}

 private:
  EventLog& log_;
};

// With the name that calls are made to.
inline Config config_of_tests() {
  Config config;
  config.server_name = "admin.test";
  return config;
}

struct ApiWorld {
  using Request = FakeStream::Request;

  ApiWorld() {
    facts.version = "1.2.3";
    facts.workers = 2;
    add_token("reader", Role::kRead);
    add_token("router", Role::kRoute);
    add_token("certifier", Role::kCertificate);
    add_token("boss", Role::kAdmin);
    publisher = std::make_unique<Publisher>(executor, *store, workers, reader->load().value(), &teller,
                                            std::chrono::milliseconds(50));
    api = std::make_unique<AdminApi>(sources());
  }
  ~ApiWorld() {
    api.reset();
    executor.stop();
  }

  AdminApi::Sources sources() {
    return {
        .publisher = *publisher,
        .reader = *reader,
        .events = events,
        .post = [this](std::function<void()> work) { queue.post(std::move(work)); },
        .status = [this] { return facts; },
        .metrics = [] { return std::string("hybridge_up 1\n"); },
        .config = [this] { return config; },
        .upgrade = [] { return Result<void>(make_error(Reason::kConflict, "not in tests")); },
        .workers = {.counters = {&counters},
                    .find_request = [this](const std::string& id, const auto& done) { find_request(id, done); },
                    .recent_failures =
                        [this](std::size_t most, const auto& done) {
                          if (is_turning) done(recent.failures(most));
                        },
                    .patience = std::chrono::milliseconds(20)},
        .now = [this] { return now; },
        .steady_now = [this] { return steady_now; },
    };
  }

  // As the workers would.
  void find_request(const std::string& id, const std::function<void(std::optional<RecentRequest>)>& done) {
    if (!is_turning) return;
    const auto* const found = recent.find(id);
    done(found ? std::optional(*found) : std::nullopt);
  }

  void add_token(const std::string& name, Role role) {
    ASSERT_TRUE(store->add_token({name, role, sha256("secret of " + name), 1}));
  }

  std::unique_ptr<FakeStream> call(Request request) {
    auto stream = std::make_unique<FakeStream>(std::move(request));
    spawn(api->serve(*stream));
    while (!stream->is_finished() && !stream->reset_reason()) queue.run_one();
    return stream;
  }
  // As the token of that name.
  std::unique_ptr<FakeStream> call_as(const std::string& name, Request request) {
    request.headers.emplace_back("Authorization", "Bearer secret of " + name);
    return call(std::move(request));
  }
  std::unique_ptr<FakeStream> get(std::string target) { return call_as("boss", {.target = std::move(target)}); }
  std::unique_ptr<FakeStream> put(std::string target, std::string body) {
    return call_as("boss", {.method = "PUT", .target = std::move(target), .body = std::move(body)});
  }

  TemporaryDirectory directory;
  std::unique_ptr<Store> store = Store::open(directory.path(), Store::Access::kServe).value();
  std::unique_ptr<StateReader> reader = StateReader::open(directory.path()).value();
  ObedientWorkers workers;
  Executor executor{"publisher"};
  PostQueue queue;
  static constexpr std::uint64_t kFirstEvent = 1000;
  EventLog events{0, kFirstEvent, {.events = 5, .bytes = 1 << 20}};
  Teller teller{events};
  WorkerCounters counters;
  RecentRequests recent;
  bool is_turning = true;
  StatusFacts facts;
  std::shared_ptr<const Config> config = std::make_shared<const Config>(config_of_tests());
  std::int64_t now = 1'800'000'000;
  TimePoint steady_now = TimePoint{} + std::chrono::hours(1);
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<AdminApi> api;
};

inline boost::json::value json_of(const FakeStream& stream) {
  return boost::json::parse(stream.body());
}
inline std::string code_of(const FakeStream& stream) {
  return std::string(json_of(stream).at("code").as_string());
}

}  // namespace hybridge::test
