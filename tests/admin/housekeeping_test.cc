#include "admin/housekeeping.h"

#include <gtest/gtest.h>

#include <future>

#include "admin/state_reader.h"
#include "tests/admin/api_world.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds
constexpr std::int64_t kHour = 3'600'000'000;

TEST(Housekeeping, ForgetsWhatIsOldInSmallBites) {
  TemporaryDirectory directory;
  auto store = Store::open(directory.path(), Store::Access::kServe).value();
  const auto reader = StateReader::open(directory.path()).value();
  const auto write_at = [&](std::int64_t hours_ago, int count) {
    for (int i = 0; i < count; ++i) {
      StoreWrite write;
      write.revision = static_cast<std::uint64_t>(reader->highest_job().value()) + 1;
      const auto at = kNow - hours_ago * kHour;
      write.audit = {0, at / 1000, write.revision, "ci", "write", "{}"};
      JobRecord job;
      job.id = static_cast<std::int64_t>(write.revision);
      job.at = at;
      write.jobs = {job};
      write.receipts = {{"ci", std::to_string(write.revision), {}, at / 1'000'000, 200, "", ""}};
      ASSERT_TRUE(store->commit({&write, 1}));
    }
  };
  ASSERT_TRUE(store->database().execute("PRAGMA synchronous = OFF"));
  write_at(100 * 24, static_cast<int>(2 * Housekeeping::kBite + 3));
  write_at(23, 2);

  Executor executor("publisher");
  test::ObedientWorkers workers;
  Publisher publisher(executor, *store, workers, reader->load().value());
  Housekeeping housekeeping(executor, publisher, {}, [] { return kNow; });
  housekeeping.begin();
  // A bite at a time, each behind what others have posted meanwhile.
  for (int bites = 0; bites < 10; ++bites) {
    std::promise<void> turn;
    executor.post([&] { turn.set_value(); });
    turn.get_future().get();
  }
  executor.stop();
  EXPECT_EQ(reader->audit(1000).value().size(), 2U);
  EXPECT_EQ(reader->newest_jobs(1000).value().size(), 2U);
  EXPECT_EQ(store->database().number("SELECT count(*) FROM receipts").value(), 2);
}

}  // namespace
}  // namespace hybridge
