#include "admin/traffic_history.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

namespace hybridge {
namespace {

using namespace std::chrono_literals;

struct World {
  void look(std::uint64_t requests, std::uint64_t errors, Duration passed = 1s) {
    now += passed;
    history.look({requests, errors}, now);
  }
  TrafficHistory::Totals last(std::size_t back = 0) const {
    return history.seconds()[TrafficHistory::kSeconds - 1 - back];
  }

  TrafficHistory history;
  TimePoint now = TimePoint{} + 1h;
};

using Totals = TrafficHistory::Totals;

TEST(TrafficHistory, TellsWhatEachSecondHad) {
  World world;
  world.look(1000, 7);
  EXPECT_EQ(world.last(), (Totals{0, 0})) << "what was before is not of this minute";
  world.look(1010, 7);
  world.look(1030, 9, 1004ms);
  EXPECT_EQ(world.last(), (Totals{20, 2}));
  EXPECT_EQ(world.last(1), (Totals{10, 0}));
  EXPECT_EQ(world.last(2), (Totals{0, 0}));
}

TEST(TrafficHistory, ForgetsWhatIsOlderThanAMinute) {
  World world;
  world.look(0, 0);
  world.look(500, 5);
  for (std::size_t i = 0; i < TrafficHistory::kSeconds - 1; ++i) world.look(500, 5);
  EXPECT_EQ(world.history.seconds().front(), (Totals{500, 5}));
  world.look(500, 5);
  EXPECT_EQ(world.history.seconds().front(), (Totals{0, 0}));
}

TEST(TrafficHistory, SpreadsALateLookAndLosesNothing) {
  World world;
  world.look(0, 0);
  world.look(32, 4, 3s);
  EXPECT_EQ(world.last(), (Totals{10, 1}));
  EXPECT_EQ(world.last(1), (Totals{10, 1}));
  EXPECT_EQ(world.last(2), (Totals{12, 2}));
  EXPECT_EQ(world.last(3), (Totals{0, 0}));
}

TEST(TrafficHistory, KeepsASecondTogetherWhenLookedAtTwice) {
  World world;
  world.look(0, 0);
  world.look(5, 0, 300ms);
  world.look(9, 0, 700ms);
  EXPECT_EQ(world.last(), (Totals{9, 0}));
  EXPECT_EQ(world.last(1), (Totals{0, 0}));
}

TEST(TrafficHistory, SurvivesAnHourOfSleep) {
  World world;
  world.look(0, 0);
  world.look(7200, 0, 1h);
  EXPECT_EQ(world.last(), (Totals{2, 0}));
  EXPECT_EQ(world.history.seconds().front(), (Totals{2, 0}));
}

TEST(TrafficHistory, CountsErrorsOfOursAndOfServers) {
  const auto first = std::make_unique<WorkerCounters>();
  const auto second = std::make_unique<WorkerCounters>();
  const auto end = [](WorkerCounters& worker, int status, Reason reason) {
    ExchangeRecord record;
    record.status = status;
    record.reason = reason;
    worker.request_began();
    worker.request_ended(record);
  };
  end(*first, 200, Reason::kOk);
  end(*first, 404, Reason::kOk);
  end(*first, 500, Reason::kOk);
  end(*second, 502, Reason::kUpstreamConnectFailed);
  end(*second, 200, Reason::kUpstreamTruncated);
  end(*second, 0, Reason::kClientGone);
  EXPECT_EQ(TrafficHistory::totals_of({first.get(), second.get()}), (Totals{6, 3}));
}

}  // namespace
}  // namespace hybridge
