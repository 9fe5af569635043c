#include "admin/hold_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/registry_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;
using Kind = HoldReply::Kind;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(HoldRegistry, BeginsAWindowOnEveryWorkerAndOnDisk) {
  RegistryWorld world;
  const auto begun = world.begin(RegistryWorld::wish("w1"));
  EXPECT_EQ(begun.kind, Kind::kBegun);
  EXPECT_EQ(begun.record->state, HoldState::kDraining);
  EXPECT_FALSE(begun.record->has_drained);
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kHold);
  EXPECT_THAT(world.workers.terms("w1")->names, ElementsAre("a.test"));
  EXPECT_EQ(world.stored().records.size(), 1u);
  EXPECT_THAT(world.audit(), ElementsAre("begin hold w1"));
}

TEST(HoldRegistry, GivesAWindowANameWhereTheCallerHasNone) {
  RegistryWorld world;
  const auto begun = world.begin(RegistryWorld::wish(""));
  EXPECT_EQ(begun.record->id.size(), 18u);
  EXPECT_TRUE(begun.record->claim(HoldClaim::Kind::kExplicit, begun.record->id));
}

TEST(HoldRegistry, SaysWhenNothingIsUnderWayAnyMore) {
  RegistryWorld world;
  world.workers.in_flight = 1;
  world.begin(RegistryWorld::wish("w1"));
  std::promise<HoldReply> drained;
  world.registry->await_drained("w1", [&](const HoldReply& reply) { drained.set_value(reply); });
  auto answer = drained.get_future();
  EXPECT_EQ(answer.wait_for(50ms), std::future_status::timeout);
  world.workers.in_flight = 0;
  world.workers.drain("w1");
  const auto reply = answer.get();
  EXPECT_EQ(reply.record->state, HoldState::kHolding);
  EXPECT_TRUE(reply.record->has_drained);
  EXPECT_TRUE(reply.record->is_clean);
}

TEST(HoldRegistry, NamesWhatIsStillRunningWhenTheDrainTakesTooLong) {
  RegistryWorld world;
  world.workers.in_flight = 1;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.drain_timeout_ms = 30;
  world.begin(wish);
  const auto reply = world.await([&](auto done) { world.registry->await_drained("w1", done); });
  EXPECT_EQ(reply.record->state, HoldState::kDraining);
  EXPECT_FALSE(reply.record->has_drained);
  ASSERT_EQ(reply.stragglers.size(), 1u);
  EXPECT_EQ(reply.stragglers[0].path, "/report");
}

TEST(HoldRegistry, CutsStragglersWhereThatIsWishedAndSaysSo) {
  RegistryWorld world;
  world.workers.in_flight = 1;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.drain_timeout_ms = 30;
  wish.wishes.on_stragglers = OnStragglers::kCut;
  world.begin(wish);
  const auto reply = world.await([&](auto done) { world.registry->await_drained("w1", done); });
  EXPECT_TRUE(reply.record->has_drained);
  EXPECT_FALSE(reply.record->is_clean);
  EXPECT_EQ(reply.record->cut, 1u);
}

TEST(HoldRegistry, GivesAWindowUpWhenStragglersStayAndThatIsWished) {
  RegistryWorld world;
  world.workers.in_flight = 1;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.drain_timeout_ms = 30;
  wish.wishes.on_stragglers = OnStragglers::kAbort;
  world.begin(wish);
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
  EXPECT_EQ(world.find("w1").record->result, HoldResult::kAborted);
}

TEST(HoldRegistry, ReleasesAndEndsWhenNobodyWaits) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.workers.drain("w1");
  const auto released = world.release("w1");
  EXPECT_EQ(released.record->state, HoldState::kReleasing);
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kRelease);
  EXPECT_EQ(world.workers.terms("w1")->server, "f1.test");
  std::promise<HoldReply> ended;
  world.registry->await_ended("w1", 10s, [&](const HoldReply& reply) { ended.set_value(reply); });
  world.workers.empty("w1");
  const auto reply = ended.get_future().get();
  EXPECT_EQ(reply.record->state, HoldState::kEnded);
  EXPECT_EQ(reply.record->released, 7u);
  EXPECT_FALSE(world.workers.terms("w1"));
  EXPECT_THAT(world.audit(), ElementsAre("begin hold w1", "drained hold w1", "release hold w1", "end hold w1"));
}

TEST(HoldRegistry, SaysHowFarAReleaseIsWhenItTakesLong) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.release("w1");
  const auto reply = world.await([&](auto done) { world.registry->await_ended("w1", 20ms, done); });
  EXPECT_EQ(reply.record->state, HoldState::kReleasing);
}

TEST(HoldRegistry, ReleasesAWindowThatStillDrains) {
  RegistryWorld world;
  world.workers.in_flight = 1;
  world.begin(RegistryWorld::wish("w1"));
  EXPECT_EQ(world.release("w1").record->state, HoldState::kReleasing);
}

TEST(HoldRegistry, TakesAReleaseOfWhatIsNotThereForNothing) {
  RegistryWorld world;
  EXPECT_EQ(world.release("nobody").kind, Kind::kNoop);
  world.begin(RegistryWorld::wish("w1"));
  world.release("w1");
  EXPECT_EQ(world.release("w1").kind, Kind::kNoop);
  world.workers.empty("w1");
  EXPECT_TRUE(world.comes_to("w1", HoldState::kEnded));
  const auto again = world.release("w1");
  EXPECT_EQ(again.kind, Kind::kNoop);
  EXPECT_THAT(again.why, HasSubstr("ended"));
}

TEST(HoldRegistry, RenewsAWindowThatIsBegunAgain) {
  RegistryWorld world;
  const auto first = world.begin(RegistryWorld::wish("w1"));
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.lease_ms = 3'600'000;
  const auto renewed = world.begin(wish);
  EXPECT_EQ(renewed.kind, Kind::kRenewed);
  EXPECT_GT(renewed.record->expires_at, first.record->expires_at);
  EXPECT_EQ(renewed.record->claims.size(), 1u);
}

TEST(HoldRegistry, RefusesToBeginAnEndedWindowOrOneOfAnotherScope) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1", "b.test")).kind, Kind::kConflict);
  world.release("w1");
  world.workers.empty("w1");
  EXPECT_TRUE(world.comes_to("w1", HoldState::kEnded));
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1")).kind, Kind::kConflict);
}

TEST(HoldRegistry, RefusesASiteThatIsNotThere) {
  RegistryWorld world;
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1", "nowhere.test")).kind, Kind::kNotFound);
}

TEST(HoldRegistry, DoesNothingInADryRun) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.dry_run = true;
  EXPECT_EQ(world.begin(wish).kind, Kind::kBegun);
  EXPECT_EQ(world.find("w1").kind, Kind::kNotFound);
  EXPECT_FALSE(world.workers.terms("w1"));
}

TEST(HoldRegistry, LetsASecondTriggerJoinAndReleasesWithTheLastClaim) {
  RegistryWorld world;
  auto in_band = RegistryWorld::wish("");
  in_band.claim = {HoldClaim::Kind::kInBand, ""};
  const auto first = world.begin(in_band);
  const auto joined = world.begin(RegistryWorld::wish("mine"));
  EXPECT_EQ(joined.kind, Kind::kJoined);
  EXPECT_EQ(joined.record->id, first.record->id);
  EXPECT_EQ(joined.record->claims.size(), 2u);
  // The site is back, but somebody has asked for the window.
  const HoldClaim claim{HoldClaim::Kind::kInBand, ""};
  world.await([&](auto done) { world.registry->end_claims("a.test", claim, HoldResult::kReleased, "edge", done); });
  EXPECT_EQ(world.state("mine"), HoldState::kDraining);
  EXPECT_EQ(world.release("mine").record->state, HoldState::kReleasing);
}

TEST(HoldRegistry, KeepsAWindowWhoseOwnerHasReleasedItWhileOthersClaimIt) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  auto in_band = RegistryWorld::wish("");
  in_band.claim = {HoldClaim::Kind::kInBand, ""};
  world.begin(in_band);
  const auto released = world.release("w1");
  EXPECT_EQ(released.record->state, HoldState::kDraining);
  EXPECT_THAT(released.why, HasSubstr("in_band"));
  const HoldClaim claim{HoldClaim::Kind::kInBand, ""};
  const auto ended =
      world.await([&](auto done) { world.registry->end_claims("a.test", claim, HoldResult::kReleased, "edge", done); });
  EXPECT_EQ(ended.record->state, HoldState::kReleasing);
}

TEST(HoldRegistry, LetsAnOperatorReleaseByItsNameAWindowThatNobodyAskedFor) {
  RegistryWorld world;
  auto in_band = RegistryWorld::wish("");
  in_band.claim = {HoldClaim::Kind::kInBand, ""};
  const auto begun = world.begin(in_band);
  EXPECT_EQ(world.release(begun.record->id).record->state, HoldState::kReleasing);
}

TEST(HoldRegistry, PagesWhenTheLeaseHasPassedAndHoldsAgainWhenItIsRenewed) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.lease_ms = 30;
  world.begin(wish);
  EXPECT_TRUE(world.comes_to("w1", HoldState::kPaging));
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kPage);
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1")).record->state, HoldState::kDraining);
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kHold);
}

// kamal-proxy's pause never expires.
TEST(HoldRegistry, HoldsNothingForEver) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.lease_ms = 20;
  wish.wishes.hard_max_ms = 60;
  world.begin(wish);
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
  EXPECT_EQ(world.find("w1").record->result, HoldResult::kExpired);
}

TEST(HoldRegistry, PassesWhenTheLeaseHasPassedAndThatIsWished) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.lease_ms = 20;
  wish.wishes.on_expire = OnExpire::kPass;
  world.begin(wish);
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
}

TEST(HoldRegistry, HoldsAgainWhenTheSiteIsNotBackTwiceThenPages) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.release("w1");
  for (std::uint32_t time = 1; time <= 2; ++time) {
    world.workers.fail("w1");
    EXPECT_TRUE(eventually([&] { return world.find("w1").record->held_again == time; }));
    // And tries again by itself.
    EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
  }
  world.workers.fail("w1");
  EXPECT_TRUE(world.comes_to("w1", HoldState::kPaging));
}

TEST(HoldRegistry, MovesTheSiteWithTheReleaseWhereTheTableIsAsItWasKnown) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  const auto revision = world.publisher->tip().snapshot->revision();
  const auto move = [&](std::uint64_t known, const std::string& server) {
    return world.await([&](auto done) {
      world.registry->release(
          {.id = "w1", .result = HoldResult::kReleased, .server = server, .if_revision = known, .who = "ci"}, done);
    });
  };
  EXPECT_EQ(move(revision - 1, "f2.test").kind, Kind::kConflict);
  EXPECT_EQ(move(revision, "f9.test").kind, Kind::kConflict);
  EXPECT_EQ(world.state("w1"), HoldState::kDraining);
  EXPECT_EQ(move(revision, "f2.test").record->state, HoldState::kReleasing);
  EXPECT_EQ(world.publisher->tip().snapshot->site("a.test")->server, "f2.test");
}

TEST(HoldRegistry, AbortsToWhereTheSiteWas) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.change({put("a.test", Site{"f2.test"})});
  world.release("w1", HoldResult::kAborted);
  EXPECT_TRUE(eventually([&] { return world.workers.terms("w1")->mode == HoldMode::kRelease; }));
  EXPECT_EQ(world.publisher->tip().snapshot->site("a.test")->server, "f1.test");
}

TEST(HoldRegistry, UndoesAWindowThatSomeWorkerDoesNotClose) {
  RegistryWorld world(50ms);
  world.workers.is_obedient = false;
  const auto begun = world.begin(RegistryWorld::wish("w1"));
  EXPECT_EQ(begun.kind, Kind::kNotLive);
  EXPECT_EQ(world.state("w1"), HoldState::kEnded);
  EXPECT_FALSE(world.workers.terms("w1"));
}

TEST(HoldRegistry, PromisesNothingThatTheDiskDoesNotTake) {
  RegistryWorld world;
  world.fill_the_disk(true);
  EXPECT_EQ(world.begin(RegistryWorld::wish("w1")).kind, Kind::kNotStored);
  EXPECT_EQ(world.find("w1").kind, Kind::kNotFound);
  EXPECT_FALSE(world.workers.terms("w1"));
}

TEST(HoldRegistry, AlwaysFreesWhateverTheDiskDoes) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.fill_the_disk(true);
  const auto released = world.release("w1");
  EXPECT_EQ(released.record->state, HoldState::kReleasing);
  EXPECT_FALSE(released.durable);
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kRelease);
  world.fill_the_disk(false);
  world.begin(RegistryWorld::wish("w2", "b.test"));  // what is owed goes with the next
  EXPECT_TRUE(world.find("w1").durable);
  EXPECT_EQ(world.stored().records[0].state, HoldState::kReleasing);
}

TEST(HoldRegistry, BringsItsWindowsBackAfterACrash) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("draining"));
  world.begin(RegistryWorld::wish("holding", "b.test"));
  world.workers.drain("holding");
  EXPECT_TRUE(world.comes_to("holding", HoldState::kHolding));
  world.workers.unhold("draining", {});
  world.workers.unhold("holding", {});
  world.start();
  EXPECT_EQ(world.workers.terms("draining")->mode, HoldMode::kHold);
  EXPECT_EQ(world.workers.terms("holding")->mode, HoldMode::kHold);
  EXPECT_EQ(world.state("holding"), HoldState::kHolding);
}

TEST(HoldRegistry, EndsAfterACrashWhatWasBeingReleased) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.release("w1");
  world.start();
  EXPECT_EQ(world.state("w1"), HoldState::kEnded);
  EXPECT_EQ(world.begin(RegistryWorld::wish("w2")).kind, Kind::kBegun);
}

TEST(HoldRegistry, KeepsToALeaseOverACrash) {
  RegistryWorld world;
  auto wish = RegistryWorld::wish("w1");
  wish.wishes.lease_ms = 100;
  world.begin(wish);
  world.start();
  EXPECT_TRUE(world.comes_to("w1", HoldState::kPaging));
}

TEST(HoldRegistry, LeavesOutAStoredWindowThatIsNotAsItWasWritten) {
  RegistryWorld world;
  world.begin(RegistryWorld::wish("w1"));
  world.begin(RegistryWorld::wish("w2", "b.test"));
  world.execute("UPDATE holds SET value = replace(value, 'w1', 'w9') WHERE id = 'w1'");
  const auto loaded = world.stored();
  ASSERT_EQ(loaded.records.size(), 1u);
  EXPECT_EQ(loaded.records[0].id, "w2");
  EXPECT_THAT(loaded.damaged, ElementsAre(HasSubstr("not as it was written")));
}

}  // namespace
}  // namespace hybridge::test
