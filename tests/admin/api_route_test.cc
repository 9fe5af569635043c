#include "admin/api_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hybridge {
namespace {

using http::Method;
using testing::ElementsAre;

std::vector<ApiRoute> routes() {
  std::vector<ApiRoute> made;
  made.push_back({.pattern = "/"});
  made.push_back({.pattern = "/v1/things"});
  made.push_back({.pattern = "/v1/things/{name}"});
  made.push_back({.method = Method::kPut, .pattern = "/v1/things/{name}"});
  made.push_back({.method = Method::kPost, .pattern = "/v1/things/{name}/parts/{part}"});
  return made;
}

int refusal(Method method, std::string_view path) {
  const auto table = routes();
  const auto match = match_route(table, method, path);
  return match.route ? 0 : match.refusal.status;
}

TEST(ApiRoute, IsFoundByMethodAndPath) {
  const auto table = routes();
  EXPECT_EQ(match_route(table, Method::kGet, "/").route, &table[0]);
  EXPECT_EQ(match_route(table, Method::kGet, "/v1/things").route, &table[1]);
  EXPECT_EQ(match_route(table, Method::kGet, "/v1/things/x").route, &table[2]);
  EXPECT_EQ(match_route(table, Method::kHead, "/v1/things/x").route, &table[2]);
  EXPECT_EQ(match_route(table, Method::kPut, "/v1/things/x").route, &table[3]);
}

TEST(ApiRoute, GivesParametersDecoded) {
  const auto table = routes();
  EXPECT_THAT(match_route(table, Method::kPost, "/v1/things/%2A.example.com/parts/a%2fb+c").parameters,
              ElementsAre("*.example.com", "a/b+c"));
}

TEST(ApiRoute, RefusesOtherPathsAndMethods) {
  EXPECT_EQ(refusal(Method::kGet, "/v1"), 404);
  EXPECT_EQ(refusal(Method::kGet, "/v1/things/"), 404);
  EXPECT_EQ(refusal(Method::kGet, "/v1/things/x/y"), 404);
  EXPECT_EQ(refusal(Method::kGet, "//v1/things"), 404);
  EXPECT_EQ(refusal(Method::kGet, "*"), 404);
  EXPECT_EQ(refusal(Method::kGet, ""), 404);
  EXPECT_EQ(refusal(Method::kDelete, "/v1/things/x"), 405);
  EXPECT_EQ(refusal(Method::kOther, "/v1/things/x"), 405);
  for (const char* path : {"/v1/things/%", "/v1/things/%4", "/v1/things/%zz"}) {
    EXPECT_EQ(refusal(Method::kGet, path), 400) << path;
  }
}

TEST(ApiRoute, SaysWhichMethodsThereAre) {
  const auto table = routes();
  const auto match = match_route(table, Method::kDelete, "/v1/things/x");
  EXPECT_THAT(match.refusal.headers, ElementsAre(std::pair<std::string, std::string>("Allow", "GET, HEAD, PUT")));
}

TEST(ApiQuery, IsDecoded) {
  std::map<std::string, std::string, std::less<>> query;
  EXPECT_TRUE(parse_query("a=1&b&c=x%20y+z&&a=2", query));
  EXPECT_EQ(query.size(), 3U);
  EXPECT_EQ(query["a"], "2");
  EXPECT_EQ(query["b"], "");
  EXPECT_EQ(query["c"], "x y z");
  EXPECT_FALSE(parse_query("a=%g0", query));
}

TEST(EntityTag, IsComparedAsARevision) {
  EXPECT_EQ(entity_tag(41), "\"41\"");
  EXPECT_TRUE(names_revision("\"41\"", 41));
  EXPECT_TRUE(names_revision("\"40\" ,\t\"41\"", 41));
  EXPECT_TRUE(names_revision("41", 41));
  EXPECT_TRUE(names_revision("*", 41));
  EXPECT_FALSE(names_revision("*", 0)) << "there is nothing yet";
  EXPECT_FALSE(names_revision("\"4\"", 41));
  EXPECT_FALSE(names_revision("W/\"41\"", 41)) << "a weak tag never matches strongly (RFC 9110 8.8.3.2)";
  EXPECT_FALSE(names_revision("", 41));
}

}  // namespace
}  // namespace hybridge
