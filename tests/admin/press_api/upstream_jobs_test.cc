// What the jobs on upstreams and sites report, step by step, and what the table is by them.
#include "admin/press_api/upstream_jobs.h"

#include <gtest/gtest.h>

#include <future>

#include "routing/snapshot_json.h"
#include "tests/admin/press_api/press_world.h"

namespace hybridge::test {
namespace {

class UpstreamJobs : public testing::Test {
 protected:
  UpstreamJobs() { world.post("proxy/upstreams", R"({"name":"203.0.113.7"})"); }

  std::string post(std::string path, std::string body) {
    return world.story(world.post("proxy/upstreams/" + path, std::move(body)));
  }
  std::string remove(std::string path, std::string body) {
    return world.story(world.remove("proxy/upstreams/" + path, std::move(body)));
  }

  PressWorld world;
};

TEST_F(UpstreamJobs, AnUpstreamIsAServerAtItsAddress) {
  EXPECT_EQ(world.story(world.post("proxy/upstreams", R"({"name":"203.0.113.9"})")),
            "Success: Add Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.server("203.0.113.9"), R"({"endpoints":[{"address":"203.0.113.9","port":80,"weight":1}]})");
}

TEST_F(UpstreamJobs, AnUpstreamThatIsThereStaysAsItIs) {
  const auto before = world.server("203.0.113.7");
  EXPECT_EQ(world.story(world.post("proxy/upstreams", R"({"name":"203.0.113.7"})")),
            "Success: Add Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.server("203.0.113.7"), before);
}

TEST_F(UpstreamJobs, AnUpstreamsNameMustBeOne) {
  const auto story = world.story(world.post("proxy/upstreams", R"({"name":"../../etc"})"));
  EXPECT_TRUE(story.starts_with("Failure: Add Upstream Directory (")) << story;
  EXPECT_EQ(world.table().server_count(), 1u);
}

TEST_F(UpstreamJobs, ARenamedUpstreamTakesItsSitesAlong) {
  post("203.0.113.7/sites", R"({"name":["a.test","b.test"]})");
  post("203.0.113.7/sites/b.test/status", R"({"status":"suspended"})");
  EXPECT_EQ(post("203.0.113.7/rename", R"({"name":"10.0.0.7"})"), "Success: Rename Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.server("203.0.113.7"), "none");
  EXPECT_EQ(world.server("10.0.0.7"), R"({"endpoints":[{"address":"10.0.0.7","port":80,"weight":1}]})");
  EXPECT_EQ(world.site("a.test"), R"({"server":"10.0.0.7"})");
  EXPECT_EQ(world.site("b.test"), R"({"server":"10.0.0.7","status":"suspended"})");
  // Sent again, as a job that was lost: nothing is left to do.
  EXPECT_EQ(post("203.0.113.7/rename", R"({"name":"10.0.0.7"})"), "Success: Rename Upstream Directory, Reload NGINX");
}

TEST_F(UpstreamJobs, AnUpstreamRenamedOntoAnotherIsMergedIntoIt) {
  world.post("proxy/upstreams", R"({"name":"10.0.0.7"})");
  post("203.0.113.7/sites", R"({"name":"a.test"})");
  post("10.0.0.7/sites", R"({"name":"b.test"})");
  EXPECT_EQ(post("203.0.113.7/rename", R"({"name":"10.0.0.7"})"), "Success: Rename Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.site("a.test"), R"({"server":"10.0.0.7"})");
  EXPECT_EQ(world.site("b.test"), R"({"server":"10.0.0.7"})");
  EXPECT_EQ(world.table().server_count(), 1u);
}

TEST_F(UpstreamJobs, AnUnknownUpstreamCannotBeRenamed) {
  const auto story = post("203.0.113.99/rename", R"({"name":"10.0.0.9"})");
  EXPECT_TRUE(story.starts_with("Failure: Rename Upstream Directory (FileNotFoundError:")) << story;
}

TEST_F(UpstreamJobs, ASiteIsPlacedAndMovedAndKeepsItsStatus) {
  EXPECT_EQ(post("203.0.113.7/sites", R"({"name":"Acme.Test"})"),
            "Success: Remove Conflicting Site, Add Site File to Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.site("acme.test"), R"({"server":"203.0.113.7"})");
  post("203.0.113.7/sites/acme.test/status", R"({"status":"suspended"})");
  // An unknown server is made by it.
  EXPECT_EQ(post("203.0.113.8/sites", R"({"name":"acme.test"})").substr(0, 8), "Success:");
  EXPECT_EQ(world.site("acme.test"), R"({"server":"203.0.113.8","status":"suspended"})");
  EXPECT_NE(world.server("203.0.113.8"), "none");
}

TEST_F(UpstreamJobs, ADomainIsPlacedAsASite) {
  const auto job = world.post("proxy/upstreams/203.0.113.7/domains", R"({"domain":"shop.test"})");
  EXPECT_EQ(world.story(job), "Success: Remove Conflicting Site, Add Site File to Upstream Directory, Reload NGINX");
  EXPECT_EQ(world.site("shop.test"), R"({"server":"203.0.113.7"})");
  EXPECT_NE(world.call("GET", "jobs/" + std::to_string(job))->body().find(R"("name":"Add Domain to Upstream")"),
            std::string::npos);
}

TEST_F(UpstreamJobs, ANameThatIsNoHostNameFailsItsJobAlone) {
  const auto story = post("203.0.113.7/sites", R"({"name":"a/../../b"})");
  EXPECT_TRUE(story.starts_with("Failure: Remove Conflicting Site, Add Site File to Upstream Directory (")) << story;
  EXPECT_EQ(world.table().site_count(), 0u);
  EXPECT_EQ(post("203.0.113.7/sites", R"({"name":"b.test"})").substr(0, 8), "Success:");
}

TEST_F(UpstreamJobs, RemovalTellsOfWhatWasThere) {
  post("203.0.113.7/sites", R"({"name":["a.test","b.test"]})");
  post("203.0.113.8/sites", R"({"name":"elsewhere.test"})");
  EXPECT_EQ(remove("203.0.113.7/sites/a.test", R"({"extra_domains":["b.test","gone.test","elsewhere.test"]})"),
            "Success: Remove Site File from Upstream Directory, Remove Site File from Upstream Directory");
  EXPECT_EQ(world.table().site_count(), 1u);
  EXPECT_EQ(world.site("elsewhere.test"), R"({"server":"203.0.113.8"})");
  EXPECT_EQ(remove("203.0.113.7/sites/a.test", R"({"extra_domains":[]})"), "Success:");
  EXPECT_EQ(remove("203.0.113.99/sites/a.test", ""), "Success:");
}

TEST_F(UpstreamJobs, ARenamedSiteTakesItsHostsAlong) {
  post("203.0.113.7/sites", R"({"name":"old.test"})");
  world.post("proxy/hosts", R"({"name":"erp.test","target":"old.test","certificate":{}})");
  world.post("proxy/hosts", R"({"name":"other.test","target":"old.test","certificate":{}})");
  world.post("proxy/hosts/redirects", R"({"domains":["www.test"],"target":"old.test"})");
  EXPECT_EQ(post("203.0.113.7/sites/old.test/rename", R"({"new_name":"new.test","domains":["erp.test","www.test"]})"),
            "Success: Remove Conflicting Site, Rename Site File in Upstream Directory, Rename Site in Host Directory, "
            "Rename Site in Host Directory, Reload NGINX");
  EXPECT_EQ(world.site("old.test"), "none");
  EXPECT_EQ(world.site("new.test"), R"({"server":"203.0.113.7"})");
  EXPECT_EQ(world.host("erp.test"), R"({"site":"new.test"})");
  EXPECT_EQ(world.host("www.test"), R"({"redirect":"new.test"})");
  EXPECT_EQ(world.host("other.test"), R"({"site":"old.test"})");  // it was not named
}

TEST_F(UpstreamJobs, ASitesOwnHostIsRenamedWithItsCertificate) {
  post("203.0.113.7/sites", R"({"name":"old.test"})");
  world.post("proxy/hosts",
             R"({"name":"old.test","target":"old.test","certificate":)" + world.certificate({"*.test"}) + "}");
  world.post("proxy/hosts/redirects", R"({"domains":["old.test"],"target":"erp.test"})");
  EXPECT_EQ(post("203.0.113.7/sites/old.test/rename", R"({"new_name":"new.test","domains":[]})"),
            "Success: Remove Conflicting Site, Rename Site File in Upstream Directory, Rename Host Directory, Rename "
            "Site in Host Directory, Reload NGINX");
  EXPECT_EQ(world.host("old.test"), "none");
  EXPECT_EQ(world.host("new.test"), R"({"redirect":"erp.test","site":"new.test"})");
  EXPECT_EQ(world.workers.certificates->own("old.test"), nullptr);
  ASSERT_NE(world.workers.certificates->own("new.test"), nullptr);
  EXPECT_TRUE(world.workers.certificates->own("new.test")->covers_its_name);
}

TEST_F(UpstreamJobs, ARenameThatWasDoneIsDone) {
  post("203.0.113.7/sites", R"({"name":"old.test"})");
  const std::string body = R"({"new_name":"new.test","domains":["erp.test"]})";
  post("203.0.113.7/sites/old.test/rename", body);
  EXPECT_EQ(post("203.0.113.7/sites/old.test/rename", body),
            "Success: Remove Conflicting Site, Rename Site File in Upstream Directory, Rename Site in Host Directory, "
            "Reload NGINX");
  EXPECT_EQ(world.site("new.test"), R"({"server":"203.0.113.7"})");
}

TEST_F(UpstreamJobs, ARenameDestroysNobody) {
  post("203.0.113.7/sites", R"({"name":["old.test","taken.test"]})");
  const auto taken = post("203.0.113.7/sites/old.test/rename", R"({"new_name":"taken.test","domains":[]})");
  EXPECT_TRUE(taken.starts_with("Failure: Remove Conflicting Site, Rename Site File in Upstream Directory (")) << taken;
  EXPECT_EQ(world.table().site_count(), 2u);
  const auto unknown = post("203.0.113.7/sites/gone.test/rename", R"({"new_name":"x.test","domains":[]})");
  EXPECT_NE(unknown.find("FileNotFoundError: there is no site \"gone.test\""), std::string::npos) << unknown;
}

TEST_F(UpstreamJobs, AStatusIsSetOfTheSiteAndItsOtherNames) {
  post("203.0.113.7/sites", R"({"name":["a.test","b.test"]})");
  for (const auto* status : {"suspended", "suspended_saas", "deactivated"}) {
    EXPECT_EQ(post("203.0.113.7/sites/a.test/status",
                   R"({"status":")" + std::string(status) + R"(","extra_domains":["b.test"],"skip_reload":false})"),
              "Success: Update Site File, Update Site File, Reload NGINX");
    const auto wanted = R"({"server":"203.0.113.7","status":")" + std::string(status) + "\"}";
    EXPECT_EQ(world.site("a.test"), wanted);
    EXPECT_EQ(world.site("b.test"), wanted);
  }
  EXPECT_EQ(post("203.0.113.7/sites/a.test/status", R"({"status":"activated","skip_reload":true})"),
            "Success: Update Site File");
  EXPECT_EQ(world.site("a.test"), R"({"server":"203.0.113.7"})");
}

TEST_F(UpstreamJobs, AStatusGoesWhereTheSiteIs) {
  post("203.0.113.8/sites", R"({"name":"a.test"})");
  EXPECT_EQ(post("203.0.113.7/sites/a.test/status", R"({"status":"suspended"})"),
            "Success: Update Site File, Reload NGINX");
  EXPECT_EQ(world.site("a.test"), R"({"server":"203.0.113.8","status":"suspended"})");
}

TEST_F(UpstreamJobs, AStatusMakesASiteOfAKnownServerAndFailsOnAnUnknown) {
  post("203.0.113.7/sites/ghost.test/status", R"({"status":"deactivated"})");
  EXPECT_EQ(world.site("ghost.test"), R"({"server":"203.0.113.7","status":"deactivated"})");
  const auto story = post("203.0.113.99/sites/ghost.test/status", R"({"status":"activated"})");
  EXPECT_TRUE(story.starts_with("Failure: Update Site File (FileNotFoundError:")) << story;
  EXPECT_EQ(world.site("ghost.test"), R"({"server":"203.0.113.7","status":"deactivated"})");
}

TEST_F(UpstreamJobs, SecondariesAreEndpointsBehindThePrimary) {
  EXPECT_EQ(post("203.0.113.7/auto-scale-site", R"({"secondary_upstreams":[{"10.0.0.6":3},{"10.0.0.8":1}]})"),
            "Success: Add Auto Scale Site to Upstream, Reload NGINX");
  EXPECT_EQ(
      world.server("203.0.113.7"),
      R"({"endpoints":[{"address":"203.0.113.7","port":80,"weight":1},{"address":"10.0.0.6","port":80,"weight":3},)"
      R"({"address":"10.0.0.8","port":80,"weight":1}]})");
  EXPECT_EQ(post("203.0.113.7/auto-scale-site", R"({"secondary_upstreams":[{"10.0.0.6":2}]})").substr(0, 8),
            "Success:");
  EXPECT_EQ(world.table().server("203.0.113.7")->endpoints.size(), 2u);
  EXPECT_EQ(post("203.0.113.7/remove-auto-scale-site", "{}"),
            "Success: Remove Auto Scale Site from Upstream, Reload NGINX");
  EXPECT_EQ(world.server("203.0.113.7"), R"({"endpoints":[{"address":"203.0.113.7","port":80,"weight":1}]})");
}

TEST_F(UpstreamJobs, SecondariesMustBeOthers) {
  const auto twice = post("203.0.113.7/auto-scale-site", R"({"secondary_upstreams":[{"203.0.113.7":1}]})");
  EXPECT_TRUE(twice.starts_with("Failure: Add Auto Scale Site to Upstream (")) << twice;
  const auto unknown = post("203.0.113.99/auto-scale-site", R"({"secondary_upstreams":[{"10.0.0.6":1}]})");
  EXPECT_TRUE(unknown.starts_with("Failure: Add Auto Scale Site to Upstream (FileNotFoundError:")) << unknown;
}

TEST_F(UpstreamJobs, AnEditedServerKeepsWhatTheOtherApiGaveIt) {
  const std::string given =
      R"({"agent":{"port":8443},"endpoints":[{"address":"203.0.113.7","port":443}],"health":{"path":"/ping"},)"
      R"("limits":{"connections":7},"tls":{"mode":"verify","name":"f1.test"}})";
  Faults faults;
  boost::json::value value = boost::json::parse(given);
  auto server = read_server("203.0.113.7", value, "", faults);
  ASSERT_TRUE(server);
  std::promise<void> done;
  Write write;
  write.plan = [&](const Tip&) {
    Plan plan;
    plan.changes = {put(*server)};
    return plan;
  };
  world.publisher->submit(std::move(write), [&](const Outcome&) { done.set_value(); });
  done.get_future().wait();
  post("203.0.113.7/auto-scale-site", R"({"secondary_upstreams":[{"10.0.0.6":3}]})");
  const auto edited = *world.table().server("203.0.113.7");
  EXPECT_EQ(edited.tls.name, "f1.test");
  EXPECT_EQ(edited.agent_port, 8443);
  EXPECT_EQ(edited.limits.connections, 7u);
  EXPECT_EQ(edited.health_path, "/ping");
  EXPECT_EQ(edited.endpoints[1], (Endpoint{"10.0.0.6", 443, 3}));
  EXPECT_NE(world.server("203.0.113.7").find("10.0.0.6"), std::string::npos);
}

}  // namespace
}  // namespace hybridge::test
