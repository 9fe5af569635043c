// What the jobs on hosts, wildcards and redirects report, step by step, and what the table is by them.
#include "admin/press_api/host_jobs.h"

#include <gtest/gtest.h>

#include "tests/admin/press_api/press_world.h"

namespace hybridge::test {
namespace {

class HostJobs : public testing::Test {
 protected:
  std::string add_host(const std::string& name, const std::string& target, const std::string& certificate = "{}") {
    return world.story(world.post("proxy/hosts", R"({"certificate":)" + certificate + R"(,"name":")" + name +
                                                     R"(","target":")" + target + "\"}"));
  }
  std::string redirect(const std::string& domains, const std::string& target) {
    return world.story(
        world.post("proxy/hosts/redirects", R"({"domains":)" + domains + R"(,"target":")" + target + "\"}"));
  }
  std::string unredirect(const std::string& domains) {
    return world.story(world.remove("proxy/hosts/redirects", R"({"domains":)" + domains + "}"));
  }
  const CertificateTable::Entry* certificate(std::string_view host) const {
    return world.workers.certificates->own(host);
  }

  PressWorld world;
};

TEST_F(HostJobs, AHostIsAddedWithItsCertificateAndRenewedByTheSameCall) {
  EXPECT_EQ(add_host("ERP.Acme.Test", "acme.test", world.certificate({"erp.acme.test"})),
            "Success: Add Host to Proxy, Reload NGINX");
  EXPECT_EQ(world.host("erp.acme.test"), R"({"site":"acme.test"})");
  ASSERT_NE(certificate("erp.acme.test"), nullptr);
  EXPECT_TRUE(certificate("erp.acme.test")->covers_its_name);
  const auto version = certificate("erp.acme.test")->version;
  redirect(R"(["erp.acme.test"])", "www.acme.test");
  EXPECT_EQ(add_host("erp.acme.test", "acme.test", world.certificate({"erp.acme.test"})).substr(0, 8), "Success:");
  EXPECT_EQ(world.host("erp.acme.test"), R"({"redirect":"www.acme.test","site":"acme.test"})");
  EXPECT_GT(certificate("erp.acme.test")->version, version);
}

TEST_F(HostJobs, AKeyOfAnotherCertificateFailsItsJobAlone) {
  const auto one = world.authority.issue({.names = {"a.test"}});
  const auto story =
      add_host("a.test", "acme.test", PressWorld::certificate_json(one.chain, key_pem(TestKey::kOtherEc)));
  EXPECT_TRUE(story.starts_with("Failure: Add Host to Proxy (certificate: ")) << story;
  EXPECT_NE(story.find("key"), std::string::npos) << story;
  EXPECT_EQ(world.host("a.test"), "none");
  EXPECT_EQ(add_host("b.test", "acme.test", world.certificate({"b.test"})).substr(0, 8), "Success:");
}

TEST_F(HostJobs, AnUnreadableCertificateFailsItsJobAlone) {
  const auto story = add_host("a.test", "acme.test", PressWorld::certificate_json("garbage", "garbage"));
  EXPECT_TRUE(story.starts_with("Failure: Add Host to Proxy (certificate: ")) << story;
  const auto half = add_host("a.test", "acme.test", R"({"privkey.pem":"x"})");
  EXPECT_NE(half.find("fullchain.pem and privkey.pem are both needed"), std::string::npos) << half;
}

TEST_F(HostJobs, FileNamesOfACertificateAreNotPaths) {
  for (const auto* name : {"../../../../etc/cron.d/x", "/etc/passwd", "..", "a/b.pem", "a\\u0000b", ""}) {
    const auto story = add_host("a.test", "acme.test", R"({")" + std::string(name) + R"(":"x"})");
    EXPECT_TRUE(story.starts_with("Failure: Add Host to Proxy (certificate: ")) << story;
  }
  EXPECT_EQ(world.host("a.test"), "none");
}

TEST_F(HostJobs, NamesMustBeHostNames) {
  const auto host = add_host("a/../b", "acme.test");
  EXPECT_TRUE(host.starts_with("Failure: Add Host to Proxy (")) << host;
  const auto target = add_host("a.test", "acme.test; }");
  EXPECT_TRUE(target.starts_with("Failure: Add Host to Proxy (")) << target;
  EXPECT_EQ(world.table().host_count(), 0u);
}

TEST_F(HostJobs, WildcardsComeAllAtOnce) {
  const auto story = world.story(
      world.post("proxy/wildcards", R"([{"certificate":)" + world.certificate({"*.saas.test"}) +
                                        R"(,"code_server":0,"domain":"saas.test"},{"certificate":)" +
                                        world.certificate({"*.cs.test"}) + R"(,"code_server":1,"domain":"cs.test"}])"));
  EXPECT_EQ(story, "Success: Add Wildcard Hosts to Proxy, Reload NGINX");
  EXPECT_EQ(world.host("*.saas.test"), "{}");
  EXPECT_EQ(world.host("*.cs.test"), R"({"code_server":true})");
  EXPECT_NE(certificate("*.saas.test"), nullptr);
  EXPECT_NE(certificate("*.cs.test"), nullptr);
}

TEST_F(HostJobs, NoWildcardsAreAnEmptyObject) {
  for (const auto* body : {"{}", "[]"}) {
    EXPECT_EQ(world.story(world.post("proxy/wildcards", body)), "Success: Add Wildcard Hosts to Proxy, Reload NGINX");
  }
}

TEST_F(HostJobs, OneBadWildcardStopsThemAll) {
  const auto story = world.story(world.post(
      "proxy/wildcards", R"([{"certificate":)" + world.certificate({"*.saas.test"}) +
                             R"(,"domain":"saas.test"},{"certificate":{"privkey.pem":"x","fullchain.pem":"y"},)"
                             R"("domain":"cs.test"}])"));
  EXPECT_TRUE(story.starts_with("Failure: Add Wildcard Hosts to Proxy (")) << story;
  EXPECT_EQ(world.table().host_count(), 0u);
}

TEST_F(HostJobs, ARemovedHostTakesItsCertificateAlong) {
  add_host("erp.test", "acme.test", world.certificate({"erp.test"}));
  EXPECT_EQ(world.story(world.remove("proxy/hosts/erp.test")), "Success: Remove Host from Proxy");
  EXPECT_EQ(world.host("erp.test"), "none");
  EXPECT_EQ(certificate("erp.test"), nullptr);
  EXPECT_EQ(world.story(world.remove("proxy/hosts/erp.test", "")), "Success: Remove Host from Proxy");
}

TEST_F(HostJobs, RedirectsTakeTheTargetOutOfTheList) {
  add_host("erp.test", "acme.test");
  EXPECT_EQ(redirect(R"(["erp.test"])", "www.test"), "Success: Setup Redirect on Host, Reload NGINX");
  EXPECT_EQ(redirect(R"(["acme.test","erp.test","www.test"])", "erp.test"),
            "Success: Remove Redirect on Host, Setup Redirect on Host, Setup Redirect on Host, Reload NGINX");
  EXPECT_EQ(world.host("erp.test"), R"({"site":"acme.test"})");
  EXPECT_EQ(world.host("acme.test"), R"({"redirect":"erp.test"})");
  EXPECT_EQ(world.host("www.test"), R"({"redirect":"erp.test"})");
}

TEST_F(HostJobs, ARemovedRedirectBringsTheSiteBack) {
  add_host("erp.test", "acme.test");
  redirect(R"(["erp.test","acme.test"])", "www.test");
  EXPECT_EQ(unredirect(R"(["erp.test","acme.test","never.test"])"),
            "Success: Remove Redirect on Host, Remove Redirect on Host, Remove Redirect on Host");
  EXPECT_EQ(world.host("erp.test"), R"({"site":"acme.test"})");
  EXPECT_EQ(world.host("acme.test"), "none");
}

TEST_F(HostJobs, RedirectsMakeNoRing) {
  redirect(R"(["a.test"])", "b.test");
  const auto story = redirect(R"(["b.test"])", "a.test");
  EXPECT_TRUE(story.starts_with("Failure: Setup Redirect on Host (")) << story;
  EXPECT_EQ(world.host("b.test"), "none");
  const auto target = redirect(R"(["c.test"])", "not a name");
  EXPECT_TRUE(target.starts_with("Failure: Setup Redirect on Host (")) << target;
}

}  // namespace
}  // namespace hybridge::test
