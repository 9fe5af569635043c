#include "admin/in_band_claims.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/registry_world.h"

namespace hybridge::test {
namespace {

class InBandClaimsTest : public testing::Test {
 protected:
  InBandClaimsTest() { connect(); }

  void connect() {
    claims = std::make_unique<InBandClaims>(
        *world.registry, InBandClaims::Workers{.resume = [this](const std::string& site) { note("resume " + site); },
                                               .ended =
                                                   [this](const std::string& site, bool gives_up) {
                                                     note("ended " + site + (gives_up ? " for good" : ""));
                                                   }});
  }
  void note(std::string what) {
    const std::lock_guard lock(mutex);
    notes.push_back(std::move(what));
  }
  bool has(const std::string& what) {
    return eventually([&] {
      const std::lock_guard lock(mutex);
      return std::find(notes.begin(), notes.end(), what) != notes.end();
    });
  }
  bool begin(const std::string& site = "a.test") {
    std::promise<bool> held;
    claims->begin_in_band(site, [&](bool is_held) { held.set_value(is_held); });
    return held.get_future().get();
  }
  // The one window there is; its id.
  std::string window() {
    const auto live = world.registry->live();
    return live->empty() ? "" : live->front().id;
  }

  RegistryWorld world;
  std::mutex mutex;
  std::vector<std::string> notes;
  std::unique_ptr<InBandClaims> claims;
};

TEST_F(InBandClaimsTest, OpensAWindowOfTheSite) {
  EXPECT_TRUE(begin());
  const auto record = *world.find(window()).record;
  EXPECT_EQ(record.scope.name, "a.test");
  EXPECT_EQ(record.trigger, HoldClaim::Kind::kInBand);
  EXPECT_TRUE(record.is_closed());
  EXPECT_EQ(record.wishes.on_expire, OnExpire::kPass);
}

TEST_F(InBandClaimsTest, SaysWhereAWindowIsRefused) {
  EXPECT_FALSE(begin("nobody.test"));
}

TEST_F(InBandClaimsTest, ReleasesItWithThePong) {
  begin();
  const auto id = window();
  claims->end_in_band("a.test");
  EXPECT_TRUE(world.comes_to(id, HoldState::kReleasing));
  EXPECT_EQ(world.find(id).record->result, HoldResult::kReleased);
  EXPECT_TRUE(notes.empty()) << "whoever ended it knows";
}

TEST_F(InBandClaimsTest, NeverEndsTheClaimOfSomebodyElse) {
  world.begin(RegistryWorld::wish("w1"));
  EXPECT_TRUE(begin());
  claims->end_in_band("a.test");
  EXPECT_TRUE(eventually([&] { return !world.find("w1").record->has_claim(HoldClaim::Kind::kInBand); }));
  EXPECT_TRUE(world.find("w1").record->is_closed());
}

TEST_F(InBandClaimsTest, KeepsTheWindowThatSomebodyElseReleases) {
  world.begin(RegistryWorld::wish("w1"));
  begin();
  world.release("w1");
  EXPECT_TRUE(world.find("w1").record->is_closed());
  claims->end_in_band("a.test");
  EXPECT_TRUE(world.comes_to("w1", HoldState::kReleasing));
}

TEST_F(InBandClaimsTest, TellsTheWorkersWhereItIsAborted) {
  begin();
  world.release(window(), HoldResult::kAborted);
  EXPECT_TRUE(has("ended a.test for good"));
}

TEST_F(InBandClaimsTest, TellsTheWorkersWhereTheSiteIsDeclaredActive) {
  begin();
  world.await([&](auto done) {
    world.registry->end_claims("a.test", {HoldClaim::Kind::kInBand, ""}, HoldResult::kReleased, "press", done);
  });
  EXPECT_TRUE(has("ended a.test"));
}

TEST_F(InBandClaimsTest, GoesOnAfterARestart) {
  begin();
  claims.reset();
  world.registry.reset();
  world.start();
  connect();
  claims->resume();
  EXPECT_TRUE(has("resume a.test"));
  const auto id = window();
  claims->end_in_band("a.test");
  EXPECT_TRUE(world.comes_to(id, HoldState::kReleasing));
}

}  // namespace
}  // namespace hybridge::test
