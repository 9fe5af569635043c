#include "admin/snapshot_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::code_of;
using test::FakeStream;
using test::json_of;
using testing::HasSubstr;

constexpr const char* kTable = R"({"hosts":{"erp.acme.com":{"site":"acme.example.com"}},"rules":[],)"
                               R"("servers":{"f1":{"endpoints":[{"address":"203.0.113.7","port":80,"weight":1}]}},)"
                               R"("sites":{"acme.example.com":{"server":"f1","status":"active"}}})";

FakeStream::Request put_if(std::string body, std::string if_match) {
  return {.method = "PUT",
          .target = "/v1/snapshot",
          .headers = {{"If-Match", std::move(if_match)}},
          .body = std::move(body)};
}

TEST(SnapshotApi, GivesBackWhatWasPut) {
  ApiWorld world;
  const auto put = world.put("/v1/snapshot", kTable);
  EXPECT_EQ(put->status(), 200);
  EXPECT_EQ(put->body(), "{\"revision\":1}\n");
  EXPECT_EQ(world.workers.snapshot->find("erp.acme.com").kind, Route::Kind::kSite);

  const auto got = world.get("/v1/snapshot");
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("ETag"), "\"1\"");
  EXPECT_EQ(got->header("Content-Type"), "application/json");
  EXPECT_EQ(got->body(), std::string(kTable) + "\n");
}

TEST(SnapshotApi, TakesTheBodyInSinglePieces) {
  ApiWorld world;
  const auto put = world.call_as(
      "boss", {.method = "PUT", .target = "/v1/snapshot", .body = kTable, .piece = 1, .is_chunked = true});
  EXPECT_EQ(put->status(), 200);
}

TEST(SnapshotApi, ReplacesTheWholeTable) {
  ApiWorld world;
  world.put("/v1/snapshot", kTable);
  EXPECT_EQ(world.put("/v1/snapshot", "{}")->body(), "{\"revision\":2}\n");
  EXPECT_EQ(world.workers.snapshot->host_count(), 0U);
  EXPECT_EQ(world.get("/v1/snapshot")->body(), "{\"hosts\":{},\"rules\":[],\"servers\":{},\"sites\":{}}\n");
}

TEST(SnapshotApi, KeepsTheRevisionWhenNothingChanges) {
  ApiWorld world;
  world.put("/v1/snapshot", kTable);
  const auto again = world.put("/v1/snapshot", kTable);
  EXPECT_EQ(again->status(), 200);
  EXPECT_EQ(again->body(), "{\"revision\":1}\n");
}

TEST(SnapshotApi, ComparesRevisions) {
  ApiWorld world;
  world.put("/v1/snapshot", kTable);
  const auto refused = world.call_as("boss", put_if("{}", "\"7\""));
  EXPECT_EQ(refused->status(), 412);
  EXPECT_EQ(code_of(*refused), "revision_mismatch");
  EXPECT_EQ(refused->header("ETag"), "\"1\"");
  EXPECT_EQ(world.workers.snapshot->host_count(), 1U);
  EXPECT_EQ(world.call_as("boss", put_if("{}", "\"1\""))->status(), 200);
}

TEST(SnapshotApi, TellsWhoHasTheNewestThatNothingIsNew) {
  ApiWorld world;
  world.put("/v1/snapshot", kTable);
  const auto same = world.call_as("boss", {.target = "/v1/snapshot", .headers = {{"If-None-Match", "\"1\""}}});
  EXPECT_EQ(same->status(), 304);
  EXPECT_EQ(same->body(), "");
  EXPECT_EQ(world.call_as("boss", {.target = "/v1/snapshot", .headers = {{"If-None-Match", "\"2\""}}})->status(), 200);
}

TEST(SnapshotApi, TriesWithoutChanging) {
  ApiWorld world;
  world.put("/v1/snapshot", kTable);
  const auto tried = world.put("/v1/snapshot?dry_run=true", R"({"sites":{"a.test":{"server":"f9"}}})");
  EXPECT_EQ(tried->status(), 200);
  const auto answer = json_of(*tried);
  EXPECT_EQ(answer.at("revision"), 1);
  EXPECT_EQ(answer.at("dry_run"), true);
  EXPECT_EQ(answer.at("puts"), 1);
  EXPECT_EQ(answer.at("deletions"), 3);
  EXPECT_EQ(answer.at("warnings").as_array().size(), 1U);
  EXPECT_EQ(world.get("/v1/snapshot")->body(), std::string(kTable) + "\n");
  EXPECT_EQ(world.put("/v1/snapshot?dry_run=false", "{}")->body(), "{\"revision\":2}\n");
}

TEST(SnapshotApi, WarnsOfDanglingNames) {
  ApiWorld world;
  const auto put = world.put("/v1/snapshot", R"({"hosts":{"erp.acme.com":{"site":"gone.test"}}})");
  EXPECT_EQ(put->status(), 200);
  const auto warnings = json_of(*put).at("warnings").as_array();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_EQ(warnings[0].at("path"), "hosts[\"erp.acme.com\"].site");
}

TEST(SnapshotApi, ListsEveryFault) {
  ApiWorld world;
  const auto refused = world.put("/v1/snapshot", R"({"sites":{"A b":{}},"hosts":{"x.test":{"colour":1}}})");
  EXPECT_EQ(refused->status(), 422);
  EXPECT_EQ(refused->header("Content-Type"), "application/problem+json");
  EXPECT_EQ(code_of(*refused), "invalid_document");
  const auto problem = json_of(*refused);
  EXPECT_EQ(problem.at("status"), 422);
  EXPECT_EQ(problem.at("fault_count"), 2);
  EXPECT_EQ(problem.at("faults").at(0).at("path"), "sites[\"A b\"]");
  EXPECT_EQ(problem.at("faults").at(1).at("path"), "hosts[\"x.test\"].colour");
  EXPECT_EQ(world.publisher->revision(), 0U);
}

TEST(SnapshotApi, SaysWhereABodyIsNoJson) {
  ApiWorld world;
  const auto refused = world.put("/v1/snapshot", "{\"sites\":\n{,}}");
  EXPECT_EQ(refused->status(), 400);
  EXPECT_EQ(code_of(*refused), "bad_json");
  EXPECT_THAT(refused->body(), HasSubstr("line 2, column 2"));
  EXPECT_EQ(world.put("/v1/snapshot", "")->status(), 400);
}

TEST(SnapshotApi, SaysThatAWriteIsNotYetLive) {
  ApiWorld world;
  world.workers.is_obedient = false;
  const auto put = world.put("/v1/snapshot", kTable);
  EXPECT_EQ(put->status(), 202);
  EXPECT_EQ(put->body(), "{\"revision\":1,\"live\":false}\n");
}

TEST(SnapshotApi, SaysThatTheDiskIsFull) {
  ApiWorld world;
  const auto pages = world.store->database().number("PRAGMA page_count").value();
  ASSERT_TRUE(world.store->database().execute(("PRAGMA max_page_count = " + std::to_string(pages)).c_str()));
  std::string table = R"({"hosts":{)";
  for (int i = 0; i < 2000; ++i) table += (i ? ",\"h" : "\"h") + std::to_string(i) + ".test\":{\"site\":\"x.test\"}";
  const auto refused = world.put("/v1/snapshot", table + "}}");
  EXPECT_EQ(refused->status(), 507);
  EXPECT_EQ(code_of(*refused), "not_stored");
  EXPECT_THAT(refused->body(), HasSubstr("the disk is full"));
}

TEST(SnapshotApi, NotesWhoDidIt) {
  ApiWorld world;
  world.call_as("router", {.method = "PUT", .target = "/v1/snapshot?dry_run=0", .body = kTable});
  const auto audit = world.reader->audit(1).value();
  ASSERT_EQ(audit.size(), 1U);
  EXPECT_EQ(audit[0].who, "router");
  EXPECT_EQ(audit[0].action, "PUT /v1/snapshot");
}

}  // namespace
}  // namespace hybridge
