// The press API as its control plane meets it: who is let in, what is answered to what cannot be done, and how jobs are
// found again.
#include "admin/press_api/press_api.h"

#include <gtest/gtest.h>

#include "admin/press_api/job_json.h"
#include "base/base64.h"
#include "base/version.h"
#include "tests/admin/press_api/press_world.h"

namespace hybridge::test {
namespace {

using boost::json::parse;

std::string basic(std::string_view credentials) {
  return "Basic " + encode_base64({reinterpret_cast<const std::uint8_t*>(credentials.data()), credentials.size()});
}

class PressApiTest : public testing::Test {
 protected:
  std::unique_ptr<FakeStream> ping(const std::string& authorization, PressWorld::Request request = {}) {
    request.target = "/agent/ping";
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    return world.call(std::move(request));
  }
  int ping_status(const std::string& authorization, PressWorld::Request request = {}) {
    return ping(authorization, std::move(request))->status();
  }

  PressWorld world;
};

TEST_F(PressApiTest, LetsInWhoKnowsThePassword) {
  for (const auto& authorization : {std::string("bearer secret"), std::string("Bearer secret"),
                                    std::string("BEARER   secret"), basic("anybody:secret"), basic(":secret")}) {
    const auto answer = ping(authorization);
    EXPECT_EQ(answer->status(), 200) << authorization;
    EXPECT_EQ(answer->body(), R"({"message":"pong"})");
    EXPECT_EQ(answer->header("Content-Type"), "application/json");
    EXPECT_EQ(answer->header("X-Request-ID"), "request-1");
  }
}

TEST_F(PressApiTest, LetsInNobodyElse) {
  for (const auto& authorization :
       {std::string(), std::string("bearer wrong"), std::string("bearer"), std::string("bearer "), basic("secret"),
        basic("secret:"), std::string("token secret"), std::string("secret"), std::string("Basic !!!"),
        "bearer " + std::string("secret") + "x"}) {
    const auto answer = ping(authorization);
    EXPECT_EQ(answer->status(), 401) << authorization;
    EXPECT_EQ(answer->body(), R"({"message":"Unauthenticated"})");
    EXPECT_EQ(answer->header("WWW-Authenticate"), "Basic");
    EXPECT_EQ(answer->header("Content-Type"), "application/json");
  }
}

TEST_F(PressApiTest, AsksForThePasswordBeforeAnythingElse) {
  for (const auto* target : {"/agent/nope", "/agent", "/agent/jobs/1"}) {
    EXPECT_EQ(world.call({.target = target})->status(), 401) << target;
  }
  EXPECT_EQ(
      world.call({.method = "POST", .target = "/agent/proxy/upstreams", .body = R"({"name":"10.0.0.1"})"})->status(),
      401);
  EXPECT_EQ(world.table().server_count(), 0u);
}

TEST_F(PressApiTest, TakesNoPasswordInClearText) {
  EXPECT_EQ(ping_status("bearer secret", {.peer = "198.51.100.9", .is_tls = true}), 200);
  const auto answer = ping("bearer secret", {.peer = "198.51.100.9"});
  EXPECT_EQ(answer->status(), 403);
  EXPECT_EQ(code_of(*answer), "cleartext");
}

TEST_F(PressApiTest, NeedsNoPasswordOnTheSocket) {
  EXPECT_EQ(ping_status("", {.peer = "unix"}), 200);
}

TEST_F(PressApiTest, MakesAGuesserWaitAndNobodyWhoKnows) {
  ASSERT_EQ(ping_status("bearer secret"), 200);
  for (std::uint32_t i = 0; i < FailureLimit::kFailures; ++i) {
    EXPECT_EQ(ping_status("bearer guess " + std::to_string(i)), 401);
  }
  const auto answer = ping("bearer guess");
  EXPECT_EQ(answer->status(), 429);
  EXPECT_EQ(code_of(*answer), "too_many_failures");
  EXPECT_FALSE(answer->header("Retry-After").empty());
  EXPECT_EQ(ping_status("bearer secret"), 200);
  EXPECT_EQ(ping_status("bearer guess", {.peer = "198.51.100.9", .is_tls = true}), 401);
}

TEST_F(PressApiTest, ANewPasswordIsInForceAtOnce) {
  ASSERT_EQ(ping_status("bearer secret"), 200);
  const auto answer = world.call("POST", "authentication", R"({"token":"changed"})");
  EXPECT_EQ(answer->body(), R"({"message":"Success"})");
  EXPECT_EQ(ping_status("bearer secret"), 401);
  EXPECT_EQ(ping_status("bearer changed"), 200);
  // By the command, beside the process.
  auto beside = Store::open(world.directory.path(), Store::Access::kCommand).value();
  ASSERT_TRUE(beside->put_secret(kAgentPassword, hash_password("again").value()));
  EXPECT_EQ(ping_status("bearer changed"), 401);
  EXPECT_EQ(ping_status("bearer again"), 200);
}

TEST_F(PressApiTest, SaysInJsonWhatCannotBeDone) {
  struct Case {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  for (const auto& [method, path, body, status] : std::initializer_list<Case>{
           {"GET", "nope", "", 404},
           {"GET", "", "", 404},
           {"GET", "ping/", "", 404},
           {"POST", "ping", "", 405},
           {"PUT", "proxy/upstreams", "{}", 405},
           {"POST", "ssh/users", "{}", 404},
           {"GET", "jobs/99999999", "", 404},
           {"GET", "jobs/0", "", 404},
           {"POST", "jobs/99999999/cancel", "", 404},
           {"GET", "agent-jobs/123456", "", 404},
           {"POST", "proxy/hosts", "{", 400},
           {"POST", "proxy/hosts", "", 400},
           {"POST", "proxy/hosts", R"({"name":"a.test","certificate":{}})", 400},
           {"POST", "proxy/hosts", R"({"name":"a.test","target":"b.test"})", 400},
           {"POST", "proxy/upstreams", "null", 400},
           {"POST", "proxy/upstreams", "[]", 400},
           {"POST", "proxy/upstreams", R"({"name":7})", 400},
           {"POST", "proxy/wildcards", R"({"domain":"a.test"})", 400},
           {"POST", "proxy/wildcards", R"([{"certificate":{}}])", 400},
           {"POST", "proxy/hosts/redirects", R"({"domains":"a.test","target":"b.test"})", 400},
           {"POST", "proxy/hosts/redirects", R"({"domains":[1],"target":"b.test"})", 400},
           {"POST", "proxy/upstreams/10.0.0.1/auto-scale-site", R"({"secondary_upstreams":[{"10.0.0.2":0}]})", 400},
           {"POST", "authentication", R"({"token":""})", 400},
           {"POST", "server/update-nginx-access", R"({"ip_accept":["10.0.0.1"],"ip_drop":[]})", 422},
       }) {
    const auto answer = world.call(method, path, body);
    EXPECT_EQ(answer->status(), status) << method << " " << path << " " << body;
    EXPECT_EQ(answer->header("Content-Type"), "application/json");
    const auto json = parse(answer->body()).as_object();
    EXPECT_FALSE(json.at("error").as_array().empty()) << answer->body();
    EXPECT_EQ(json.at("status").as_int64(), status);
  }
  EXPECT_EQ(world.call("PUT", "proxy/upstreams", "{}")->header("Allow"), "POST, GET, HEAD");
  EXPECT_EQ(world.table().server_count(), 0u);
}

TEST_F(PressApiTest, RefusesABodyThatIsTooLarge) {
  const auto answer = world.call("POST", "proxy/hosts", std::string(PressApi::kBodyBytes + 1, ' '));
  EXPECT_EQ(answer->status(), 413);
  EXPECT_FALSE(parse(answer->body()).at("error").as_array().empty());
}

TEST_F(PressApiTest, AnswersWhatIsNoJobAtOnce) {
  EXPECT_EQ(parse(world.call("GET", "version")->body()).at("commit").as_string(), kSourceRevision);
  EXPECT_EQ(world.call("POST", "update", R"({"url":"https://example.test/agent","branch":"master"})")->body(),
            R"({"message":"Success"})");
  // Some paths are built with one slash too many.
  EXPECT_EQ(world.call("POST", "/server/update-nginx-access", R"({"ip_accept":[],"ip_drop":[]})")->body(),
            R"({"message":"Success"})");
  EXPECT_EQ(world.call("GET", "server")->status(), 200);
  EXPECT_EQ(world.call("GET", "server")->body().find("pbkdf2"), std::string::npos);
}

TEST_F(PressApiTest, ShowsUpstreamsAsTheAgentDoes) {
  world.post("proxy/upstreams/127.0.0.11/sites", R"({"name":"tenant.saas.local"})");
  EXPECT_EQ(world.call("GET", "proxy/upstreams")->body(),
            R"({"127.0.0.11":{"hash":"13fc798eeb01c3d7","secondaries":[],"sites":[{"is_auto_scaled":false,)"
            R"("name":"tenant.saas.local","upstream":"13fc798eeb01c3d7"}]}})");
  world.post("proxy/upstreams/127.0.0.11/sites/tenant.saas.local/status", R"({"status":"suspended"})");
  EXPECT_NE(world.call("GET", "proxy/upstreams")->body().find(R"("upstream":"suspended")"), std::string::npos);
}

TEST_F(PressApiTest, AJobIsShownAsPressReadsIt) {
  const auto id = world.post("proxy/upstreams", R"({"name":"203.0.113.7"})", "faefbd3550");
  EXPECT_EQ(id, JobBook::kFirst);
  const std::string wanted =
      R"({"agent_job_id":"faefbd3550","commands":[],"data":{},"duration":"00:00:00.000000",)"
      R"("end":"2026-08-20 18:24:28.009786","enqueue":"2026-08-20 18:24:28.009786","id":1000001,)"
      R"("name":"Add Upstream to Proxy","start":"2026-08-20 18:24:28.009786","status":"Success","steps":[)"
      R"({"commands":[],"data":{},"duration":"00:00:00.000000","end":"2026-08-20 18:24:28.009786","id":1000001001,)"
      R"("name":"Add Upstream Directory","start":"2026-08-20 18:24:28.009786","status":"Success"},)"
      R"({"commands":[],"data":{},"duration":"00:00:00.000000","end":"2026-08-20 18:24:28.009786","id":1000001002,)"
      R"("name":"Reload NGINX","start":"2026-08-20 18:24:28.009786","status":"Success"}]})";
  EXPECT_EQ(world.call("GET", "jobs/1000001")->body(), wanted);
  EXPECT_EQ(world.call("GET", "agent-jobs/faefbd3550")->body(), "[" + wanted + "]");
  EXPECT_EQ(world.call("POST", "jobs/1000001/cancel")->body(), wanted);
}

TEST_F(PressApiTest, AJobSaysHowLongItTook) {
  world.tick = 1'500;  // microseconds, each time somebody looks
  const auto id = world.post("proxy/upstreams", R"({"name":"203.0.113.7"})");
  const auto took = [&](std::string_view what) {
    const auto job = parse(world.call("GET", "jobs/" + std::to_string(id))->body()).as_object();
    std::vector<std::string> all = {std::string(job.at(what).as_string())};
    for (const auto& step : job.at("steps").as_array()) all.emplace_back(step.at(what).as_string());
    return all;
  };
  // Asked for at .009786; its steps begin at .011286 and .012786, it is planned at .014286 and live at .015786.
  EXPECT_EQ(took("duration"), (std::vector<std::string>{"00:00:00.004500", "00:00:00.001500", "00:00:00.003000"}));
  EXPECT_EQ(took("start")[0], "2026-08-20 18:24:28.011286");
  EXPECT_EQ(took("end"), (std::vector<std::string>{"2026-08-20 18:24:28.015786", "2026-08-20 18:24:28.012786",
                                                   "2026-08-20 18:24:28.015786"}));
  const auto newest = parse(world.call("GET", "jobs")->body()).as_array();
  EXPECT_EQ(newest[0].at("end").as_string(), "2026-08-20 18:24:28.015786");
  // When it was live is not stored; when it was planned is.
  world.restart();
  EXPECT_EQ(took("end")[0], "2026-08-20 18:24:28.014286");
}

TEST_F(PressApiTest, AFailedJobSaysWhyInItsStepToo) {
  const auto id = world.post("proxy/upstreams", R"({"name":"a/b"})");
  const auto job = parse(world.call("GET", "jobs/" + std::to_string(id))->body()).as_object();
  EXPECT_EQ(job.at("status").as_string(), "Failure");
  EXPECT_TRUE(job.at("agent_job_id").is_null());
  const auto& step = job.at("steps").as_array().at(0).as_object();
  EXPECT_EQ(step.at("status").as_string(), "Failure");
  EXPECT_FALSE(step.at("data").at("traceback").as_string().empty());
  EXPECT_EQ(step.at("data"), job.at("data"));
}

TEST_F(PressApiTest, JobsAreFoundByIdAndByName) {
  const auto one = world.post("ping_job", "", "aaaa000001");
  const auto other = world.post("proxy/reload", "{}", "1234567890");
  const auto list = [&](const std::string& path) { return parse(world.call("GET", path)->body()); };
  const auto both = std::to_string(one) + "," + std::to_string(other);
  EXPECT_EQ(list("jobs/" + both + ",99999").as_array().size(), 2u);
  EXPECT_EQ(list("jobs/99998,99999").as_array().size(), 0u);
  EXPECT_EQ(list("jobs/abc").as_array().size(), 0u);
  EXPECT_EQ(list("agent-jobs/aaaa000001,1234567890,nobody").as_array().size(), 2u);
  EXPECT_EQ(list("agent-jobs/nobody").as_array().size(), 0u);
  EXPECT_EQ(list("agent-jobs/1234567890").as_object().at("id").as_int64(), other);
  const auto newest = list("jobs").as_array();
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[0].at("name").as_string(), "Reload NGINX Job");
  EXPECT_EQ(list("jobs/status/Success").as_array().size(), 2u);
  EXPECT_TRUE(list("jobs/status/Success").as_array()[0].at("status").is_null());
  EXPECT_EQ(list("jobs/status/Failure").as_array().size(), 0u);
  EXPECT_EQ(list("jobs/status/Bogus").as_array().size(), 2u);
}

TEST_F(PressApiTest, APingJobSaysPong) {
  const auto job = parse(world.call("GET", "jobs/" + std::to_string(world.post("ping_job", "{}")))->body());
  EXPECT_EQ(job.at("name").as_string(), "Ping Job");
  EXPECT_EQ(job.at("steps").at(0).at("name").as_string(), "Ping Step");
  EXPECT_EQ(job.at("steps").at(0).at("data").at("message").as_string(), "pong");
}

TEST_F(PressApiTest, TheSameCallIsOneJob) {
  const std::string path = "proxy/upstreams/203.0.113.7/sites";
  const auto first = world.post(path, R"({"name":"a.test"})", "aaaa000001");
  world.remove("proxy/upstreams/203.0.113.7/sites/a.test");
  EXPECT_EQ(world.post(path, R"({"name":"a.test"})", "aaaa000001"), first);
  EXPECT_EQ(world.site("a.test"), "none");  // it was not applied again
  EXPECT_NE(world.post(path, R"({"name":"a.test"})", "aaaa000002"), first);
  EXPECT_NE(world.site("a.test"), "none");
}

TEST_F(PressApiTest, TheSameCallIsOneJobAcrossARestart) {
  const auto first = world.post("ping_job", "{}", "aaaa000001");
  world.restart();
  EXPECT_EQ(world.post("ping_job", "{}", "aaaa000001"), first);
  EXPECT_EQ(world.post("ping_job", "{}", "aaaa000002"), first + 1);
  EXPECT_EQ(world.story(first), "Success: Ping Step");
}

TEST_F(PressApiTest, IdsCountOnFromThoseOfAnAgent) {
  world.close();
  ASSERT_TRUE(world.store->reserve_jobs(2'000'000));
  world.open();
  EXPECT_EQ(world.post("ping_job", "{}"), 2'000'001);
}

TEST_F(PressApiTest, AJobRunsUntilEveryWorkerServesByIt) {
  world.workers.is_obedient = false;
  const auto id = world.post("proxy/upstreams", R"({"name":"203.0.113.7"})");
  EXPECT_EQ(world.story(id), "Running: Add Upstream Directory, Reload NGINX");
  const auto job = parse(world.call("GET", "jobs/" + std::to_string(id))->body());
  EXPECT_TRUE(job.at("end").is_null());
  EXPECT_EQ(job.at("steps").at(0).at("status").as_string(), "Success");
  EXPECT_EQ(job.at("steps").at(1).at("status").as_string(), "Running");
  EXPECT_EQ(parse(world.call("GET", "jobs/status/Running")->body()).as_array().size(), 1u);
  world.workers.is_obedient = true;
  world.post("ping_job", "{}");
  EXPECT_EQ(world.story(id), "Success: Add Upstream Directory, Reload NGINX");
}

TEST_F(PressApiTest, OnAFullDiskNothingIsPromisedAndRemovalsAreDone) {
  world.post("proxy/hosts", R"({"certificate":{},"name":"old.test","target":"a.test"})");
  const auto refuse_writes = [&](bool refuses) {
    ASSERT_TRUE(world.store->database().execute(
        refuses ? "CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'as if the disk were full'); END"
                : "DROP TRIGGER full"));
  };
  refuse_writes(true);
  const auto refused = world.call("POST", "proxy/upstreams", R"({"name":"203.0.113.7"})", "aaaa000001");
  EXPECT_EQ(refused->status(), 507);
  EXPECT_EQ(code_of(*refused), "not_stored");
  EXPECT_EQ(parse(world.call("GET", "agent-jobs/aaaa000001")->body()).as_array().size(), 0u);
  EXPECT_EQ(world.table().server_count(), 0u);

  const auto removed = PressWorld::job_of(*world.call("DELETE", "proxy/hosts/old.test", "{}", "aaaa000002"));
  EXPECT_EQ(world.host("old.test"), "none");
  EXPECT_EQ(world.story(removed), "Success: Remove Host from Proxy");
  EXPECT_EQ(PressWorld::job_of(*world.call("DELETE", "proxy/hosts/old.test", "{}", "aaaa000002")), removed);

  refuse_writes(false);
  EXPECT_GT(world.post("proxy/upstreams", R"({"name":"203.0.113.7"})", "aaaa000001"), removed);
  EXPECT_EQ(world.story(removed), "Success: Remove Host from Proxy");
  world.restart();
  EXPECT_EQ(world.story(removed), "Success: Remove Host from Proxy");
  EXPECT_EQ(world.host("old.test"), "none");
}

TEST_F(PressApiTest, TimesAreUtcToTheMicrosecond) {
  EXPECT_EQ(job_time(1'787'250'268'009'786), "2026-08-20 18:24:28.009786");
  EXPECT_EQ(job_time(0), "1970-01-01 00:00:00.000000");
}

}  // namespace
}  // namespace hybridge::test
