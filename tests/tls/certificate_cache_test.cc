#include "tls/certificate_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/test_certificates.h"

namespace hybridge {
namespace {

// A store of certificates that counts its reads, and an executor that runs when it is told to.
class CertificateCacheTest : public testing::Test {
 protected:
  CertificateCache make(CertificateCache::Limits limits) {
    return CertificateCache(
        [this](const std::string& name) -> Result<PemPairs> {
          ++reads_[name];
          if (name.starts_with("broken")) return PemPairs{{"no chain", "no key"}};
          if (name.starts_with("missing")) return make_error(Reason::kNotFound, "not in the store");
          return PemPairs{pair_};
        },
        [this](std::function<void()> work) { work_.push_back(std::move(work)); }, limits,
        [this](const std::string& name, const Error& error) { failures_.push_back(name + ": " + error.detail); });
  }

  // "hit", "loading" or "refused"; what is loaded later goes to `told_`.
  std::string ask(CertificateCache& cache, const std::string& name, std::uint64_t version = 1) {
    bool begun = false;
    const auto found = cache.find_or_load(
        name, version,
        [this](std::shared_ptr<const CachedCertificate> certificate) {
          told_.push_back(certificate ? certificate->name() : "nothing");
        },
        begun);
    return found ? "hit" : begun ? "loading" : "refused";
  }

  void run() {
    while (!work_.empty()) {
      auto work = std::exchange(work_, {});
      for (auto& each : work) each();
    }
  }

  const PemPair pair_ = test::TestAuthority().issue({.names = {"a.example"}});
  const std::size_t size_ = parse_certificate({pair_}).value()->memory();
  std::map<std::string, int> reads_;
  std::vector<std::function<void()>> work_;
  std::vector<std::string> told_;
  std::vector<std::string> failures_;
};

TEST_F(CertificateCacheTest, LoadsAtFirstUseAndThenHasIt) {
  auto cache = make({});
  EXPECT_EQ(ask(cache, "a.example"), "loading");
  EXPECT_TRUE(told_.empty());
  run();
  EXPECT_EQ(told_, std::vector<std::string>{"a.example"});
  EXPECT_EQ(ask(cache, "a.example"), "hit");
  EXPECT_EQ(reads_["a.example"], 1);
  EXPECT_EQ(cache.counts().certificates, 1u);
  EXPECT_EQ(cache.counts().bytes, size_);
}

TEST_F(CertificateCacheTest, LoadsOnceForAllWhoAskMeanwhile) {
  auto cache = make({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(cache, "a.example"), "loading");
  EXPECT_EQ(cache.counts().loading, 1u);
  run();
  EXPECT_EQ(told_.size(), 5u);
  EXPECT_EQ(reads_["a.example"], 1);
  EXPECT_EQ(cache.counts().loading, 0u);
}

TEST_F(CertificateCacheTest, NeverGivesAnotherVersion) {
  auto cache = make({});
  ask(cache, "a.example", 1);
  run();
  EXPECT_EQ(ask(cache, "a.example", 2), "loading");
  run();
  EXPECT_EQ(ask(cache, "a.example", 2), "hit");
  EXPECT_EQ(reads_["a.example"], 2);
}

TEST_F(CertificateCacheTest, SaysWhatCannotBeLoadedAndTriesAgainNextTime) {
  auto cache = make({});
  ask(cache, "missing.example");
  ask(cache, "broken.example");
  run();
  EXPECT_EQ(told_, (std::vector<std::string>{"nothing", "nothing"}));
  ASSERT_EQ(failures_.size(), 2u);
  EXPECT_EQ(failures_[0], "missing.example: not in the store");
  EXPECT_TRUE(failures_[1].starts_with("broken.example: the chain has no")) << failures_[1];
  EXPECT_EQ(cache.counts().failures, 2u);
  EXPECT_EQ(ask(cache, "missing.example"), "loading");
}

TEST_F(CertificateCacheTest, RefusesMoreLoadsThanItsBound) {
  auto cache = make({.loads = 2});
  EXPECT_EQ(ask(cache, "a.example"), "loading");
  EXPECT_EQ(ask(cache, "b.example"), "loading");
  EXPECT_EQ(ask(cache, "c.example"), "refused");
  EXPECT_EQ(ask(cache, "a.example"), "loading");  // no load of its own
  EXPECT_EQ(cache.counts().refused, 1u);
  run();
  EXPECT_EQ(ask(cache, "c.example"), "loading");
  EXPECT_EQ(told_.size(), 3u);
}

TEST_F(CertificateCacheTest, KeepsWithinItsMemory) {
  auto cache = make({.bytes = 10 * size_});
  for (int i = 0; i < 100; ++i) ask(cache, std::to_string(i));
  run();
  EXPECT_EQ(cache.counts().certificates, 10u);
  EXPECT_LE(cache.counts().bytes, 10 * size_);
  EXPECT_EQ(cache.counts().evictions, 90u);
}

TEST_F(CertificateCacheTest, KeepsWhatIsUsedThroughAScan) {
  auto cache = make({.bytes = 30 * size_});
  const auto use_hot_ones = [&] {
    for (int i = 0; i < 15; ++i) ask(cache, "hot" + std::to_string(i));
    run();
  };
  for (int round = 0; round < 4; ++round) use_hot_ones();
  for (int i = 0; i < 600; ++i) {
    ask(cache, "scan" + std::to_string(i));
    run();
    if (i % 100 == 0) use_hot_ones();
  }
  for (int i = 0; i < 15; ++i) EXPECT_EQ(reads_["hot" + std::to_string(i)], 1) << i;
}

TEST_F(CertificateCacheTest, LearnsOfUsesThatWorkersTell) {
  auto cache = make({.bytes = 20 * size_});
  std::shared_ptr<const CachedCertificate> held;
  bool begun = false;
  cache.find_or_load(
      "hot", 1, [&](std::shared_ptr<const CachedCertificate> loaded) { held = std::move(loaded); }, begun);
  run();
  for (int i = 0; i < 200; ++i) {
    held->used();  // as a worker does that has it at hand and does not ask
    ask(cache, "scan" + std::to_string(i));
    run();
  }
  EXPECT_EQ(ask(cache, "hot"), "hit");
}

TEST_F(CertificateCacheTest, LetsWhatComesBackSoonIntoTheMainQueue) {
  auto cache = make({.bytes = 10 * size_});
  for (int i = 0; i < 11; ++i) ask(cache, std::to_string(i));
  run();
  ask(cache, "0");  // pushed out just now: its ghost is remembered
  run();
  for (int i = 20; i < 28; ++i) ask(cache, std::to_string(i));
  run();
  EXPECT_EQ(ask(cache, "0"), "hit");
}

TEST_F(CertificateCacheTest, ServesManyThreadsAtOnce) {
  std::atomic<int> reads = 0;
  std::atomic<int> told = 0;
  std::vector<std::jthread> loaders;
  std::mutex mutex;
  CertificateCache cache(
      [&](const std::string&) -> Result<PemPairs> {
        ++reads;
        return PemPairs{pair_};
      },
      [&](std::function<void()> work) {
        const std::lock_guard lock(mutex);
        loaders.emplace_back(std::move(work));
      },
      {.bytes = 5 * size_});
  int asked = 0;
  {
    std::vector<std::jthread> workers;
    std::atomic<int> waits = 0;
    for (int worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        for (int i = 0; i < 100; ++i) {
          bool begun = false;
          const auto found = cache.find_or_load(
              std::to_string((i * 7 + worker) % 10), 1,
              [&](const std::shared_ptr<const CachedCertificate>& certificate) { told += certificate ? 1 : 0; }, begun);
          if (found) {
            found->used();
          } else {
            ++waits;
          }
        }
      });
    }
    workers.clear();
    asked = waits;
  }
  for (;;) {
    std::vector<std::jthread> ended;
    const std::lock_guard lock(mutex);
    if (loaders.empty()) break;
    ended.swap(loaders);
  }
  EXPECT_EQ(told, asked);
  EXPECT_EQ(cache.counts().loads, static_cast<std::uint64_t>(reads));
  EXPECT_LE(cache.counts().certificates, 5u);
}

}  // namespace
}  // namespace hybridge
