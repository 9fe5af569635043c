#include "proxy/recent_requests.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace hybridge {
namespace {

ExchangeRecord record_of(std::string_view id, int status = 200, Reason reason = Reason::kOk) {
  ExchangeRecord record;
  record.request_id = id;
  record.site = "acme.test";
  record.host = "erp.acme.test";
  record.target = "/app";
  record.status = status;
  record.reason = reason;
  return record;
}

TEST(RecentRequests, FindsARequestByItsId) {
  RecentRequests recent;
  {
    const std::string gone_soon = "00000000000000000000000000000001";
    auto record = record_of(gone_soon, 201);
    record.detail = "why";
    record.timings.total = 7;
    recent.keep(record);
  }
  const auto* found = recent.find("00000000000000000000000000000001");
  ASSERT_TRUE(found);
  const auto record = found->record();
  EXPECT_EQ(record.request_id, "00000000000000000000000000000001");
  EXPECT_EQ(record.site, "acme.test");
  EXPECT_EQ(record.host, "erp.acme.test");
  EXPECT_EQ(record.target, "/app");
  EXPECT_EQ(record.detail, "why");
  EXPECT_EQ(record.method, "");
  EXPECT_EQ(record.status, 201);
  EXPECT_EQ(record.timings.total, 7);
  EXPECT_FALSE(recent.find("00000000000000000000000000000002"));
}

TEST(RecentRequests, ForgetsTheOldest) {
  RecentRequests recent;
  for (std::size_t i = 0; i <= RecentRequests::kRequests; ++i) recent.keep(record_of(std::to_string(i)));
  EXPECT_FALSE(recent.find("0"));
  EXPECT_TRUE(recent.find("1"));
  EXPECT_TRUE(recent.find(std::to_string(RecentRequests::kRequests)));
}

TEST(RecentRequests, RemembersFailuresForLonger) {
  RecentRequests recent;
  recent.keep(record_of("refused", 404));
  recent.keep(record_of("broken", 0, Reason::kUpstreamTruncated));
  recent.keep(record_of("left", 200, Reason::kClientGone));
  for (std::size_t i = 0; i < 2 * RecentRequests::kRequests; ++i) recent.keep(record_of(std::to_string(i)));
  for (const auto* id : {"refused", "broken", "left"}) EXPECT_TRUE(recent.find(id)) << id;
}

TEST(RecentRequests, ListsWhatFailedLastAndNoOrdinary404) {
  RecentRequests recent;
  for (std::size_t i = 0; i < 2 * RecentRequests::kFailures; ++i) recent.keep(record_of("old", 502));
  recent.keep(record_of("the site's own", 404));
  recent.keep(record_of("first", 500));
  recent.keep(record_of("served"));
  recent.keep(record_of("second", 402, Reason::kSuspended));
  recent.keep(record_of("third", 200, Reason::kClientGone));
  std::vector<std::string> ids;
  for (const auto& each : recent.failures(4)) ids.emplace_back(each.record().request_id);
  EXPECT_EQ(ids, (std::vector<std::string>{"third", "second", "first", "old"}));
  EXPECT_EQ(recent.failures(5000).size(), RecentRequests::kFailures - 1) << "those that are kept, but the 404";
  EXPECT_TRUE(RecentRequests().failures(10).empty());
}

TEST(RecentRequests, CutsWhatIsLong) {
  RecentRequests recent;
  const std::string long_text(5000, 'x');
  auto record = record_of("id");
  record.site = record.host = record.target = record.server = record.detail = record.rule = record.user_agent =
      long_text;
  recent.keep(record);
  const auto kept = recent.find("id")->record();
  EXPECT_EQ(kept.site, long_text.substr(0, 100));
  EXPECT_LE(kept.target.size(), 160U);
  EXPECT_EQ(kept.user_agent, "") << "not remembered";
}

}  // namespace
}  // namespace hybridge
