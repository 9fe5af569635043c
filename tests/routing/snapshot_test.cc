#include "routing/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace hybridge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Kind = Route::Kind;
using Why = Route::Why;

Server server(std::string name, std::string address = "203.0.113.7") {
  Server made;
  made.name = std::move(name);
  made.endpoints = {{std::move(address), 80, 1}};
  return made;
}

Site on(std::string name, SiteStatus status = SiteStatus::kActive) {
  return {std::move(name), status, false};
}

Host to_site(std::string site) {
  return {std::move(site), "", false, false};
}

Host to_redirect(std::string target) {
  return {"", std::move(target), false, false};
}

// One server, the site acme.example.com and its custom domain erp.acme.com.
Snapshot small() {
  return Snapshot{}
      .with_server(server("f1.example.com"))
      .with_site("acme.example.com", on("f1.example.com"))
      .with_host("erp.acme.com", to_site("acme.example.com"));
}

TEST(Snapshot, FindsASiteUnderItsOwnName) {
  const auto snapshot = small();
  const auto route = snapshot.find("acme.example.com");
  EXPECT_EQ(route.kind, Kind::kSite);
  EXPECT_EQ(route.why, Why::kSiteName);
  EXPECT_EQ(route.site, "acme.example.com");
  EXPECT_EQ(route.status, SiteStatus::kActive);
  EXPECT_EQ(route.server().endpoints[0].address, "203.0.113.7");
}

TEST(Snapshot, FindsASiteUnderAHostThatNamesIt) {
  const auto snapshot = small();
  const auto route = snapshot.find("erp.acme.com");
  EXPECT_EQ(route.kind, Kind::kSite);
  EXPECT_EQ(route.why, Why::kHost);
  EXPECT_EQ(route.site, "acme.example.com");
}

TEST(Snapshot, KnowsNothingOfOtherHosts) {
  const auto snapshot = small();
  for (const char* host :
       {"", ".", "nobody.example.com", "example.com", "acme.example.com.evil.test", "f1.example.com"}) {
    EXPECT_EQ(snapshot.find(host).kind, Kind::kUnknown) << host;
    EXPECT_EQ(snapshot.find(host).why, Why::kNoSuchHost) << host;
  }
}

TEST(Snapshot, AnEmptyTableKnowsNothing) {
  EXPECT_EQ(Snapshot{}.find("acme.example.com").kind, Kind::kUnknown);
}

TEST(Snapshot, TellsTheStatusOfASite) {
  for (const auto status : {SiteStatus::kSuspended, SiteStatus::kSuspendedSaas, SiteStatus::kDeactivated}) {
    const auto snapshot = small().with_site("acme.example.com", on("f1.example.com", status));
    EXPECT_EQ(snapshot.find("acme.example.com").status, status);
    EXPECT_EQ(snapshot.find("erp.acme.com").status, status);
  }
}

TEST(Snapshot, ARedirectWinsOverTheSiteAndGivesItBack) {
  Host both = to_site("acme.example.com");
  both.redirect = "www.acme.com";
  const auto redirected = small().with_host("erp.acme.com", both);
  EXPECT_EQ(redirected.find("erp.acme.com").kind, Kind::kRedirect);
  EXPECT_EQ(redirected.find("erp.acme.com").redirect, "www.acme.com");

  const auto back = redirected.with_host("erp.acme.com", to_site("acme.example.com"));
  EXPECT_EQ(back.find("erp.acme.com").kind, Kind::kSite);
}

TEST(Snapshot, ASitesOwnNameMayBeRedirected) {
  const auto redirected = small().with_host("acme.example.com", to_redirect("erp.acme.com"));
  EXPECT_EQ(redirected.find("acme.example.com").kind, Kind::kRedirect);
  EXPECT_EQ(redirected.find("erp.acme.com").kind, Kind::kSite);
  EXPECT_EQ(redirected.without_host("acme.example.com").find("acme.example.com").kind, Kind::kSite);
}

TEST(Snapshot, DanglingReferencesServeAsUnknownHost) {
  const auto no_site = small().without_site("acme.example.com");
  EXPECT_EQ(no_site.find("erp.acme.com").kind, Kind::kUnknown);
  EXPECT_EQ(no_site.find("erp.acme.com").why, Why::kSiteMissing);
  EXPECT_EQ(no_site.find("acme.example.com").why, Why::kNoSuchHost);

  const auto no_server = small().without_server("f1.example.com");
  EXPECT_EQ(no_server.find("acme.example.com").kind, Kind::kUnknown);
  EXPECT_EQ(no_server.find("acme.example.com").why, Why::kServerMissing);
  EXPECT_EQ(no_server.find("erp.acme.com").why, Why::kServerMissing);
}

TEST(Snapshot, AReferenceThatDangledServesOnceItsEndIsThere) {
  const auto snapshot = Snapshot{}
                            .with_host("erp.acme.com", to_site("acme.example.com"))
                            .with_site("acme.example.com", on("f1.example.com"))
                            .with_server(server("f1.example.com"));
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Kind::kSite);
}

TEST(Snapshot, AWildcardOfSitesServesThemByTheirOwnNamesOnly) {
  const auto snapshot = small().with_host("*.example.com", {});
  EXPECT_EQ(snapshot.find("acme.example.com").kind, Kind::kSite);
  EXPECT_EQ(snapshot.find("acme.example.com").wildcard, "example.com");
  EXPECT_EQ(snapshot.find("nobody.example.com").kind, Kind::kUnknown);
  EXPECT_EQ(snapshot.find("nobody.example.com").why, Why::kNoSuchTenant);
}

TEST(Snapshot, AWildcardMatchesNamesTwoLevelsBelowButNotItsApex) {
  const auto snapshot = small().with_host("*.saas.test", to_site("acme.example.com"));
  EXPECT_EQ(snapshot.find("a.b.saas.test").kind, Kind::kSite);
  EXPECT_EQ(snapshot.find("a.b.saas.test").why, Why::kWildcard);
  EXPECT_EQ(snapshot.find("saas.test").kind, Kind::kUnknown);
  EXPECT_EQ(snapshot.find("xsaas.test").kind, Kind::kUnknown);
}

TEST(Snapshot, TheLongestWildcardRules) {
  const auto snapshot = small()
                            .with_host("*.test", to_redirect("elsewhere.example"))
                            .with_host("*.saas.test", to_site("acme.example.com"))
                            .with_host("*.b.saas.test", {});
  EXPECT_EQ(snapshot.find("x.test").redirect, "elsewhere.example");
  EXPECT_EQ(snapshot.find("x.saas.test").site, "acme.example.com");
  EXPECT_EQ(snapshot.find("x.b.saas.test").why, Why::kNoSuchTenant);
}

TEST(Snapshot, HostsAndSitesGoBeforeWildcards) {
  const auto snapshot =
      small().with_host("*.acme.com", to_redirect("x.test")).with_host("*.example.com", to_redirect("x.test"));
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Kind::kSite);
  EXPECT_EQ(snapshot.find("acme.example.com").kind, Kind::kSite);
  EXPECT_EQ(snapshot.find("other.acme.com").kind, Kind::kRedirect);
}

TEST(Snapshot, ASiteBelowACodeServerWildcardIsACodeServer) {
  Host wildcard;
  wildcard.code_server = true;
  const auto snapshot = small().with_host("*.example.com", wildcard);
  EXPECT_TRUE(snapshot.find("acme.example.com").code_server);
  EXPECT_FALSE(snapshot.find("erp.acme.com").code_server);
}

TEST(Snapshot, AHostWithoutSiteIsItsOwnName) {
  Host marked;
  marked.code_server = true;
  const auto snapshot = small().with_host("acme.example.com", marked);
  EXPECT_EQ(snapshot.find("acme.example.com").kind, Kind::kSite);
  EXPECT_TRUE(snapshot.find("acme.example.com").code_server);
}

TEST(Snapshot, AChangeLeavesTheOlderOneAsItWas) {
  const auto before = small();
  const auto after = before.without_host("erp.acme.com").with_server(server("f1.example.com", "203.0.113.8"));
  EXPECT_EQ(before.find("erp.acme.com").kind, Kind::kSite);
  EXPECT_EQ(after.find("erp.acme.com").kind, Kind::kUnknown);
  EXPECT_EQ(before.find("acme.example.com").server().endpoints[0].address, "203.0.113.7");
  EXPECT_EQ(after.find("acme.example.com").server().endpoints[0].address, "203.0.113.8");
}

TEST(Snapshot, AChangeOfAnotherServerKeepsThisOnesObject) {
  const auto before = small();
  const auto after = before.with_server(server("f2.example.com"));
  EXPECT_EQ(before.server("f1.example.com"), after.server("f1.example.com"));
  EXPECT_EQ(after.find("acme.example.com").shared_server(), before.server("f1.example.com"));
}

TEST(Snapshot, AServerCarriesTheNameThatDashboardsKnow) {
  EXPECT_EQ(Snapshot{}.with_server(server("127.0.0.11")).server("127.0.0.11")->proxy_upstream,
            "http://13fc798eeb01c3d7");
}

TEST(Snapshot, CountsAndListsWhatIsInIt) {
  const auto snapshot =
      small().with_host("*.example.com", {}).with_site("lost.example.com", on("nowhere")).with_revision(7);
  EXPECT_EQ(snapshot.revision(), 7U);
  EXPECT_EQ(snapshot.server_count(), 1U);
  EXPECT_EQ(snapshot.site_count(), 2U);
  EXPECT_EQ(snapshot.host_count(), 2U);
  std::set<std::string> servers, sites, hosts;
  snapshot.for_each_server([&](const auto& each) { servers.insert(each->name); });
  snapshot.for_each_site([&](const std::string& name, const Site& each) { sites.insert(name + "@" + each.server); });
  snapshot.for_each_host([&](const std::string& name, const Host&) { hosts.insert(name); });
  EXPECT_THAT(servers, ElementsAre("f1.example.com"));
  EXPECT_THAT(sites, ElementsAre("acme.example.com@f1.example.com", "lost.example.com@nowhere"));
  EXPECT_THAT(hosts, ElementsAre("*.example.com", "erp.acme.com"));
  EXPECT_TRUE(snapshot.host("*.example.com"));
  EXPECT_FALSE(snapshot.host("example.com"));
}

TEST(Snapshot, RemovingWhatIsNotThereChangesNothing) {
  const auto snapshot = small().without_host("x").without_host("*.x").without_site("x").without_server("x");
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Kind::kSite);
  EXPECT_EQ(snapshot.server_count(), 1U);
}

TEST(Snapshot, ForgetsTheNamesOfServersThatNobodyRefersToAnyMore) {
  auto snapshot = small();
  for (int i = 0; i < 5000; ++i) snapshot = snapshot.with_site("acme.example.com", on("lost" + std::to_string(i)));
  snapshot = snapshot.with_site("acme.example.com", on("f1.example.com"));
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Kind::kSite);
  EXPECT_EQ(snapshot.server("lost1"), nullptr);
}

TEST(RedirectRing, OfOneHostIsFound) {
  const auto snapshot = small().with_host("a.test", to_redirect("a.test"));
  EXPECT_EQ(snapshot.redirect_ring("a.test"), "a.test → a.test");
  EXPECT_THAT(snapshot.redirect_rings(), ElementsAre("a.test"));
}

TEST(RedirectRing, OfThreeHostsIsFoundOnce) {
  const auto snapshot = small()
                            .with_host("a.test", to_redirect("b.test"))
                            .with_host("b.test", to_redirect("c.test"))
                            .with_host("c.test", to_redirect("a.test"))
                            .with_host("x.test", to_redirect("a.test"));
  EXPECT_EQ(snapshot.redirect_ring("a.test"), "a.test → b.test → c.test → a.test");
  EXPECT_EQ(snapshot.redirect_rings().size(), 1U);
}

TEST(RedirectRing, AChainThatEndsIsNone) {
  const auto snapshot = small()
                            .with_host("a.test", to_redirect("b.test"))
                            .with_host("b.test", to_redirect("erp.acme.com"))
                            .with_host("c.test", to_redirect("b.test"));
  EXPECT_EQ(snapshot.redirect_ring("a.test"), "");
  EXPECT_THAT(snapshot.redirect_rings(), IsEmpty());
}

TEST(RedirectRing, ThroughAWildcardIsFound) {
  const auto ring = small().with_host("*.test", to_redirect("www.test"));
  EXPECT_THAT(ring.redirect_rings(), ElementsAre("*.test"));
  EXPECT_EQ(ring.find("www.test").kind, Kind::kUnknown);
  EXPECT_EQ(ring.find("www.test").why, Why::kRedirectsToItself);

  const auto served = ring.with_host("www.test", to_site("acme.example.com"));
  EXPECT_THAT(served.redirect_rings(), IsEmpty());
  EXPECT_EQ(served.find("x.test").kind, Kind::kRedirect);
}

TEST(RedirectRing, ThatARemovalUncoversIsFound) {
  const auto served =
      small().with_host("*.test", to_redirect("www.test")).with_host("www.test", to_site("acme.example.com"));
  EXPECT_THAT(served.redirect_rings_after_change_of("www.test"), IsEmpty());
  EXPECT_THAT(served.without_host("www.test").redirect_rings_after_change_of("www.test"), ElementsAre("*.test"));
}

TEST(RedirectRing, ALongChainIsWalkedInReasonableTime) {
  Snapshot::Builder builder;
  for (int i = 0; i < 100'000; ++i) {
    builder.set_host("h" + std::to_string(i) + ".test", to_redirect("h" + std::to_string(i + 1) + ".test"));
  }
  const auto chain = std::move(builder).build(1);
  EXPECT_THAT(chain.redirect_rings(), IsEmpty());
  EXPECT_EQ(chain.redirect_ring("h0.test"), "");
  EXPECT_EQ(chain.with_host("h99999.test", to_redirect("h0.test")).redirect_rings().size(), 1U);
}

TEST(SiteStatus, IsSpelledAsTheApiDoes) {
  EXPECT_EQ(to_string(SiteStatus::kSuspendedSaas), "suspended_saas");
  EXPECT_EQ(to_site_status("deactivated"), SiteStatus::kDeactivated);
  EXPECT_EQ(to_site_status("Active"), std::nullopt);
}

}  // namespace
}  // namespace hybridge
