#include "admin/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace hybridge {
namespace {

using testing::ElementsAre;

std::vector<std::string> behind(const EventLog& log, std::uint64_t number, std::size_t most = 100) {
  EventLog::Events events;
  if (!log.read_behind(number, most, events)) return {"not kept"};
  std::vector<std::string> data;
  for (const auto& event : events) data.push_back(event->data);
  return data;
}

std::uint64_t place_of(const EventLog& log, std::uint64_t revision) {
  std::uint64_t number = 0;
  return log.find_revision(revision, number) ? number : 0;
}

TEST(EventLog, GivesWhatIsBehindANumber) {
  EventLog log(7, 100);
  EXPECT_EQ(log.newest(), 99U);
  log.add_revision(EventKind::kChange, 8, "a");
  log.add(EventKind::kHold, "b");
  log.add_revision(EventKind::kCertificate, 9, "c");
  EXPECT_THAT(behind(log, 99), ElementsAre("a", "b", "c"));
  EXPECT_THAT(behind(log, 99, 2), ElementsAre("a", "b"));
  EXPECT_THAT(behind(log, 101), ElementsAre("c"));
  EXPECT_THAT(behind(log, 102), ElementsAre());
  EXPECT_EQ(log.newest(), 102U);
  EXPECT_EQ(log.newest_revision(), 9U);
}

TEST(EventLog, KnowsNoNumbersOfAnotherRun) {
  EventLog log(7, 100);
  EXPECT_THAT(behind(log, 50), ElementsAre("not kept"));
  EXPECT_THAT(behind(log, 100), ElementsAre("not kept"));
}

TEST(EventLog, FindsWhereARevisionEnds) {
  EventLog log(7, 100);
  EXPECT_EQ(place_of(log, 7), 99U);
  log.add(EventKind::kHealth, "under 7");
  log.add_revision(EventKind::kChange, 8, "8");
  log.add(EventKind::kHold, "under 8");
  EXPECT_THAT(behind(log, place_of(log, 7)), ElementsAre("under 7", "8", "under 8"));
  EXPECT_THAT(behind(log, place_of(log, 8)), ElementsAre("under 8"));
  EXPECT_EQ(place_of(log, 6), 0U) << "older than the log";
  EXPECT_EQ(place_of(log, 9), 0U) << "not yet there";
}

TEST(EventLog, GoesOnBehindAWriteOfWhichNothingIsTold) {
  EventLog log(7, 100);
  log.advance_to(8);
  EXPECT_EQ(log.newest_revision(), 8U);
  EXPECT_EQ(place_of(log, 8), 99U);
}

TEST(EventLog, KeepsSoManyEventsAndSoManyBytes) {
  EventLog log(0, 1, {.events = 3, .bytes = 100});
  for (int i = 1; i <= 5; ++i) log.add_revision(EventKind::kChange, static_cast<std::uint64_t>(i), std::to_string(i));
  EXPECT_THAT(behind(log, 2), ElementsAre("3", "4", "5"));
  EXPECT_THAT(behind(log, 1), ElementsAre("not kept"));
  EXPECT_EQ(place_of(log, 2), 2U);
  EXPECT_EQ(place_of(log, 1), 0U);
  log.add(EventKind::kHold, std::string(99, 'x'));
  EXPECT_THAT(behind(log, 4), ElementsAre("5", std::string(99, 'x')));
  log.add(EventKind::kHold, std::string(200, 'y'));
  EXPECT_THAT(behind(log, 6), ElementsAre(std::string(200, 'y'))) << "the newest is kept, whatever its size";
}

TEST(EventLog, WakesWhoWaitsOnce) {
  EventLog log(0, 1);
  int woken = 0;
  log.await(0, [&] { ++woken; });
  const auto forgotten = log.await(0, [&] { woken += 100; });
  log.forget(forgotten);
  EXPECT_EQ(woken, 0);
  log.add(EventKind::kHold, "a");
  log.add(EventKind::kHold, "b");
  EXPECT_EQ(woken, 1);
  log.await(0, [&] { ++woken; });
  EXPECT_EQ(woken, 2) << "there is something already";
}

TEST(EventLog, TakesEventsFromManyThreadsInOneOrder) {
  EventLog log(0, 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) log.add(EventKind::kHealth, "x");
    });
  }
  std::uint64_t seen = 0;
  while (seen < 2000) {
    EventLog::Events events;
    ASSERT_TRUE(log.read_behind(seen, 50, events));
    for (const auto& event : events) ASSERT_EQ(event->number, ++seen);
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace hybridge
