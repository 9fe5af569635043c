#include "proxy/hold_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1h};

struct World final : HoldPool::Listener {
  explicit World(HoldLimits limits = {}) { pool.set_limits(limits); }

  HoldPool::WindowPtr set(HoldTerms terms) {
    terms.epoch = ++epoch;
    return pool.set(std::make_shared<const HoldTerms>(std::move(terms)), now);
  }
  HoldPool::WindowPtr hold(const std::string& site) { return set({.id = site, .names = {site}}); }
  HoldPool::WindowPtr release(const std::string& site, ReleasePace::Basis before = {10'000, 1'000}) {
    return set({.id = site, .names = {site}, .mode = HoldMode::kRelease, .server = "f1", .before = before});
  }
  Result<HoldTicket> join(const HoldPool::WindowPtr& window, std::string_view site, std::size_t worker = 0,
                          bool returns = false, const std::array<std::uint8_t, 16>* address = nullptr,
                          std::size_t bytes = 1000, std::string_view server = "f1", TimePoint deadline = kNever) {
    return pool.join(window,
                     {.site = site,
                      .server = server,
                      .address = address,
                      .bytes = bytes,
                      .worker = worker,
                      .deadline = deadline,
                      .returns = returns,
                      .kept_its_place = false},
                     now);
  }

  void on_granted(std::size_t worker, const HoldPool::WindowPtr&, std::vector<HoldTicket> tickets) override {
    for (const auto ticket : tickets) {
      granted.push_back(ticket);
      workers.push_back(worker);
    }
  }
  void on_drained(const HoldWindow&, std::uint64_t its_epoch) override { drained = its_epoch; }
  void on_emptied(const HoldWindow&, std::uint64_t) override { ++emptied; }
  void on_failed(const HoldWindow&, std::uint64_t) override { ++failed; }

  TimePoint now = kStart;
  std::uint64_t epoch = 0;
  std::vector<HoldTicket> granted;
  std::vector<std::size_t> workers;
  std::uint64_t drained = 0;
  int emptied = 0;
  int failed = 0;
  HoldPool pool{2, *this};
};

TEST(HoldPool, KeepsTheOrderOfArrivalOverTheWorkers) {
  World world;
  const auto window = world.hold("a");
  std::vector<HoldTicket> joined;
  for (std::size_t i = 0; i < 100; ++i) joined.push_back(world.join(window, "a", i % 2).value());
  world.release("a", {.per_second = 1, .at_once = 1});
  // A batch for each worker: together the eight that came first.
  EXPECT_EQ(world.granted, (std::vector<HoldTicket>{joined[0], joined[2], joined[4], joined[6], joined[1], joined[3],
                                                    joined[5], joined[7]}));
  EXPECT_EQ(world.workers, (std::vector<std::size_t>{0, 0, 0, 0, 1, 1, 1, 1}));
}

// Vitess's buffer lets newcomers overtake those who waited.
TEST(HoldPool, LetsNobodyOvertakeThoseWhoWait) {
  World world;
  const auto window = world.hold("a");
  world.join(window, "a").value();
  world.join(window, "a").value();
  world.release("a", {.per_second = 1, .at_once = 1});
  // Eight may go at once where little is known: here two went, and have not begun.
  ASSERT_EQ(world.granted.size(), 2u);
  const auto newcomer = world.join(window, "a").value();
  EXPECT_NE(newcomer, 0u);
  EXPECT_FALSE(world.pool.lets_pass(window));
}

TEST(HoldPool, LetsNewcomersPassWhenNobodyWaitsAnyMore) {
  World world;
  const auto window = world.hold("a");
  world.join(window, "a").value();
  world.release("a");
  world.pool.began(window, world.now);
  EXPECT_TRUE(world.pool.lets_pass(window));
  EXPECT_EQ(world.join(window, "a").value(), 0u);
}

TEST(HoldPool, EndsAReleaseWhenTheLastOnesHaveShownThatTheSiteIsThere) {
  World world;
  const auto window = world.hold("a");
  for (int i = 0; i < 4; ++i) world.join(window, "a").value();
  world.release("a");
  for (int i = 0; i < 4; ++i) world.pool.began(window, world.now);
  EXPECT_EQ(world.emptied, 0);
  world.pool.ended(window, HoldPool::Passage::kBad, world.now);
  EXPECT_EQ(world.emptied, 0);
  world.pool.ended(window, HoldPool::Passage::kGood, world.now);
  EXPECT_EQ(world.emptied, 1);
}

TEST(HoldPool, DoesNotWaitForALongAnswerToEndARelease) {
  World world;
  const auto window = world.hold("a");
  world.join(window, "a").value();
  world.release("a");
  world.pool.began(window, world.now);
  world.pool.turn(window, world.now + 900ms);
  EXPECT_EQ(world.emptied, 0);
  world.pool.turn(window, world.now + 1s);
  EXPECT_EQ(world.emptied, 1);
}

// All of them went on at once, and found nobody: nothing has ended before the guard has seen it.
TEST(HoldPool, SeesThatASiteIsAwayThoughNobodyWaitsAnyMore) {
  World world;
  const auto window = world.hold("a");
  for (int i = 0; i < 5; ++i) world.join(window, "a").value();
  world.release("a");
  for (int i = 0; i < 5; ++i) world.pool.began(window, world.now);
  for (int i = 0; i < 5; ++i) world.pool.ended(window, HoldPool::Passage::kReturns, world.now);
  EXPECT_EQ(world.failed, 1);
  EXPECT_EQ(world.emptied, 0);
}

TEST(HoldPool, PutsThoseWhoComeBackBeforeThoseWhoCameLater) {
  World world;
  const auto window = world.hold("a");
  const auto first = world.join(window, "a").value();
  const auto returned = world.join(window, "a", 0, true).value();
  const auto second_returned = world.join(window, "a", 0, true).value();
  world.release("a");
  EXPECT_EQ(world.granted, (std::vector<HoldTicket>{returned, second_returned, first}));
}

TEST(HoldPool, ForgetsThoseWhoLeaveAndGivesTheirTurnToTheNext) {
  World world;
  const auto window = world.hold("a");
  std::vector<HoldTicket> tickets;
  for (int i = 0; i < 20; ++i) tickets.push_back(world.join(window, "a").value());
  world.pool.leave(window, "a", tickets[3], HoldOutcome::kClientGone, world.now);
  EXPECT_EQ(world.pool.waiting(), 19u);
  world.release("a", {.per_second = 1, .at_once = 1});
  ASSERT_EQ(world.granted.size(), 8u);
  EXPECT_EQ(std::count(world.granted.begin(), world.granted.end(), tickets[3]), 0);
  // One that was told to go on, and left before it heard.
  world.pool.leave(window, "a", tickets[0], HoldOutcome::kClientGone, world.now + 1s);
  EXPECT_GT(world.granted.size(), 8u);
  EXPECT_EQ(window->count(HoldOutcome::kClientGone), 2u);
}

TEST(HoldPool, DropsThoseWhoAreLateBeforeItLetsOthersGo) {
  World world;
  const auto window = world.hold("a");
  const auto late = world.join(window, "a", 0, false, nullptr, 1000, "f1", kStart + 1s).value();
  const auto patient = world.join(window, "a", 0, false, nullptr, 1000, "f1", kStart + 60s).value();
  world.now = kStart + 2s;
  world.release("a");
  EXPECT_EQ(world.granted, std::vector<HoldTicket>{patient});
  world.pool.leave(window, "a", late, HoldOutcome::kExpired, world.now);
  world.pool.began(window, world.now);
  world.pool.ended(window, HoldPool::Passage::kGood, world.now);
  EXPECT_EQ(world.emptied, 1);
}

// kamal-proxy lets all go at once.
TEST(HoldPool, LetsThemGoByAndBy) {
  World world;
  const auto window = world.hold("a");
  for (int i = 0; i < 1000; ++i) world.join(window, "a").value();
  world.release("a", {.per_second = 20, .at_once = 10});
  EXPECT_EQ(world.granted.size(), 10u);
  for (int i = 0; i < 10; ++i) world.pool.began(window, world.now);
  world.pool.turn(window, kStart + 10ms);
  EXPECT_EQ(world.granted.size(), 10u);  // none has ended
  world.pool.ended(window, HoldPool::Passage::kGood, kStart + 100ms);
  EXPECT_EQ(world.granted.size(), 11u);
}

TEST(HoldPool, StopsLettingThemGoWhenTheyFareBadly) {
  World world;
  const auto window = world.hold("a");
  for (int i = 0; i < 100; ++i) world.join(window, "a").value();
  world.release("a", {.per_second = 20, .at_once = 10});
  for (int i = 0; i < 10; ++i) world.pool.began(window, world.now);
  for (int i = 0; i < 5; ++i) world.pool.ended(window, HoldPool::Passage::kBad, kStart + 10ms);
  EXPECT_EQ(world.failed, 1);
  const auto gone = world.granted.size();
  world.pool.turn(window, kStart + 10s);
  EXPECT_EQ(world.granted.size(), gone);
  EXPECT_NE(world.join(window, "a").value(), 0u);  // newcomers wait, too
}

TEST(HoldPool, KeepsThePlaceOfOneThatIsToComeBack) {
  World world;
  const auto window = world.hold("a");
  world.join(window, "a").value();
  world.release("a");
  world.pool.began(window, world.now);
  EXPECT_TRUE(world.pool.lets_pass(window));
  world.pool.ended(window, HoldPool::Passage::kReturns, world.now);
  EXPECT_FALSE(world.pool.lets_pass(window));
  world.pool.forgo(window, world.now);
  EXPECT_TRUE(world.pool.lets_pass(window));
}

TEST(HoldPool, ServesTheSitesOfAServerInTurn) {
  World world;
  const auto window = world.set({.id = "w", .is_of_server = true, .names = {"f1"}});
  std::vector<HoldTicket> big;
  for (int i = 0; i < 10; ++i) big.push_back(world.join(window, "big").value());
  const auto small = world.join(window, "small").value();
  world.set({.id = "w",
             .is_of_server = true,
             .names = {"f1"},
             .mode = HoldMode::kRelease,
             .server = "f1",
             .before = {.per_second = 1, .at_once = 1}});
  ASSERT_EQ(world.granted.size(), 8u);
  EXPECT_LE(std::find(world.granted.begin(), world.granted.end(), small) - world.granted.begin(), 1);
}

TEST(HoldPool, SharesAServerAmongTheSitesThatAreReleasedTogether) {
  World world({.server_at_once = 20});
  const auto a = world.hold("a");
  const auto b = world.hold("b");
  for (int i = 0; i < 100; ++i) {
    world.join(a, "a").value();
    world.join(b, "b").value();
  }
  world.release("a");
  EXPECT_EQ(world.granted.size(), 20u);
  world.release("b");
  EXPECT_EQ(world.granted.size(), 30u);  // half of what the server takes
}

TEST(HoldPool, CapsTheRequestsOfASite) {
  World world({.per_site = 3});
  const auto a = world.hold("a");
  const auto b = world.hold("b");
  for (int i = 0; i < 3; ++i) world.join(a, "a").value();
  const auto refused = world.join(a, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kHoldFull);
  EXPECT_NE(refused.error().detail.find("holds.per_site: 3"), std::string::npos);
  EXPECT_TRUE(world.join(b, "b"));
}

TEST(HoldPool, CapsTheRequestsOfAServer) {
  World world({.per_server = 3, .reserve = 0});
  const auto a = world.hold("a");
  const auto b = world.hold("b");
  for (int i = 0; i < 3; ++i) world.join(a, "a").value();
  EXPECT_FALSE(world.join(b, "b"));
  EXPECT_TRUE(world.join(b, "b", 0, false, nullptr, 1000, "f2"));
}

TEST(HoldPool, CapsTheRequestsOfAnAddress) {
  World world({.per_address = 2});
  const auto window = world.hold("a");
  const std::array<std::uint8_t, 16> greedy{1};
  const std::array<std::uint8_t, 16> other{2};
  for (int i = 0; i < 2; ++i) world.join(window, "a", 0, false, &greedy).value();
  EXPECT_FALSE(world.join(window, "a", 0, false, &greedy));
  EXPECT_TRUE(world.join(window, "a", 0, false, &other));
  EXPECT_TRUE(world.join(window, "a"));  // not counted
}

TEST(HoldPool, CapsThemAll) {
  World world({.total = 3, .reserve = 0});
  const auto a = world.hold("a");
  for (int i = 0; i < 3; ++i) world.join(a, "a").value();
  EXPECT_FALSE(world.join(a, "a"));
}

TEST(HoldPool, CapsTheirMemory) {
  World world({.memory = 10'000, .reserve = 0});
  const auto a = world.hold("a");
  for (int i = 0; i < 3; ++i) world.join(a, "a", 0, false, nullptr, 3000).value();
  EXPECT_FALSE(world.join(a, "a", 0, false, nullptr, 3000));
  EXPECT_FALSE(world.pool.charge(2000));
  EXPECT_TRUE(world.pool.charge(1000));
  world.pool.refund(1000);
  EXPECT_EQ(world.pool.memory(), 9000u);
}

// KEDA: an uncapped hold of one tenant takes down all others.
TEST(HoldPool, KeepsAReserveForEverySiteInAWindow) {
  World world({.total = 100, .reserve = 10});
  const auto greedy = world.hold("greedy");
  const auto modest = world.hold("modest");
  int taken = 0;
  while (world.join(greedy, "greedy")) ++taken;
  EXPECT_EQ(taken, 90);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(world.join(modest, "modest"));
  EXPECT_FALSE(world.join(modest, "modest"));
}

TEST(HoldPool, GivesBackWhatAnEndedWindowTook) {
  World world;
  const auto window = world.hold("a");
  const std::array<std::uint8_t, 16> address{1};
  for (int i = 0; i < 5; ++i) world.join(window, "a", 0, false, &address).value();
  world.pool.remove("a");
  EXPECT_EQ(world.pool.waiting(), 0u);
  EXPECT_EQ(world.pool.memory(), 0u);
  EXPECT_EQ(world.join(window, "a").value(), 0u);
}

TEST(HoldPool, IsDrainedWhenEveryWorkerIs) {
  World world;
  const auto window = world.hold("a");
  world.pool.drained(window, 0, world.epoch);
  EXPECT_EQ(world.drained, 0u);
  world.pool.drained(window, 0, world.epoch);
  EXPECT_EQ(world.drained, 0u);
  world.pool.drained(window, 1, world.epoch - 1);  // of before
  EXPECT_EQ(world.drained, 0u);
  world.pool.drained(window, 1, world.epoch);
  EXPECT_EQ(world.drained, world.epoch);
}

TEST(HoldPool, RefusesWhoComesToAWindowThatPages) {
  World world;
  const auto window = world.set({.id = "a", .names = {"a"}, .mode = HoldMode::kPage});
  const auto refused = world.join(window, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kHoldPaged);
}

TEST(HoldPool, CountsRightWhateverTheWorkersDoAtOnce) {
  World world;
  const auto window = world.hold("a");
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < 2; ++worker) {
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 400; ++i) {
        const auto ticket = world.join(window, "a", worker).value();
        if (i % 2 == 0) world.pool.leave(window, "a", ticket, HoldOutcome::kClientGone, kStart);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(world.pool.waiting(), 400u);
  EXPECT_EQ(world.pool.memory(), 400u * 1000);
  world.release("a");
  EXPECT_EQ(world.granted.size(), 400u);
  std::sort(world.granted.begin(), world.granted.end());
  EXPECT_EQ(std::unique(world.granted.begin(), world.granted.end()), world.granted.end());
}

}  // namespace
}  // namespace hybridge
