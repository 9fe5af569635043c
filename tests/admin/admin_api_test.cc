#include "admin/admin_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <span>

#include "base/base64.h"
#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::code_of;
using test::json_of;
using testing::HasSubstr;
using testing::Not;

TEST(AdminApi, AnswersThatItIsAlive) {
  ApiWorld world;
  const auto stream = world.call({.target = "/livez", .peer = "203.0.113.7"});
  EXPECT_EQ(stream->status(), 200);
  EXPECT_EQ(stream->body(), "alive\n");
  EXPECT_EQ(stream->header("X-Content-Type-Options"), "nosniff");
}

TEST(AdminApi, IsReadyOnceTheWorkersHaveTheirTables) {
  ApiWorld world;
  EXPECT_EQ(world.call({.target = "/readyz"})->status(), 503);
  std::promise<void> published;
  world.publisher->publish_loaded([&] { published.set_value(); });
  published.get_future().get();
  EXPECT_EQ(world.call({.target = "/readyz"})->status(), 200);
  world.facts.not_ready = "draining";
  const auto stream = world.call({.target = "/readyz"});
  EXPECT_EQ(stream->status(), 503);
  EXPECT_EQ(stream->header("Content-Type"), "application/problem+json");
  EXPECT_EQ(code_of(*stream), "not_ready");
  EXPECT_THAT(stream->body(), HasSubstr("draining"));
}

TEST(AdminApi, ShowsMetricsToLoopbackAndElseToTokens) {
  ApiWorld world;
  const auto local = world.call({.target = "/metrics"});
  EXPECT_EQ(local->status(), 200);
  EXPECT_EQ(local->body(), "hybridge_up 1\n");
  EXPECT_EQ(local->header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(world.call({.target = "/metrics", .peer = "203.0.113.7"})->status(), 403);
  EXPECT_EQ(world.call({.target = "/metrics", .peer = "203.0.113.7", .is_tls = true})->status(), 401);
  EXPECT_EQ(world.call_as("reader", {.target = "/metrics", .peer = "203.0.113.7", .is_tls = true})->status(), 200);
}

TEST(AdminApi, TellsItsStatus) {
  ApiWorld world;
  const auto stream = world.get("/v1/status");
  EXPECT_EQ(stream->status(), 200);
  const auto status = json_of(*stream);
  EXPECT_EQ(status.at("version"), "1.2.3");
  EXPECT_EQ(status.at("workers"), 2);
  EXPECT_EQ(status.at("revision"), 0);
  EXPECT_EQ(status.at("sites"), 0);
  EXPECT_EQ(world.call({.target = "/v1/status"})->status(), 401);
}

TEST(AdminApi, TellsWhichRecordsAreLeftOut) {
  ApiWorld world;
  world.facts.quarantined_count = 21;
  world.facts.quarantined = {{"hosts[\"a.test\"]", "is not JSON"}};
  const auto status = json_of(*world.get("/v1/status"));
  EXPECT_EQ(status.at("quarantined_count"), 21);
  EXPECT_EQ(status.at("quarantined").at(0).at("path"), "hosts[\"a.test\"]");
}

TEST(AdminApi, HasAPageForHumans) {
  ApiWorld world;
  world.facts.version = "<1>";
  ExchangeRecord record;
  record.request_id = "0123";
  record.host = "<b>.test";
  record.target = "/login?password=secret";
  record.status = 502;
  record.reason = Reason::kUpstreamConnectFailed;
  world.recent.keep(record);
  const auto stream = world.get("/");
  EXPECT_EQ(stream->status(), 200);
  EXPECT_EQ(stream->header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(stream->header("X-Frame-Options"), "DENY");
  EXPECT_THAT(stream->body(), HasSubstr("&lt;1&gt;"));
  EXPECT_THAT(stream->body(), HasSubstr("&lt;b&gt;.test"));
  EXPECT_THAT(stream->body(), HasSubstr("upstream_connect_failed"));
  EXPECT_THAT(stream->body(), Not(HasSubstr("secret"))) << "queries may hold some";
  world.is_turning = false;
  EXPECT_THAT(world.get("/")->body(), HasSubstr("A worker did not look in time."));
}

TEST(AdminApi, ExplainsAHostOnThePage) {
  ApiWorld world;
  world.put("/v1/servers/f1", R"({"endpoints":[{"address":"203.0.113.7"}]})");
  world.put("/v1/sites/acme.test", R"({"server":"f1"})");
  EXPECT_THAT(world.get("/?host=acme.test")->body(), HasSubstr("the server&#39;s, with Host acme.test"));
  EXPECT_THAT(world.get("/?host=ftp%3A%2F%2F%3Cx%3E")->body(), Not(HasSubstr("<x>")));
}

TEST(AdminApi, TakesATokenAsAPasswordForPagesOnly) {
  ApiWorld world;
  const auto basic = [&](const std::string& target, const std::string& login) {
    const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(login.data()), login.size());
    return world.call({.target = target, .headers = {{"Authorization", "Basic " + encode_base64(bytes)}}});
  };
  EXPECT_EQ(basic("/", "anybody:secret of reader")->status(), 200);
  EXPECT_EQ(basic("/", ":secret of reader")->status(), 200);
  EXPECT_EQ(basic("/", "secret of reader")->status(), 401);
  EXPECT_EQ(basic("/", "reader:wrong")->status(), 401);
  EXPECT_EQ(basic("/v1/status", "anybody:secret of reader")->status(), 401) << "browsers send it by themselves";
  const auto nobody = world.call({.target = "/"});
  EXPECT_EQ(nobody->status(), 401);
  EXPECT_EQ(nobody->header("WWW-Authenticate"), R"(Basic realm="hybridge", charset="UTF-8")");
  EXPECT_EQ(world.call({.target = "/", .peer = "203.0.113.7"})->status(), 403);
  EXPECT_EQ(world.call({.target = "/", .peer = "unix"})->status(), 200);
}

TEST(AdminApi, ShowsItsPageUnderItsOwnNamesOnly) {
  ApiWorld world;
  world.config = std::make_shared<const Config>();  // whose name is not that of the calls
  for (const auto* peer : {"127.0.0.1", "unix"}) {
    const auto rebound = world.call_as("boss", {.target = "/", .peer = peer});
    EXPECT_EQ(rebound->status(), 421) << peer;
    EXPECT_EQ(code_of(*rebound), "wrong_host");
  }
}

TEST(AdminApi, RefusesWhatItDoesNotKnow) {
  ApiWorld world;
  const auto unknown = world.get("/v1/nothing");
  EXPECT_EQ(unknown->status(), 404);
  EXPECT_EQ(code_of(*unknown), "not_found");
  EXPECT_EQ(unknown->header("Content-Type"), "application/problem+json");
  const auto wrong = world.call_as("boss", {.method = "POST", .target = "/v1/snapshot"});
  EXPECT_EQ(wrong->status(), 405);
  EXPECT_EQ(wrong->header("Allow"), "GET, HEAD, PUT, PATCH");
  const auto parameter = world.get("/v1/snapshot?dryrun=true");
  EXPECT_EQ(parameter->status(), 400);
  EXPECT_EQ(code_of(*parameter), "unknown_parameter");
  EXPECT_EQ(world.get("/v1/snapshot?%zz")->status(), 400);
}

TEST(AdminApi, RefusesWithoutToken) {
  ApiWorld world;
  const auto stream = world.call({.target = "/v1/snapshot"});
  EXPECT_EQ(stream->status(), 401);
  EXPECT_EQ(code_of(*stream), "unauthorized");
  EXPECT_EQ(stream->header("WWW-Authenticate"), "Bearer realm=\"hybridge\"");
}

TEST(AdminApi, TakesNoBodyFromWhoMayNot) {
  ApiWorld world;
  const auto stream = world.call_as("reader", {.method = "PUT", .target = "/v1/snapshot", .body = "{}"});
  EXPECT_EQ(stream->status(), 403);
  EXPECT_EQ(code_of(*stream), "forbidden");
  EXPECT_EQ(stream->bytes_in(), 0U);
  EXPECT_EQ(world.call_as("certifier", {.method = "PUT", .target = "/v1/snapshot", .body = "{}"})->status(), 403);
  EXPECT_EQ(world.call_as("router", {.method = "PUT", .target = "/v1/snapshot", .body = "{}"})->status(), 200);
}

TEST(AdminApi, AsksForNoTokenOnTheUnixSocket) {
  ApiWorld world;
  EXPECT_EQ(world.call({.target = "/v1/snapshot", .peer = "unix"})->status(), 200);
}

TEST(AdminApi, BoundsTheBody) {
  ApiWorld world;
  const std::string large(AdminApi::kCertificateBytes + 1, ' ');
  for (const bool chunked : {false, true}) {
    const auto stream = world.call_as(
        "boss", {.method = "PUT", .target = "/v1/certificates/a.test", .body = large, .is_chunked = chunked});
    EXPECT_EQ(stream->status(), 413);
    EXPECT_EQ(code_of(*stream), "body_too_large");
    EXPECT_THAT(stream->body(), HasSubstr("1048576"));
  }
}

TEST(AdminApi, TellsWhatIsWrongWithTheRequestItself) {
  ApiWorld world;
  const auto bad = world.call({.fault = make_error(Reason::kBadHeader, "a header without a colon")});
  EXPECT_EQ(bad->status(), 400);
  EXPECT_EQ(code_of(*bad), "bad_header");
  const auto slow = world.call_as("boss", {.method = "PUT",
                                           .target = "/v1/snapshot",
                                           .body = "{",
                                           .body_fault = make_error(Reason::kBodyTimeout, "too slow"),
                                           .is_chunked = true});
  EXPECT_EQ(slow->status(), 408);
}

TEST(AdminApi, EndsTheStoryOfAClientThatLeft) {
  ApiWorld world;
  test::FakeStream stream({.target = "/v1/status", .peer = "unix"});
  spawn(world.api->serve(stream));
  stream.leave();
  while (!stream.reset_reason()) world.queue.run_one();
  EXPECT_EQ(stream.status(), 0);
}

TEST(AdminApi, AnswersOnTheLoopThatAStreamBelongsTo) {
  ApiWorld world;
  test::PostQueue other;
  test::FakeStream stream({.target = "/v1/status", .peer = "unix"});
  spawn(world.api->serve_on(stream, [&](std::function<void()> work) { other.post(std::move(work)); }));
  while (!stream.is_finished()) other.run_one();
  EXPECT_EQ(stream.status(), 200);
}

}  // namespace
}  // namespace hybridge
