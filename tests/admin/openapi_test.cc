#include "admin/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

namespace json = boost::json;
using test::ApiWorld;
using test::json_of;

// Every "$ref" below a value.
void find_references(const json::value& value, std::set<std::string>& found) {
  if (const auto* array = value.if_array()) {
    for (const auto& each : *array) find_references(each, found);
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [key, each] : *object) {
      if (key == "$ref") found.insert(std::string(each.as_string()));
      find_references(each, found);
    }
  }
}

TEST(OpenApi, DescribesEveryCallThatThereIs) {
  ApiWorld world;
  const auto answer = world.get("/v1/openapi.json");
  EXPECT_EQ(answer->status(), 200);
  const auto document = json_of(*answer).as_object();
  EXPECT_EQ(document.at("openapi"), "3.1.0");
  std::set<std::string> ids;
  for (const auto& [path, operations] : document.at("paths").as_object()) {
    for (const auto& [method, value] : operations.as_object()) {
      const auto& operation = value.as_object();
      const auto where = std::string(method) + " " + std::string(path);
      EXPECT_TRUE(ids.insert(std::string(operation.at("operationId").as_string())).second) << where;
      EXPECT_NE(operation.at("summary"), "") << where;
      EXPECT_NE(operation.at("responses").at("200").at("content").as_object().begin()->key(), "") << where;
      for (const auto& parameter : operation.at("parameters").as_array()) {
        EXPECT_TRUE(parameter.as_object().contains("schema")) << where << ": " << parameter;
      }
      // What is described is there: no path leads to 404 or 405.
      std::string target(path);
      for (auto at = target.find('{'); at != std::string::npos; at = target.find('{')) {
        target.replace(at, target.find('}') - at + 1, "x.test");
      }
      std::string name(method);
      for (auto& c : name) c = static_cast<char>(c & ~0x20);
      if (path == "/v1/events") name = "HEAD";
      const auto called = world.call_as("boss", {.method = name, .target = target, .body = name == "GET" ? "" : "{}"});
      EXPECT_THAT(called->body(), testing::Not(testing::HasSubstr("there is nothing at"))) << where;
      EXPECT_NE(called->status(), 405) << where;
    }
  }
  EXPECT_TRUE(ids.contains("put_v1_hosts_host"));
  EXPECT_TRUE(ids.contains("get_v1_openapi_json"));
}

TEST(OpenApi, NamesOnlySchemasThatThereAre) {
  ApiWorld world;
  const auto document = json_of(*world.get("/v1/openapi.json"));
  std::set<std::string> references;
  find_references(document, references);
  std::set<std::string> schemas;
  for (const auto& schema : document.at("components").at("schemas").as_object()) {
    schemas.insert("#/components/schemas/" + std::string(schema.key()));
  }
  EXPECT_FALSE(references.empty());
  for (const auto& reference : references) EXPECT_TRUE(schemas.contains(reference)) << reference;
}

TEST(OpenApi, SaysWhoMay) {
  ApiWorld world;
  const auto paths = json_of(*world.get("/v1/openapi.json")).at("paths");
  EXPECT_EQ(paths.at("/v1/certificates/{host}").at("put").at("x-role"), "certificate");
  EXPECT_EQ(paths.at("/livez").at("get").at("security"), json::array());
  EXPECT_EQ(paths.at("/v1/status").at("get").at("security"), json::parse(R"([{"token":[]}])"));
}

}  // namespace
}  // namespace hybridge
