#include "admin/records_api.h"

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

constexpr const char* kServer = R"({"endpoints":[{"address":"203.0.113.7","port":80,"weight":1}]})";

struct RecordsWorld : ApiWorld {
  RecordsWorld() {
    put("/v1/servers/f1", kServer);
    put("/v1/sites/acme.test", R"({"server":"f1","status":"active"})");
    put("/v1/hosts/erp.acme.com", R"({"site":"acme.test"})");
  }
  std::unique_ptr<FakeStream> remove(std::string target) {
    return call_as("boss", {.method = "DELETE", .target = std::move(target)});
  }
  std::unique_ptr<FakeStream> patch(std::string body, std::string query = "") {
    return call_as("boss", {.method = "PATCH", .target = "/v1/snapshot" + query, .body = std::move(body)});
  }
};

TEST(RecordsApi, GivesBackEveryKindOfRecord) {
  RecordsWorld world;
  EXPECT_EQ(world.put("/v1/rules/r1", R"({"match":{"path":"^/x"},"deny":{}})")->body(), "{\"revision\":4}\n");
  EXPECT_EQ(world.get("/v1/servers/f1")->body(), std::string(kServer) + "\n");
  EXPECT_EQ(world.get("/v1/sites/ACME.test")->body(), "{\"server\":\"f1\",\"status\":\"active\"}\n");
  EXPECT_EQ(world.get("/v1/hosts/erp.acme.com")->body(), "{\"site\":\"acme.test\"}\n");
  EXPECT_EQ(world.get("/v1/rules/r1")->body(),
            "{\"deny\":{\"status\":403},\"match\":{\"path\":\"^/x\"},\"order\":10}\n");
  EXPECT_EQ(world.get("/v1/rules/r1")->header("ETag"), "\"4\"");
  EXPECT_EQ(world.workers.snapshot->rules()->size(), 1U);
}

TEST(RecordsApi, ChangesNothingBesides) {
  RecordsWorld world;
  world.put("/v1/hosts/www.acme.com", R"({"redirect":"erp.acme.com"})");
  EXPECT_EQ(world.workers.snapshot->find("erp.acme.com").kind, Route::Kind::kSite);
  EXPECT_EQ(world.workers.snapshot->find("www.acme.com").kind, Route::Kind::kRedirect);
}

TEST(RecordsApi, TellsOfWhatIsNotThere) {
  RecordsWorld world;
  EXPECT_EQ(world.get("/v1/sites/other.test")->status(), 404);
  EXPECT_EQ(world.remove("/v1/sites/other.test")->status(), 404);
  EXPECT_EQ(world.get("/v1/hosts/not a host")->status(), 400);
  const auto put = world.put("/v1/hosts/b.test", R"({"site":"gone.test"})");
  EXPECT_EQ(put->status(), 200);
  EXPECT_THAT(put->body(), HasSubstr(R"("warnings":[{"path":"hosts[\"b.test\"].site")"));
}

TEST(RecordsApi, DeletesARecord) {
  RecordsWorld world;
  EXPECT_EQ(world.remove("/v1/hosts/erp.acme.com")->body(), "{\"revision\":4}\n");
  EXPECT_EQ(world.workers.snapshot->host_count(), 0U);
}

TEST(RecordsApi, KeepsTheRevisionWhenNothingChanges) {
  RecordsWorld world;
  EXPECT_EQ(world.put("/v1/hosts/erp.acme.com", R"({"site":"acme.test"})")->body(), "{\"revision\":3}\n");
}

TEST(RecordsApi, ComparesRevisions) {
  RecordsWorld world;
  const auto put = [&](std::string tag) {
    return world.call_as("boss", {.method = "PUT",
                                  .target = "/v1/hosts/b.test",
                                  .headers = {{"If-Match", std::move(tag)}},
                                  .body = R"({"site":"acme.test"})"});
  };
  EXPECT_EQ(put("\"2\"")->status(), 412);
  EXPECT_EQ(put("\"3\"")->status(), 200);
  EXPECT_EQ(world.call_as("boss", {.target = "/v1/hosts/b.test", .headers = {{"If-None-Match", "\"4\""}}})->status(),
            304);
}

TEST(RecordsApi, OnlyTriesWhenAsked) {
  RecordsWorld world;
  const auto tried = world.put("/v1/hosts/b.test?dry_run=true", R"({"site":"acme.test"})");
  EXPECT_EQ(tried->body(), "{\"revision\":3,\"dry_run\":true,\"puts\":1,\"deletions\":0}\n");
  EXPECT_EQ(world.get("/v1/hosts/b.test")->status(), 404);
}

TEST(RecordsApi, RefusesFaultsWithTheirPaths) {
  RecordsWorld world;
  const auto refused = world.put("/v1/sites/b.test", R"({"status":"gone"})");
  EXPECT_EQ(refused->status(), 422);
  EXPECT_EQ(code_of(*refused), "invalid_document");
  EXPECT_EQ(json_of(*refused).at("faults").as_array().size(), 2U);
  EXPECT_EQ(world.put("/v1/sites/b.test", "{")->status(), 400);
}

TEST(RecordsApi, AsksForTheRoleThatRoutes) {
  RecordsWorld world;
  const auto put_as = [&](const std::string& who) {
    return world.call_as(who, {.method = "PUT", .target = "/v1/hosts/b.test", .body = R"({"site":"acme.test"})"})
        ->status();
  };
  EXPECT_EQ(put_as("reader"), 403);
  EXPECT_EQ(put_as("certifier"), 403);
  EXPECT_EQ(put_as("router"), 200);
  EXPECT_EQ(world.call_as("reader", {.target = "/v1/hosts/b.test"})->status(), 200);
}

TEST(RecordsApi, PatchesAllOrNothing) {
  RecordsWorld world;
  const auto done = world.patch(R"([
      {"op":"put","kind":"site","name":"beta.test","value":{"server":"f1"}},
      {"op":"put","kind":"host","name":"b.test","value":{"site":"beta.test"}},
      {"op":"put","kind":"rule","name":"one","value":{"match":{},"class":"x"}},
      {"op":"put","kind":"rule","name":"two","value":{"match":{},"class":"y"}},
      {"op":"delete","kind":"host","name":"erp.acme.com"}])");
  EXPECT_EQ(done->body(), "{\"revision\":4}\n");
  const auto& snapshot = *world.workers.snapshot;
  EXPECT_EQ(snapshot.find("b.test").kind, Route::Kind::kSite);
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Route::Kind::kUnknown);
  EXPECT_EQ(snapshot.rule("one")->order, 10U);
  EXPECT_EQ(snapshot.rule("two")->order, 20U);

  const auto refused = world.patch(R"([
      {"op":"delete","kind":"site","name":"beta.test"},
      {"op":"put","kind":"site","name":"c.test","value":{"server":7}},
      {"op":"move","kind":"site","name":"d.test"},
      {"op":"put","kind":"thing","name":"d.test"}])");
  EXPECT_EQ(refused->status(), 422);
  EXPECT_THAT(refused->body(), HasSubstr(R"("path":"[1].value.server")"));
  EXPECT_THAT(refused->body(), HasSubstr(R"("path":"[2].op")"));
  EXPECT_THAT(refused->body(), HasSubstr(R"("path":"[3].kind")"));
  EXPECT_TRUE(world.workers.snapshot->has_site("beta.test"));
}

TEST(RecordsApi, AppliesThePatchInItsOrder) {
  RecordsWorld world;
  EXPECT_EQ(world
                .patch(R"([{"op":"delete","kind":"host","name":"erp.acme.com"},
                           {"op":"put","kind":"host","name":"erp.acme.com","value":{"site":"acme.test"}}])")
                ->status(),
            200);
  EXPECT_EQ(world.workers.snapshot->find("erp.acme.com").kind, Route::Kind::kSite);
}

TEST(RecordsApi, RefusesARingThatAPatchWouldMake) {
  RecordsWorld world;
  const auto refused = world.patch(R"([
      {"op":"put","kind":"host","name":"a.test","value":{"redirect":"b.test"}},
      {"op":"put","kind":"host","name":"b.test","value":{"redirect":"a.test"}}])");
  EXPECT_EQ(refused->status(), 422);
  EXPECT_THAT(refused->body(), HasSubstr("redirects lead in a ring"));
}

}  // namespace
}  // namespace hybridge
