#include "admin/receipts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::code_of;
using test::FakeStream;
using test::json_of;

struct ReceiptsWorld : ApiWorld {
  std::unique_ptr<FakeStream> keyed(std::string key, std::string method, std::string target, std::string body,
                                    std::string who = "boss") {
    return call_as(who, {.method = std::move(method),
                         .target = std::move(target),
                         .headers = {{"Idempotency-Key", std::move(key)}},
                         .body = std::move(body)});
  }
  // As after a restart: nothing is left but the store.
  void start_again() {
    api.reset();
    executor.stop();
    second = std::make_unique<Executor>("publisher");
    publisher = std::make_unique<Publisher>(*second, *store, workers, reader->load().value());
    api = std::make_unique<AdminApi>(sources());
  }
  ~ReceiptsWorld() {
    api.reset();
    if (second) second->stop();
  }
  std::unique_ptr<Executor> second;
};

constexpr const char* kHost = "/v1/hosts/a.test";
constexpr const char* kToB = R"({"redirect":"b.test"})";
constexpr const char* kToC = R"({"redirect":"c.test"})";

TEST(Receipts, CarryACallOutOnce) {
  ReceiptsWorld world;
  const auto first = world.keyed("k1", "PUT", kHost, kToB);
  EXPECT_EQ(first->body(), "{\"revision\":1}\n");
  EXPECT_EQ(first->header("Idempotency-Replayed"), "");
  world.put(kHost, kToC);
  const auto again = world.keyed("k1", "PUT", kHost, kToB);
  EXPECT_EQ(again->status(), 200);
  EXPECT_EQ(again->body(), first->body());
  EXPECT_EQ(again->header("Idempotency-Replayed"), "true");
  EXPECT_EQ(json_of(*world.get(kHost)).at("redirect"), "c.test") << "it was not carried out again";
}

TEST(Receipts, OutliveTheProcess) {
  ReceiptsWorld world;
  world.keyed("k1", "PUT", kHost, kToB);
  const auto warned = world.keyed("k2", "PUT", "/v1/sites/s.test", R"({"server":"none"})");
  EXPECT_TRUE(json_of(*warned).as_object().contains("warnings"));
  world.start_again();
  world.put(kHost, kToC);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToB)->body(), "{\"revision\":1}\n");
  EXPECT_EQ(world.keyed("k2", "PUT", "/v1/sites/s.test", R"({"server":"none"})")->body(), warned->body());
  EXPECT_EQ(json_of(*world.get(kHost)).at("redirect"), "c.test");
}

TEST(Receipts, AreStoredInTheTransactionOfTheirWrite) {
  ReceiptsWorld world;
  world.keyed("k1", "PUT", kHost, kToB);
  const auto stored = world.reader->receipt("boss", "k1").value();
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->body, "{\"revision\":1}\n");
  EXPECT_EQ(world.store->database().number("SELECT count(*) FROM receipts").value(), 1);
  EXPECT_EQ(world.publisher->revision(), 1U) << "they make no revision of their own";
}

TEST(Receipts, KeepTheAnswerOfACallThatChangedNothing) {
  ReceiptsWorld world;
  world.put(kHost, kToB);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToB)->body(), "{\"revision\":1}\n");
  world.put(kHost, kToC);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToB)->header("Idempotency-Replayed"), "true");
  EXPECT_EQ(json_of(*world.get(kHost)).at("redirect"), "c.test");
}

TEST(Receipts, RefuseTheKeyOfAnotherCall) {
  ReceiptsWorld world;
  world.keyed("k1", "PUT", kHost, kToB);
  for (const auto& other : {world.keyed("k1", "PUT", kHost, kToC), world.keyed("k1", "PUT", "/v1/hosts/x.test", kToB),
                            world.keyed("k1", "DELETE", kHost, "")}) {
    EXPECT_EQ(other->status(), 409);
    EXPECT_EQ(code_of(*other), "idempotency_key_reused");
  }
  EXPECT_EQ(json_of(*world.get(kHost)).at("redirect"), "b.test");
}

TEST(Receipts, AreOfOneCaller) {
  ReceiptsWorld world;
  world.keyed("k1", "PUT", kHost, kToB);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToC, "router")->status(), 200);
  EXPECT_EQ(json_of(*world.get(kHost)).at("redirect"), "c.test");
}

TEST(Receipts, JudgeARefusedCallAnew) {
  ReceiptsWorld world;
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, R"({"redirect":"a.test"})")->status(), 422);
  EXPECT_EQ(world.keyed("k2", "DELETE", kHost, "")->status(), 404);
  world.put(kHost, kToB);
  EXPECT_EQ(world.keyed("k2", "DELETE", kHost, "")->status(), 200);
}

TEST(Receipts, LeaveADryRunOut) {
  ReceiptsWorld world;
  world.keyed("k1", "PUT", std::string(kHost) + "?dry_run=true", kToB);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToB)->body(), "{\"revision\":1}\n");
}

TEST(Receipts, TakeAKeyWithOrWithoutQuotes) {
  ReceiptsWorld world;
  world.keyed("\"k1\"", "PUT", kHost, kToB);
  EXPECT_EQ(world.keyed("k1", "PUT", kHost, kToB)->header("Idempotency-Replayed"), "true");
}

TEST(Receipts, RefuseWhatIsNoKey) {
  ReceiptsWorld world;
  for (const auto& key : {std::string("a b"), std::string("\"\""), std::string(201, 'x')}) {
    const auto refused = world.keyed(key, "PUT", kHost, kToB);
    EXPECT_EQ(refused->status(), 400) << key;
    EXPECT_EQ(code_of(*refused), "bad_idempotency_key");
  }
}

TEST(Receipts, AnswerTheSameCallMadeTwiceAtOnce) {
  ReceiptsWorld world;
  world.workers.is_obedient = false;  // so that the first is still under way
  FakeStream::Request request{
      .method = "PUT", .target = kHost, .headers = {{"Idempotency-Key", "k1"}}, .body = kToB, .peer = "unix"};
  FakeStream first(request);
  FakeStream second(request);
  spawn(world.api->serve(first));
  spawn(world.api->serve(second));
  while (!first.is_finished() || !second.is_finished()) world.queue.run_one();
  EXPECT_EQ(first.status(), 202);
  EXPECT_EQ(second.body(), first.body());
  EXPECT_EQ(world.publisher->revision(), 1U);
}

}  // namespace
}  // namespace hybridge
