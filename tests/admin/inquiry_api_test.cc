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
