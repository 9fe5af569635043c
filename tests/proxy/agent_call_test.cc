#include "proxy/agent_call.h"

#include <gtest/gtest.h>

#include <string>

namespace hybridge {
namespace {

using Kind = AgentCall::Kind;
using Status = AgentJob::Status;

Kind kind_of(std::string_view path, http::Method method = http::Method::kPost) {
  return read_agent_call(method, path).kind;
}

TEST(AgentCall, KnowsEveryCallThatStopsASite) {
  for (const std::string_view action :
       {"update/migrate", "update/pull", "move_to_bench", "deactivate", "rename", "restore", "reinstall", "migrate"}) {
    const auto path = "benches/bench-1/sites/erp.acme.com/" + std::string(action);
    const auto call = read_agent_call(http::Method::kPost, path);
    EXPECT_EQ(call.kind, Kind::kBegins) << action;
    EXPECT_EQ(call.site, "erp.acme.com");
    EXPECT_EQ(call.stays_stopped, action == "deactivate");
  }
}

TEST(AgentCall, KnowsTheCallsThatFollow) {
  EXPECT_EQ(kind_of("benches/b/sites/s/update/migrate/recover"), Kind::kRecovers);
  EXPECT_EQ(kind_of("benches/b/sites/s/update/recover"), Kind::kRecovers);
  EXPECT_EQ(kind_of("benches/b/sites/s/activate"), Kind::kActivates);
  EXPECT_EQ(kind_of("benches/b/sites/s/config"), Kind::kConfig);
  EXPECT_EQ(kind_of("jobs/4211", http::Method::kGet), Kind::kJobs);
  EXPECT_EQ(kind_of("jobs/4211,4212", http::Method::kGet), Kind::kJobs);
}

TEST(AgentCall, TakesRepeatedSlashesForOne) {
  EXPECT_EQ(kind_of("/benches//b/sites/s/update/migrate/"), Kind::kBegins);
}

TEST(AgentCall, IsNothingElse) {
  for (const std::string_view path :
       {"benches/b/sites/s/update", "benches/b/sites/s/update/migrate/more", "benches/b/sites/s",
        "benches/b/sites/s/backup", "benches/b/sites", "benches/b/update/migrate", "servers/b/sites/s/migrate",
        "jobs/1", "ping", "", "benches/b/sites/s/update/migrate/recover/1/2/3/4"}) {
    EXPECT_EQ(kind_of(path), Kind::kOther) << path;
  }
  EXPECT_EQ(kind_of("benches/b/sites/s/migrate", http::Method::kGet), Kind::kOther);
  EXPECT_EQ(kind_of("benches/b/sites/s", http::Method::kDelete), Kind::kOther);
  EXPECT_EQ(kind_of("jobs", http::Method::kGet), Kind::kOther);
}

TEST(AgentCall, ReadsWhatAConfigurationSays) {
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"maintenance_mode":1},"remove":{}})"), true);
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"maintenance_mode":0}})"), false);
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"maintenance_mode":true}})"), true);
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"host_name":"https://a.test"}})"), std::nullopt);
  EXPECT_EQ(read_maintenance_mode(R"({"maintenance_mode":1})"), std::nullopt);
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"maintenance_mode":"on"}})"), std::nullopt);
  EXPECT_EQ(read_maintenance_mode(R"({"config":{"maintenance_mode":1})"), std::nullopt);
  EXPECT_EQ(read_maintenance_mode(""), std::nullopt);
}

TEST(AgentCall, ReadsTheJobThatWasBegun) {
  EXPECT_EQ(read_begun_job(R"({"job": 4211})"), 4211U);
  EXPECT_EQ(read_begun_job(R"({"job": 0})"), std::nullopt);
  EXPECT_EQ(read_begun_job(R"({"job": -1})"), std::nullopt);
  EXPECT_EQ(read_begun_job(R"({"job": "4211"})"), std::nullopt);
  EXPECT_EQ(read_begun_job(R"({"message": "Success"})"), std::nullopt);
  EXPECT_EQ(read_begun_job("<html>"), std::nullopt);
}

TEST(AgentCall, ReadsOneJobOrMany) {
  const auto one = read_agent_jobs(R"({"id":4211,"status":"Running","steps":[
      {"name":"Enable Maintenance Mode","status":"Success"},{"name":"Disable Maintenance Mode","status":"Pending"}]})");
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].id, 4211U);
  EXPECT_EQ(one[0].status, Status::kUnderWay);
  EXPECT_FALSE(one[0].has_started_site);

  const auto many = read_agent_jobs(R"([{"id":1,"status":"Failure","steps":[]},
      {"id":2,"status":"Running","steps":[{"name":"Disable Maintenance Mode","status":"Success"},
                                         {"name":"Build Search Index","status":"Running"}]},
      {"id":3,"status":"Success"}, {"status":"Success"}, "nonsense"])");
  ASSERT_EQ(many.size(), 3U);
  EXPECT_EQ(many[0].status, Status::kFailure);
  EXPECT_TRUE(many[1].has_started_site) << "the site is back, whatever the job still does";
  EXPECT_EQ(many[2].status, Status::kSuccess);
  EXPECT_FALSE(many[2].has_started_site);
}

TEST(AgentCall, ReadsNothingThatIsNoJobs) {
  EXPECT_TRUE(read_agent_jobs("").empty());
  EXPECT_TRUE(read_agent_jobs("null").empty());
  EXPECT_TRUE(read_agent_jobs(R"({"id":"x"})").empty());
  EXPECT_TRUE(read_agent_jobs(std::string(kAgentBody + 1, '[')).empty());
}

}  // namespace
}  // namespace hybridge
