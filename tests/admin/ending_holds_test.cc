// Windows in a process that ends, and follows what the one that has taken over writes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/hold_registry.h"
#include "tests/support/registry_world.h"

namespace hybridge::test {
namespace {

struct EndingWorld : RegistryWorld {
  EndingWorld() {
    window = *begin(wish("w1")).record;
    registry->retire([](const std::string&, std::uint64_t) {});
  }

  // The other process writes so, and says so.
  void write(const HoldRecord& record) { ASSERT_TRUE(theirs->put({&record, 1}, {})); }
  void follow() {
    std::promise<void> done;
    registry->follow([&] { done.set_value(); });
    done.get_future().wait();
  }
  void end_over_there() {
    window.release(HoldResult::kReleased);
    window.emptied(1);
    write(window);
    follow();
  }
  bool is_let_go() {
    return eventually([&] { return !workers.terms("w1"); });
  }

  HoldRecord window;
  std::unique_ptr<HoldStore> theirs = HoldStore::open(directory.path()).value();
};

TEST(EndingHolds, WhoStillWaitsGoesOnByAndByWhenTheWindowIsOverElsewhere) {
  EndingWorld world;
  world.workers.waiting = 3;
  world.end_over_there();
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kRelease);
  world.follow();  // of another window's change
  EXPECT_EQ(world.workers.terms("w1")->mode, HoldMode::kRelease);
  world.workers.waiting = 0;
  world.workers.empty("w1");
  EXPECT_TRUE(world.is_let_go());
}

TEST(EndingHolds, AWindowThatNobodyWaitsInEndsAtOnce) {
  EndingWorld world;
  world.end_over_there();
  EXPECT_FALSE(world.workers.terms("w1"));
}

TEST(EndingHolds, AnotherWindowOfTheSiteTakesOverWhoStillWaits) {
  EndingWorld world;
  world.workers.waiting = 3;
  auto next = world.window;
  next.id = "w2";
  world.write(next);
  world.end_over_there();
  EXPECT_FALSE(world.workers.terms("w1"));
  EXPECT_EQ(world.workers.terms("w2")->mode, HoldMode::kHold);
}

TEST(EndingHolds, WhereThoseWhoGoOnFareBadlyTheOthersSeeThePage) {
  EndingWorld world;
  world.workers.waiting = 3;
  world.end_over_there();
  world.workers.on_hold = [&](const HoldTerms& terms) { EXPECT_EQ(terms.mode, HoldMode::kPage); };
  world.workers.fail("w1");
  EXPECT_TRUE(world.is_let_go());
}

}  // namespace
}  // namespace hybridge::test
