#include "admin/inquiry_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::json_of;
using testing::HasSubstr;

struct InquiryWorld : ApiWorld {
  InquiryWorld() {
    put("/v1/servers/f1", R"({"endpoints":[{"address":"203.0.113.7"}]})");
    put("/v1/sites/acme.test", R"({"server":"f1"})");
  }
};

TEST(InquiryApi, ExplainsARequestWithoutSendingIt) {
  InquiryWorld world;
  const auto answer = world.get("/v1/explain?url=https%3A%2F%2Facme.test%2Fapp");
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(json_of(*answer).at("answer").as_string(), "the server's, with Host acme.test");
  EXPECT_THAT(answer->body(), HasSubstr(R"({"name":"host","value":"acme.test: a site's own name"})"));
}

ExchangeRecord record_of(std::string_view id, int status, Reason reason = Reason::kOk) {
  ExchangeRecord record;
  record.request_id = id;
  record.site = record.host = "acme.test";
  record.method = "GET";
  record.target = "/app?a=\"1\"";
  record.status = status;
  record.reason = reason;
  record.timings.total = 12'345;
  record.bytes_out = 1000;
  return record;
}

TEST(InquiryApi, TellsWhatBecameOfARequest) {
  InquiryWorld world;
  auto record = record_of("0123", 502, Reason::kUpstreamConnectFailed);
  record.detail = "203.0.113.7:80: Connection refused";
  world.recent.keep(record);
  const auto answer = world.get("/v1/requests/0123");
  EXPECT_EQ(answer->status(), 200);
  const auto told = json_of(*answer);
  EXPECT_EQ(told.at("request").at("reason"), "upstream_connect_failed");
  EXPECT_EQ(told.at("request").at("path"), "/app?a=\"1\"");
  EXPECT_EQ(told.at("request").at("ms").at("total").as_double(), 12.345);
  EXPECT_EQ(told.at("why"), "no connection to the server could be made");
  EXPECT_EQ(told.at("detail"), "203.0.113.7:80: Connection refused");
}

TEST(InquiryApi, SaysWhenARequestIsNotRemembered) {
  InquiryWorld world;
  const auto unknown = world.get("/v1/requests/4567");
  EXPECT_EQ(unknown->status(), 404);
  EXPECT_EQ(test::code_of(*unknown), "not_found");
  world.is_turning = false;
  const auto busy = world.get("/v1/requests/4567");
  EXPECT_EQ(busy->status(), 503);
  EXPECT_EQ(test::code_of(*busy), "worker_busy");
}

TEST(InquiryApi, ListsWhatFailedLately) {
  InquiryWorld world;
  world.recent.keep(record_of("served", 200));
  world.recent.keep(record_of("its own 404", 404));
  world.recent.keep(record_of("first", 502, Reason::kUpstreamConnectFailed));
  auto record = record_of("second", 500);
  record.host = "other.test";
  world.recent.keep(record);
  world.recent.keep(record_of("third", 502, Reason::kUpstreamConnectFailed));
  const auto ids = [&](const std::string& query) {
    std::vector<std::string> found;
    const auto answer = json_of(*world.get("/v1/requests" + query));
    for (const auto& each : answer.at("requests").as_array()) {
      found.emplace_back(each.at("request").at("request_id").as_string());
    }
    return found;
  };
  EXPECT_THAT(ids(""), testing::ElementsAre("third", "second", "first"));
  EXPECT_THAT(ids("?host=OTHER.test"), testing::ElementsAre("second"));
  EXPECT_THAT(ids("?reason=upstream_connect_failed"), testing::ElementsAre("third", "first"));
  EXPECT_THAT(ids("?reason=upstream_connect_failed&limit=1"), testing::ElementsAre("third"));
  EXPECT_THAT(ids("?reason=ok&host=acme.test"), testing::IsEmpty());
  EXPECT_EQ(json_of(*world.get("/v1/requests?limit=1")).at("requests").at(0).at("why"),
            "no connection to the server could be made");
  for (const std::string wrong : {"?limit=0", "?limit=1001", "?host=a_b", "?reason=bad_luck", "?since=1"}) {
    EXPECT_EQ(world.get("/v1/requests" + wrong)->status(), 400) << wrong;
  }
  world.is_turning = false;
  EXPECT_EQ(test::code_of(*world.get("/v1/requests")), "worker_busy");
}

TEST(InquiryApi, CountsWhatASiteDoes) {
  InquiryWorld world;
  for (const int status : {200, 200, 404}) world.counters.request_ended(record_of("x", status));
  const auto answer = world.get("/v1/sites/ACME.test/stats");
  EXPECT_EQ(answer->status(), 200);
  EXPECT_EQ(answer->body(),
            R"({"site":"acme.test","requests":3,"by_class":{"none":0,"1xx":0,"2xx":2,"3xx":0,"4xx":1,"5xx":0},)"
            R"("bytes_in":0,"bytes_out":3000,"duration_ms":37})"
            "\n");
  world.put("/v1/sites/new.test", R"({"server":"f1"})");
  EXPECT_EQ(json_of(*world.get("/v1/sites/new.test/stats")).at("requests"), 0);
  EXPECT_EQ(world.get("/v1/sites/none.test/stats")->status(), 404);
  EXPECT_EQ(world.get("/v1/sites/a_b/stats")->status(), 400);
}

TEST(InquiryApi, ExplainsByMethod) {
  InquiryWorld world;
  world.put("/v1/rules/r", R"({"match":{"method":"^POST$"},"deny":{}})");
  EXPECT_EQ(json_of(*world.get("/v1/explain?url=acme.test&method=POST")).at("answer").as_string(), "403 refused");
  EXPECT_NE(json_of(*world.get("/v1/explain?url=acme.test&method=GET")).at("answer").as_string(), "403 refused");
}

TEST(InquiryApi, RefusesWhatIsNoUrl) {
  InquiryWorld world;
  EXPECT_EQ(world.get("/v1/explain?url=ftp://x")->status(), 400);
  EXPECT_EQ(world.get("/v1/explain")->status(), 400);
}

TEST(InquiryApi, TellsWhoChangedWhat) {
  InquiryWorld world;
  const auto newest = json_of(*world.get("/v1/audit")).at("audit").as_array();
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0].at("who").as_string(), "boss");
  EXPECT_EQ(newest[0].at("action").as_string(), "PUT /v1/sites/acme.test");
  EXPECT_EQ(newest[0].at("revision").to_number<int>(), 2);
  EXPECT_EQ(newest[0].at("detail").at("changes").at(0).at("after").at("server").as_string(), "f1");
}

TEST(InquiryApi, GivesTheAuditInPages) {
  InquiryWorld world;
  const auto first = json_of(*world.get("/v1/audit?limit=1"));
  EXPECT_EQ(first.at("audit").as_array().size(), 1U);
  const auto next = std::to_string(first.at("next").to_number<int>());
  const auto second = json_of(*world.get("/v1/audit?limit=1&before=" + next));
  EXPECT_EQ(second.at("audit").at(0).at("action").as_string(), "PUT /v1/servers/f1");
  EXPECT_EQ(second.as_object().if_contains("next"), nullptr);
  EXPECT_EQ(world.get("/v1/audit?limit=0")->status(), 400);
}

}  // namespace
}  // namespace hybridge
