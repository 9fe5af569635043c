#include "admin/salvage.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "admin/state_reader.h"
#include "admin/store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kPage = 4096;
constexpr int kSites = 1200;

std::string name_of(int number) {
  return "s" + std::to_string(10'000 + number) + ".test";
}

Result<void> commit(Store& store, std::uint64_t revision, std::vector<Change> changes,
                    std::vector<CertificateRecord> certificates = {}) {
  StoreWrite write;
  write.revision = revision;
  write.changes = std::move(changes);
  write.certificates = std::move(certificates);
  write.audit = {0, 1'700'000'000'000, revision, "ci", "PATCH /v1/snapshot", "{}"};
  return store.commit({&write, 1});
}

CertificateRecord certificate(const std::string& host) {
  CertificateRecord record;
  record.facts = {host, 0, true, {host}, {"EC"}, "abcd", "CN=Test", 1'700'000'000, 1'800'000'000};
  record.pairs = {{std::string(1500, 'c'), std::string(500, 'k')}};
  return record;
}

// As much as fills a hundred pages, on disk whole.
class SalvageTest : public testing::Test {
 protected:
  SalvageTest() {
    auto store = Store::open(origin_.path(), Store::Access::kServe).value();
    Server server;
    server.name = "f1.test";
    server.endpoints = {{"203.0.113.7", 80, 1}};
    std::vector<Change> changes = {put(std::move(server))};
    std::vector<CertificateRecord> certificates;
    for (int i = 0; i < kSites; ++i) {
      changes.push_back(put(name_of(i), Site{"f1.test", SiteStatus::kActive, true}));
      changes.push_back(put("www." + name_of(i), Host{name_of(i), "", false, false}));
      if (i % 40 == 0) certificates.push_back(certificate(name_of(i)));
    }
    EXPECT_TRUE(commit(*store, 1, std::move(changes), std::move(certificates)));
    for (std::uint64_t revision = 2; revision < 40; ++revision) EXPECT_TRUE(commit(*store, revision, {}));
    store.reset();
    pages_ = fs::file_size(origin_ / "state.db") / kPage;
  }

  // A copy with other bytes on those pages, which count from 0.
  void damage(const TemporaryDirectory& directory, const std::vector<std::size_t>& pages, char byte) const {
    fs::copy_file(origin_ / "state.db", directory / "state.db", fs::copy_options::overwrite_existing);
    std::fstream file(directory / "state.db", std::ios::in | std::ios::out | std::ios::binary);
    for (const auto page : pages) {
      file.seekp(static_cast<std::streamoff>(page * kPage));
      file << std::string(kPage, byte);
    }
  }

  static LoadedState load(const TemporaryDirectory& directory) {
    return StateReader::open(directory.path()).value()->load().value();
  }

  // Nothing is there that was not written.
  static void expect_a_part(const LoadedState& state) {
    std::size_t sites = 0;
    std::size_t hosts = 0;
    for (int i = 0; i < kSites; ++i) {
      sites += state.snapshot.has_site(name_of(i)) ? 1 : 0;
      hosts += state.snapshot.host("www." + name_of(i)) ? 1 : 0;
    }
    EXPECT_EQ(state.snapshot.site_count(), sites);
    EXPECT_EQ(state.snapshot.host_count(), hosts);
    if (sites < kSites || hosts < kSites || state.snapshot.server_count() == 0) {
      EXPECT_FALSE(state.quarantined.empty());
    }
  }

  TemporaryDirectory origin_;
  std::size_t pages_ = 0;
};

TEST_F(SalvageTest, WhateverPageIsDestroyedTheRestServes) {
  ASSERT_GT(pages_, 60U);  // several of each large table
  std::size_t most_lost = 0;
  for (std::size_t page = 1; page < pages_; ++page) {
    SCOPED_TRACE("page " + std::to_string(page));
    TemporaryDirectory directory;
    damage(directory, {page}, page % 2 == 0 ? '\0' : '\xee');
    auto store = Store::open(directory.path(), Store::Access::kServe);
    ASSERT_TRUE(store) << store.error().detail;
    const auto state = load(directory);
    expect_a_part(state);
    if (state.snapshot.site_count() > 0) most_lost = std::max(most_lost, kSites - state.snapshot.site_count());
    // What is not read at a start is found when it is written to, and mended by the next one.
    const auto put_all = [&] {
      std::vector<CertificateRecord> certificates;
      for (int i = 0; i < kSites; i += 40) certificates.push_back(certificate(name_of(i)));
      return commit(**store, state.revision + 1, {put("new.test", Site{"f1.test", SiteStatus::kActive, true})},
                    std::move(certificates));
    };
    if (const auto put = put_all(); !put) {
      EXPECT_EQ(put.error().reason, Reason::kInvalid) << put.error().detail;
      EXPECT_TRUE(is_suspected(directory.path()));
      store->reset();
      store = Store::open(directory.path(), Store::Access::kServe);
      ASSERT_TRUE(store) << store.error().detail;
      EXPECT_FALSE(is_suspected(directory.path()));
      EXPECT_TRUE(put_all());
    }
    EXPECT_TRUE(load(directory).snapshot.has_site("new.test"));
  }
  // A leaf has about sixty.
  EXPECT_GT(most_lost, 0U);
  EXPECT_LT(most_lost, 150U);
}

TEST_F(SalvageTest, KeepsWhatLiesBetweenDamagedPages) {
  TemporaryDirectory directory;
  std::vector<std::size_t> every_fifth;
  for (std::size_t page = 30; page < pages_; page += 5) every_fifth.push_back(page);
  damage(directory, every_fifth, '\0');
  ASSERT_TRUE(Store::open(directory.path(), Store::Access::kServe));
  const auto state = load(directory);
  expect_a_part(state);
  EXPECT_GT(state.snapshot.site_count() + state.snapshot.host_count(), std::size_t{kSites});
  EXPECT_LT(state.snapshot.site_count() + state.snapshot.host_count(), std::size_t{2 * kSites});
  EXPECT_TRUE(StateReader::open(directory.path()).value()->check_integrity());
  // Nobody has seen this table, whatever revision he knows.
  EXPECT_EQ(state.revision, 40U);
  EXPECT_EQ(state.snapshot.revision(), 40U);
}

TEST_F(SalvageTest, TellsWhatIsMissingUntilItsListIsRemoved) {
  TemporaryDirectory directory;
  damage(directory, {pages_ / 2}, '\0');
  Store::open(directory.path(), Store::Access::kServe).value().reset();
  Store::open(directory.path(), Store::Access::kServe).value().reset();
  const auto state = load(directory);
  ASSERT_EQ(state.quarantined.count(), 1U);
  const auto fault = state.quarantined.kept().front();
  EXPECT_THAT(fault.message, testing::MatchesRegex("what was between .* and .* could not be read: push it anew, then "
                                                   "remove state.db.damaged-.*Z.missing"));
  std::size_t kept = 0;
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    const auto file = entry.path().filename().string();
    if (!file.starts_with("state.db.damaged-")) continue;
    EXPECT_EQ(fs::status(entry.path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    fs::remove(entry.path());
    ++kept;
  }
  EXPECT_EQ(kept, 2U);  // the file, and the list
  EXPECT_TRUE(load(directory).quarantined.empty());
}

TEST_F(SalvageTest, RefusesWhatHasNothingToServe) {
  for (const std::size_t first : {0, 1}) {
    TemporaryDirectory directory;
    std::vector<std::size_t> pages;
    for (std::size_t page = first; page < pages_; ++page) pages.push_back(page);
    damage(directory, pages, '\xee');
    const auto refused = Store::open(directory.path(), Store::Access::kServe);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, Reason::kInvalid);
    EXPECT_THAT(refused.error().detail, HasSubstr("put a copy made by `hybridge backup` in its place"));
    EXPECT_EQ(fs::file_size(directory / "state.db"), pages_ * kPage);
    for (const auto& entry : fs::directory_iterator(directory.path())) {
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("damaged")));
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("salvage")));
    }
  }
}

TEST_F(SalvageTest, LeavesTheFileToWhoHandsItsLockDown) {
  TemporaryDirectory directory;
  damage(directory, {pages_ / 2}, '\0');
  const auto refused =
      Store::open(directory.path(), Store::Access::kServe, Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kInvalid);
}

}  // namespace
}  // namespace hybridge
