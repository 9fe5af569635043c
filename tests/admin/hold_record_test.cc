#include "admin/hold_record.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

HoldRecord record_in(HoldState state) {
  HoldRecord record;
  record.id = "w1";
  record.scope = {false, "a.test", {"b.test"}};
  record.state = state;
  record.claims = {{HoldClaim::Kind::kExplicit, "w1"}};
  record.began = 1'000'000;
  record.expires_at = record.began + 60'000;
  record.wishes.hard_max_ms = 3'600'000;
  return record;
}

TEST(HoldRecord, HoldsWhenItHasDrained) {
  auto record = record_in(HoldState::kDraining);
  EXPECT_TRUE(record.drained(1'001'000));
  EXPECT_EQ(record.state, HoldState::kHolding);
  EXPECT_TRUE(record.has_drained);
  EXPECT_EQ(record.drained_at, 1'001'000);
}

TEST(HoldRecord, IsNotDrainedByALateWord) {
  for (const auto state : {HoldState::kReleasing, HoldState::kPaging, HoldState::kEnded}) {
    auto record = record_in(state);
    EXPECT_FALSE(record.drained(1));
    EXPECT_EQ(record.state, state);
    EXPECT_FALSE(record.has_drained);
  }
}

TEST(HoldRecord, CanBeReleasedFromWhereverItHolds) {
  for (const auto state : {HoldState::kDraining, HoldState::kHolding, HoldState::kPaging}) {
    auto record = record_in(state);
    EXPECT_TRUE(record.release(HoldResult::kAborted));
    EXPECT_EQ(record.state, HoldState::kReleasing);
    EXPECT_EQ(record.result, HoldResult::kAborted);
    EXPECT_TRUE(record.claims.empty());
    EXPECT_EQ(record.epoch, 2u);
  }
  for (const auto state : {HoldState::kReleasing, HoldState::kEnded}) {
    auto record = record_in(state);
    EXPECT_FALSE(record.release(HoldResult::kReleased));
    EXPECT_EQ(record.epoch, 1u);
  }
}

TEST(HoldRecord, EndsWhenNobodyWaits) {
  auto record = record_in(HoldState::kReleasing);
  EXPECT_TRUE(record.emptied(5));
  EXPECT_EQ(record.state, HoldState::kEnded);
  EXPECT_EQ(record.ended_at, 5);
  EXPECT_FALSE(record_in(HoldState::kHolding).emptied(5));
}

TEST(HoldRecord, HoldsAgainTwiceWhenTheSiteIsNotBackThenPages) {
  auto record = record_in(HoldState::kReleasing);
  for (int time = 0; time < 2; ++time) {
    EXPECT_TRUE(record.failed());
    EXPECT_EQ(record.state, HoldState::kHolding);
    record.release(HoldResult::kReleased);
  }
  EXPECT_TRUE(record.failed());
  EXPECT_EQ(record.state, HoldState::kPaging);
  EXPECT_FALSE(record.failed());
}

TEST(HoldRecord, PagesWhenItsLeaseHasPassed) {
  auto record = record_in(HoldState::kHolding);
  EXPECT_FALSE(record.expire(record.expires_at - 1));
  EXPECT_TRUE(record.expire(record.expires_at));
  EXPECT_EQ(record.state, HoldState::kPaging);
  EXPECT_FALSE(record.expire(record.expires_at + 1));
}

TEST(HoldRecord, PassesWhenItsLeaseHasPassedAndThatIsWished) {
  auto record = record_in(HoldState::kDraining);
  record.wishes.on_expire = OnExpire::kPass;
  EXPECT_TRUE(record.expire(record.expires_at));
  EXPECT_EQ(record.state, HoldState::kReleasing);
  EXPECT_EQ(record.result, HoldResult::kExpired);
}

TEST(HoldRecord, PassesAtTheHardMaximumWhateverIsWished) {
  for (const auto state : {HoldState::kDraining, HoldState::kHolding, HoldState::kPaging}) {
    auto record = record_in(state);
    record.expires_at = record.hard_end() + 1;
    EXPECT_TRUE(record.expire(record.hard_end()));
    EXPECT_EQ(record.state, HoldState::kReleasing);
    EXPECT_EQ(record.result, HoldResult::kExpired);
  }
}

TEST(HoldRecord, HoldsAgainWhenAnotherClaimComes) {
  for (const auto state : {HoldState::kPaging, HoldState::kReleasing}) {
    auto record = record_in(state);
    record.result = HoldResult::kReleased;
    EXPECT_TRUE(record.begin_again(1));
    EXPECT_EQ(record.state, HoldState::kDraining);
    EXPECT_EQ(record.result, HoldResult::kNone);
    EXPECT_EQ(record.epoch, 2u);
  }
  EXPECT_FALSE(record_in(HoldState::kHolding).begin_again(1));
  EXPECT_FALSE(record_in(HoldState::kEnded).begin_again(1));
}

TEST(HoldRecord, IsReadAsItWasStored) {
  auto record = record_in(HoldState::kPaging);
  record.claims.push_back({HoldClaim::Kind::kAgentCall, "4711"});
  record.trigger = HoldClaim::Kind::kStatus;
  record.reason = "update \"v16\"";
  record.who = "press";
  record.wishes.expected_end = 2'000'000;
  record.wishes.on_stragglers = OnStragglers::kCut;
  record.wishes.on_expire = OnExpire::kPass;
  record.wishes.closes_websockets = true;
  record.wishes.preview = {"203.0.113.0/24"};
  record.result = HoldResult::kExpired;
  record.epoch = 9;
  record.held_again = 1;
  record.is_clean = false;
  record.cut = 3;
  record.preview_secret = "s";
  record.servers = {{"a.test", "f1.test"}};
  record.released = 5;
  const auto read = read_stored(to_stored(record)).value();
  EXPECT_EQ(to_stored(read), to_stored(record));
  EXPECT_EQ(read.claims, record.claims);
  EXPECT_EQ(read.wishes, record.wishes);
  EXPECT_EQ(read.scope, record.scope);
  EXPECT_EQ(read.servers, record.servers);
}

TEST(HoldRecord, RefusesWhatWasNotStoredByIt) {
  for (const auto* text : {"", "{", "{}", "[]", R"({"id":1})"}) EXPECT_FALSE(read_stored(text)) << text;
  auto text = to_stored(record_in(HoldState::kHolding));
  text.replace(text.find("holding"), 7, "hulding");
  EXPECT_FALSE(read_stored(text));
}

}  // namespace
}  // namespace hybridge
