// The promise about the rate of changes: writes that are under way together share their commits, so that a thousand a
// second are durable, each before it is answered.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>

#include "admin/publisher.h"
#include "tests/admin/api_world.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

class DurableChanges {
 public:
  static constexpr int kChanges = 3000;
  static constexpr int kUnderWay = 64;  // as many calls as so many clients have open

  // How long all of them take, each next one begun by the end of another.
  std::chrono::duration<double> take() {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kUnderWay; ++i) next();
    done_.wait();
    return std::chrono::steady_clock::now() - begin;
  }
  ~DurableChanges() { executor_.stop(); }

  std::string directory() { return directory_.path(); }

 private:
  void next() {
    const int number = begun_++;
    if (number >= kChanges) return;
    Write write;
    write.plan = [number](const Tip&) {
      Plan plan;
      plan.changes = {put("h" + std::to_string(number % 500) + ".test",
                          Host{"", "r" + std::to_string(number) + ".test", false, false})};
      return plan;
    };
    publisher_.submit(std::move(write), [this](const Outcome& outcome) {
      EXPECT_TRUE(outcome.kind == Outcome::Kind::kAccepted && outcome.durable && outcome.live);
      done_.count_down();
      next();
    });
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_ = Store::open(directory_.path(), Store::Access::kServe).value();
  test::ObedientWorkers workers_;
  std::atomic<int> begun_{0};
  std::latch done_{kChanges};
  Executor executor_{"publisher"};
  Publisher publisher_{executor_, *store_, workers_, StateReader::open(directory_.path()).value()->load().value()};
};

TEST(Durability, HoldsForAThousandChangesASecond) {
  DurableChanges changes;
  const auto took = changes.take().count();
  RecordProperty("changes_a_second", static_cast<int>(DurableChanges::kChanges / took));
  EXPECT_LT(took, 3.0 * 5) << "3 s, and room for a machine that does other things too";
  const auto reader = StateReader::open(changes.directory()).value();
  EXPECT_EQ(reader->load().value().revision, DurableChanges::kChanges);
  EXPECT_EQ(reader->audit(5000).value().size(), std::size_t{DurableChanges::kChanges});
}

}  // namespace
}  // namespace hybridge
