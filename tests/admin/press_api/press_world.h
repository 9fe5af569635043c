// The press API over a store of its own and workers that take up everything at once; calls are made with streams in
// memory, as the control plane makes them.
#pragma once

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "admin/password_hash.h"
#include "admin/press_api/press_api.h"
#include "tests/admin/api_world.h"
#include "tests/support/test_certificates.h"

namespace hybridge::test {

struct PressWorld {
  using Request = FakeStream::Request;

  PressWorld() {
    EXPECT_TRUE(store->put_secret(kAgentPassword, hash_password("secret").value()));
    open();
  }
  ~PressWorld() { close(); }

  void open() {
    reader = StateReader::open(directory.path()).value();
    executor = std::make_unique<Executor>("publisher");
    publisher = std::make_unique<Publisher>(*executor, *store, workers, reader->load().value(), nullptr,
                                            std::chrono::milliseconds(50));
    std::promise<void> loaded;
    publisher->publish_loaded([&loaded] { loaded.set_value(); });
    loaded.get_future().wait();
    api = PressApi::make({.publisher = *publisher,
                          .reader = *reader,
                          .config = [this] { return config; },
                          .now = [this] { return now.fetch_add(tick); },
                          .steady_now = [this] { return steady_now; }})
              .value();
  }
  void close() {
    if (executor) executor->stop();
    api.reset();
    publisher.reset();
  }
  // As after an end of the process: all but what is on disk is new.
  void restart() {
    close();
    store.reset();
    store = Store::open(directory.path(), Store::Access::kServe).value();
    open();
  }

  std::unique_ptr<FakeStream> call(Request request) {
    auto stream = std::make_unique<FakeStream>(std::move(request));
    spawn(api->serve({.stream = *stream,
                      .client = stream->client().peer,
                      .request_id = "request-1",
                      .post = [this](std::function<void()> work) { queue.post(std::move(work)); }}));
    while (!stream->is_finished() && !stream->reset_reason()) queue.run_one();
    return stream;
  }
  std::unique_ptr<FakeStream> call(std::string method, std::string path, std::string body = {}, std::string job = {}) {
    Request request{.method = std::move(method), .target = "/agent/" + path, .body = std::move(body)};
    request.headers.emplace_back("Authorization", "bearer secret");
    if (!job.empty()) request.headers.emplace_back("X-Agent-Job-Id", std::move(job));
    return call(std::move(request));
  }

  std::int64_t post(std::string path, std::string body, std::string job = {}) {
    return job_of(*call("POST", std::move(path), std::move(body), std::move(job)));
  }
  std::int64_t remove(std::string path, std::string body = "{}") {
    return job_of(*call("DELETE", std::move(path), std::move(body)));
  }
  static std::int64_t job_of(const FakeStream& answer) {
    EXPECT_EQ(answer.status(), 200) << answer.body();
    const auto json = boost::json::parse(answer.body());
    return answer.status() == 200 ? json.at("job").as_int64() : 0;
  }

  // `Success: first step, second step`; of a failed job with its traceback behind.
  std::string story(std::int64_t job) {
    const auto json = boost::json::parse(call("GET", "jobs/" + std::to_string(job))->body()).as_object();
    auto text = std::string(json.at("status").as_string()) + ":";
    for (const auto& step : json.at("steps").as_array()) {
      text += (text.ends_with(':') ? " " : ", ") + std::string(step.at("name").as_string());
    }
    if (const auto* traceback = json.at("data").as_object().if_contains("traceback")) {
      text += " (" + std::string(traceback->as_string()) + ")";
    }
    return text;
  }

  const Snapshot& table() const { return *workers.snapshot; }
  std::string value(Change::Kind kind, std::string_view name) const {
    return value_of(table(), kind, name).value_or("none");
  }
  std::string site(std::string_view name) const { return value(Change::Kind::kSite, name); }
  std::string host(std::string_view name) const { return value(Change::Kind::kHost, name); }
  std::string server(std::string_view name) const { return value(Change::Kind::kServer, name); }

  // As the control plane sends a certificate.
  std::string certificate(const std::vector<std::string>& names) {
    const auto pair = authority.issue({.names = names});
    return certificate_json(pair.chain, pair.key);
  }
  static std::string certificate_json(const std::string& chain, const std::string& key) {
    return boost::json::serialize(
        boost::json::object{{"chain.pem", ""}, {"fullchain.pem", chain}, {"privkey.pem", key}});
  }

  TemporaryDirectory directory;
  TestAuthority authority;
  std::unique_ptr<Store> store = Store::open(directory.path(), Store::Access::kServe).value();
  std::unique_ptr<StateReader> reader;
  ObedientWorkers workers;
  PostQueue queue;
  std::shared_ptr<const Config> config = std::make_shared<const Config>();
  std::atomic<std::int64_t> now = 1'787'250'268'009'786;  // 2026-08-20 18:24:28.009786
  std::atomic<std::int64_t> tick = 0;                     // each time somebody looks
  TimePoint steady_now = TimePoint{} + std::chrono::hours(1);
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<PressApi> api;
};

}  // namespace hybridge::test
