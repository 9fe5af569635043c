// Windows and changes of the table: what becomes of one whose site is renamed or deleted, and who is held with whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/hold_registry.h"
#include "tests/support/registry_world.h"

namespace hybridge::test {
namespace {

using Kind = HoldReply::Kind;
using testing::Contains;
using testing::ElementsAre;

Change gone(const std::string& site) {
  return deletion(Change::Kind::kSite, site);
}

Host host_of(const std::string& site) {
  Host host;
  host.site = site;
  return host;
}

std::vector<std::string> held_names(RegistryWorld& world) {
  return world.workers.terms("w1")->names;
}

TEST(HoldsAndTheTable, AWindowGoesAlongWithASiteThatIsRenamed) {
  RegistryWorld world;
  world.change({put("erp.test", host_of("a.test"))});
  world.begin(RegistryWorld::wish("w1"));
  world.change({gone("a.test"), put("new.test", Site{"f1.test"}), put("erp.test", host_of("new.test"))});
  EXPECT_THAT(held_names(world), ElementsAre("new.test", "a.test"));
  EXPECT_EQ(world.find("w1").record->scope.name, "new.test");
  EXPECT_EQ(world.state("w1"), HoldState::kDraining);
  EXPECT_THAT(world.audit(), ElementsAre("begin hold w1", "rename hold w1"));
  // Its owner may renew it by either name.
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1", "new.test")).kind, Kind::kRenewed);
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1", "a.test")).kind, Kind::kRenewed);
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1", "b.test")).kind, Kind::kConflict);
}

TEST(HoldsAndTheTable, ASiteThatGetsItsOldNameBackIsHeldOnce) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.change({gone("a.test"), put("new.test", Site{"f1.test"})});
  world.change({gone("new.test"), put("a.test", Site{"f1.test"})});
  EXPECT_THAT(held_names(world), ElementsAre("a.test", "new.test"));
}

TEST(HoldsAndTheTable, TheWorkersAreToldOfARenameBeforeTheyGetTheTable) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  std::vector<std::string> held;
  world.tables.on_snapshot = [&] { held = held_names(world); };
  world.change({gone("a.test"), put("new.test", Site{"f1.test"})});
  EXPECT_THAT(held, Contains("new.test"));
}

TEST(HoldsAndTheTable, AnAbortAfterARenameGoesBackToTheServerByTheNewName) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.change({gone("a.test"), put("new.test", Site{"f1.test"})});
  world.change({put("new.test", Site{"f2.test"})});
  world.release("w1", HoldResult::kAborted);
  EXPECT_TRUE(eventually([&] { return world.publisher->tip().snapshot->site("new.test")->server == "f1.test"; }));
}

TEST(HoldsAndTheTable, OnlyOneForOneOnTheSameServerIsARename) {
  const std::vector<std::vector<Change>> others = {
      {gone("a.test"), put("new.test", Site{"f2.test"})},
      {gone("a.test"), put("new.test", Site{"f1.test"}), put("more.test", Site{"f1.test"})},
      {gone("a.test"), put("b.test", Site{"f1.test", SiteStatus::kSuspended})},
      {gone("a.test"), put("new.test", Site{"f1.test"}), put("erp.test", host_of("b.test"))},
  };
  for (const auto& changes : others) {
    RegistryWorld world;
    world.change({put("erp.test", host_of("a.test"))});
    world.begin(RegistryWorld::wish("w1"));
    world.change(changes);
    EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
    EXPECT_THAT(held_names(world), ElementsAre("a.test"));
  }
}

TEST(HoldsAndTheTable, AWindowEndsWithItsSite) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.change({gone("a.test")});
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
  EXPECT_EQ(world.find("w1").record->result, HoldResult::kAborted);
  // The workers hear of it a little later than the record says so.
  EXPECT_TRUE(eventually([&] {
    world.workers.empty("w1");
    return world.state("w1") == HoldState::kEnded;
  }));
  EXPECT_THAT(world.audit(), ElementsAre("begin hold w1", "abort: site deleted hold w1", "end hold w1"));
}

TEST(HoldsAndTheTable, AWindowOfSeveralSitesEndsWithTheLastOfThem) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.scope.extra = {"b.test"};
  world.begin(wish);
  world.change({gone("a.test")});
  EXPECT_EQ(world.state("w1"), HoldState::kDraining);
  world.change({gone("b.test")});
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
}

TEST(HoldsAndTheTable, AWindowOfAServerEndsWithIt) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.scope = {true, "f1.test", {}};
  world.begin(wish);
  world.change({deletion(Change::Kind::kServer, "f1.test")});
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
}

TEST(HoldsAndTheTable, AWindowWhoseSiteWentBeforeTheProcessDiedEndsAtTheStart) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.registry.reset();
  world.change({gone("a.test")});
  world.start();
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
}

TEST(HoldsAndTheTable, TheAuditNamesTheTableThatAWindowWasUnder) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.change({put("c.test", Site{"f1.test"})});
  world.release("w1");
  std::vector<std::string> lines;
  for (const auto& line : StateReader::open(world.directory.path()).value()->audit(3).value()) {
    lines.push_back(std::to_string(line.revision) + ' ' + line.action);
  }
  EXPECT_THAT(lines, ElementsAre("2 release hold w1", "2 ", "1 begin hold w1"));
}

HoldBegin by(HoldClaim::Kind kind, const std::string& site = "a.test") {
  auto begin = RegistryWorld::wish("", site);
  begin.claim = {kind, "4711"};
  return begin;
}

TEST(HoldsAndTheTable, HoldsTheGroupOfASiteForTriggersThatDoNotSayIt) {
  for (const auto kind : {HoldClaim::Kind::kAgentCall, HoldClaim::Kind::kStatus}) {
    RegistryWorld world;
    world.registry->learn_group("a.test", {"b.test", "gone.test"});
    world.start();  // a restart forgets none
    EXPECT_THAT(world.begin(by(kind)).record->scope.names(), ElementsAre("a.test", "b.test"));
  }
}

TEST(HoldsAndTheTable, LearnsTheGroupOfASiteFromWhoeverSaysItLast) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.scope.extra = {"b.test"};
  world.begin(wish);
  world.release("w1");
  world.workers.empty("w1");
  const auto begun = world.begin(by(HoldClaim::Kind::kStatus));
  EXPECT_THAT(begun.record->scope.extra, ElementsAre("b.test"));
  world.release(begun.record->id);
  world.workers.empty(begun.record->id);

  world.registry->learn_group("a.test", {});
  world.start();
  EXPECT_THAT(world.begin(by(HoldClaim::Kind::kStatus)).record->scope.extra, ElementsAre());
}

TEST(HoldsAndTheTable, TakesNoSiteIntoAGroupThatIsInAWindowOfItsOwn) {
  RegistryWorld world;
  world.registry->learn_group("a.test", {"b.test"});
  world.begin(RegistryWorld::wish("w1", "b.test"));
  EXPECT_THAT(world.begin(by(HoldClaim::Kind::kAgentCall)).record->scope.names(), ElementsAre("a.test"));
}

TEST(HoldsAndTheTable, HoldsASiteAloneForWhoAsksForItAlone) {
  RegistryWorld world;
  world.registry->learn_group("a.test", {"b.test"});
  EXPECT_THAT(world.begin(RegistryWorld::wish("w1")).record->scope.names(), ElementsAre("a.test"));
}

TEST(HoldsAndTheTable, AGroupGoesAlongWithARenameAndIsForgottenWithItsSite) {
  RegistryWorld world;
  world.registry->learn_group("a.test", {"b.test"});
  world.change({gone("a.test"), put("new.test", Site{"f1.test"})});
  EXPECT_THAT(world.begin(by(HoldClaim::Kind::kStatus, "new.test")).record->scope.names(),
              ElementsAre("new.test", "b.test"));
  EXPECT_TRUE(eventually([&] { return HoldStore::open(world.directory.path()).value()->load_groups()->size() == 1; }));
}

}  // namespace
}  // namespace hybridge::test
