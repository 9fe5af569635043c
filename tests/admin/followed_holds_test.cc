#include "admin/followed_holds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/heir.h"
#include "tests/support/registry_world.h"

namespace hybridge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct FollowingHolds final : test::Heir, LiveHolds::Observer {
  FollowingHolds() {
    holds.set_observer(static_cast<LiveHolds::Observer*>(this));
    serve();
  }
  ~FollowingHolds() { predecessor->stop(); }

  void on_drained(const std::string& id, std::uint64_t epoch) override {
    const std::lock_guard lock(mutex);
    drained.push_back(id + ' ' + std::to_string(epoch));
  }
  void on_emptied(const std::string&, std::uint64_t) override {}
  void on_failed(const std::string&, std::uint64_t) override {}

  void hold(std::uint64_t epoch, HoldMode mode = HoldMode::kHold) {
    HoldTerms terms;
    terms.id = "w1";
    terms.epoch = epoch;
    terms.mode = mode;
    holds.hold(std::make_shared<const HoldTerms>(terms), {});
    EXPECT_EQ(read().word, HandoverWord::kHolds);
  }
  void drains_there(std::uint64_t epoch) {
    say({.word = HandoverWord::kDrained, .detail = "w1", .revision = epoch});
    settle();
  }
  // What was said before has been heard when its answer has.
  void settle() {
    std::promise<void> heard;
    predecessor->ask(HandoverWord::kLook, "settled", [&](const HandoverMessage&) { heard.set_value(); });
    say({.word = HandoverWord::kUnderWay, .revision = read().revision});
    heard.get_future().get();
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex);
    return drained;
  }

  test::FakeHolds workers;
  FollowedHolds holds{workers, *predecessor};
  std::mutex mutex;
  std::vector<std::string> drained;
};

TEST(FollowedHolds, AreDrainedWhenBothProcessesAre) {
  FollowingHolds following;
  following.hold(1);
  following.workers.drain("w1");
  EXPECT_THAT(following.told(), IsEmpty());
  EXPECT_EQ(following.holds.counts("w1")->in_flight, 1);
  following.drains_there(1);
  EXPECT_THAT(following.told(), ElementsAre("w1 1"));
  EXPECT_EQ(following.holds.counts("w1")->in_flight, 0);
}

TEST(FollowedHolds, AreDrainedHereLast) {
  FollowingHolds following;
  following.hold(1);
  following.drains_there(1);
  EXPECT_THAT(following.told(), IsEmpty());
  following.workers.drain("w1");
  EXPECT_THAT(following.told(), ElementsAre("w1 1"));
}

TEST(FollowedHolds, DoNotTakeTheDrainOfAnEarlierClosingForThisOne) {
  FollowingHolds following;
  following.hold(1);
  following.drains_there(1);
  following.hold(2, HoldMode::kRelease);
  EXPECT_EQ(following.holds.counts("w1")->in_flight, 0);
  following.hold(3);
  following.workers.drain("w1");
  EXPECT_THAT(following.told(), IsEmpty());
  following.drains_there(3);
  EXPECT_THAT(following.told(), ElementsAre("w1 3"));
}

TEST(FollowedHolds, AreDrainedWhenTheOtherProcessHasEnded) {
  FollowingHolds following;
  following.hold(1);
  following.workers.drain("w1");
  following.other.reset();
  EXPECT_TRUE(test::eventually([&] { return following.told() == std::vector<std::string>{"w1 1"}; }));
  EXPECT_EQ(following.holds.counts("w1")->in_flight, 0);
}

TEST(FollowedHolds, LookAtBothProcesses) {
  FollowingHolds following;
  std::promise<std::vector<Straggler>> found;
  following.holds.stragglers("w1", 10, [&](std::vector<Straggler> all) { found.set_value(std::move(all)); });
  const auto question = following.read();
  EXPECT_EQ(question.word, HandoverWord::kLook);
  EXPECT_EQ(question.detail, "w1");
  HandoverMessage answer{.word = HandoverWord::kUnderWay, .revision = question.revision};
  answer.stragglers = {{.method = "POST", .path = "/there", .site = "a.test", .age_ms = 9000}};
  following.say(answer);
  const auto all = found.get_future().get();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].path, "/there");  // the oldest first
  EXPECT_EQ(all[1].path, "/report");
}

TEST(FollowedHolds, CutInBothProcesses) {
  FollowingHolds following;
  following.hold(1);
  std::promise<std::size_t> cut;
  following.holds.cut("w1", [&](std::size_t count) { cut.set_value(count); });
  const auto question = following.read();
  EXPECT_EQ(question.word, HandoverWord::kCut);
  following.say({.word = HandoverWord::kUnderWay, .revision = question.revision, .cut = 2});
  EXPECT_EQ(cut.get_future().get(), 3U);
}

TEST(FollowedHolds, AskNobodyWhoHasEnded) {
  FollowingHolds following;
  following.other.reset();
  std::promise<std::vector<Straggler>> found;
  following.holds.stragglers("w1", 10, [&](std::vector<Straggler> all) { found.set_value(std::move(all)); });
  EXPECT_EQ(found.get_future().get().size(), 1U);
}

TEST(HoldRegistry, TellsOfDrainsToTheProcessThatHasTakenOver) {
  test::RegistryWorld world;
  world.begin(test::RegistryWorld::wish("w1"));
  std::promise<void> paused;
  world.registry->pause([&] { paused.set_value(); });
  paused.get_future().get();
  std::promise<std::string> told;
  world.registry->retire(
      [&](const std::string& id, std::uint64_t epoch) { told.set_value(id + ' ' + std::to_string(epoch)); });
  world.workers.drain("w1");
  EXPECT_EQ(told.get_future().get(), "w1 1");
  std::promise<std::size_t> looked;
  world.registry->look("w1", [&](const std::vector<Straggler>& found) { looked.set_value(found.size()); });
  EXPECT_EQ(looked.get_future().get(), 1U);
}

}  // namespace
}  // namespace hybridge
