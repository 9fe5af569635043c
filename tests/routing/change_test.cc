#include "routing/change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/snapshot_json.h"

namespace hybridge {
namespace {

using Kind = Change::Kind;
using testing::IsEmpty;

Snapshot table(std::string_view text) {
  auto read = read_snapshot(text);
  EXPECT_TRUE(read.faults.empty());
  return read.snapshot;
}

constexpr std::string_view kTable = R"({
  "servers": {"f1": {"endpoints": [{"address": "203.0.113.7"}]}, "f2": {"endpoints": [{"address": "203.0.113.8"}]}},
  "sites": {"acme.test": {"server": "f1"}, "beta.test": {"server": "f2"}},
  "hosts": {"erp.acme.com": {"site": "acme.test"}, "*.test": {}}})";

TEST(Difference, OfEqualTablesIsNothing) {
  EXPECT_THAT(difference(table(kTable), table(kTable).with_revision(9)), IsEmpty());
}

TEST(Difference, NamesWhatWasPutAndDeleted) {
  const auto from = table(kTable);
  const auto to =
      from.without_server("f2").with_site("acme.test", {"f1", SiteStatus::kSuspended, true}).without_host("*.test");
  const auto changes = difference(from, to);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].name, "acme.test");
  EXPECT_EQ(value_of(changes[0]), R"({"server":"f1","status":"suspended"})");
  EXPECT_EQ(changes[1].kind, Kind::kServer);
  EXPECT_TRUE(changes[1].is_deletion());
  EXPECT_EQ(changes[2].name, "*.test");
  EXPECT_EQ(value_of(changes[2]), std::nullopt);
}

TEST(Difference, AppliedMakesTheOtherTable) {
  const auto from = table(kTable);
  const auto to = table(R"({"servers": {"f3": {"endpoints": [{"address": "203.0.113.9"}]}},
                            "sites": {"acme.test": {"server": "f3"}}, "hosts": {"www.acme.com": {"site": "acme.test"}}})");
  const auto made = apply(from, difference(from, to), 5);
  EXPECT_EQ(write_snapshot(made), write_snapshot(to));
  EXPECT_EQ(made.revision(), 5U);
}

TEST(Apply, KeepsTheObjectsOfServersThatDidNotChange) {
  const auto from = table(kTable);
  const auto made = apply(from, difference(from, table(kTable).without_site("beta.test")), 2);
  EXPECT_EQ(made.server("f1"), from.server("f1"));
}

TEST(ValueOf, ShowsWhatASnapshotHas) {
  const auto snapshot = table(kTable);
  EXPECT_EQ(value_of(snapshot, Kind::kServer, "f1"), R"({"endpoints":[{"address":"203.0.113.7"}]})");
  EXPECT_EQ(value_of(snapshot, Kind::kSite, "acme.test"), R"({"server":"f1"})");
  EXPECT_EQ(value_of(snapshot, Kind::kHost, "*.test"), "{}");
  EXPECT_EQ(value_of(snapshot, Kind::kHost, "nowhere"), std::nullopt);
  EXPECT_EQ(value_of(snapshot, Kind::kSite, "nowhere"), std::nullopt);
  EXPECT_EQ(value_of(snapshot, Kind::kServer, "nowhere"), std::nullopt);
}

TEST(RedirectRings, AreFoundAfterFewChangesAsAfterMany) {
  for (const int others : {0, 200}) {
    std::vector<Change> changes;
    for (int i = 0; i < others; ++i)
      changes.push_back(put("h" + std::to_string(i), Host{"acme.test", "", false, false}));
    changes.push_back(put("a.example", Host{"", "b.example", false, false}));
    changes.push_back(put("b.example", Host{"", "a.example", false, false}));
    Faults faults;
    find_faults_after(apply(table(kTable), changes, 2), changes, faults);
    EXPECT_GE(faults.count(), 1U) << others;
  }
}

}  // namespace
}  // namespace hybridge
