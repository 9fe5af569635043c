#include "admin/quarantine.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

TEST(Quarantine, KeepsARecordUntilItIsWrittenAnew) {
  Quarantine quarantine;
  quarantine.add({"hosts[\"bad.test\"].site", "must be a string"});
  quarantine.add({"hosts[\"bad.test\"].redirect", "must be a string"});
  quarantine.add({"hosts[\"bad.test.more\"]", "is not JSON"});
  quarantine.add_certificate("c.test", "the key does not fit");
  EXPECT_EQ(quarantine.count(), 4U);
  EXPECT_EQ(quarantine.first(1).at(0), (Fault{"certificates[\"c.test\"]", "the key does not fit"}));

  StoreWrite write;
  write.changes = {put("bad.test", Host{"a.test", "", false, false}), deletion(Change::Kind::kSite, "bad.test.more")};
  quarantine.heal(write);
  ASSERT_EQ(quarantine.count(), 2U);
  EXPECT_EQ(quarantine.first(9).at(1).path, "hosts[\"bad.test.more\"]");

  StoreWrite renewal;
  renewal.certificates.emplace_back().facts.host = "c.test";
  quarantine.heal(renewal);
  EXPECT_EQ(quarantine.count(), 1U);
}

}  // namespace
}  // namespace hybridge
