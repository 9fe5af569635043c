#include "proxy/hold_class.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

namespace hybridge {
namespace {

using namespace std::chrono_literals;
using Treatment = HoldClass::Treatment;

struct World {
  explicit World(const std::string& yaml = "") {
    auto parsed = parse_config(yaml, "test.yaml");
    EXPECT_TRUE(parsed) << parsed.error().detail;
    config = std::make_shared<const Config>(std::move(*parsed));
  }

  HoldClass of(std::string method, std::string target, std::vector<std::pair<std::string, std::string>> fields = {},
               std::string_view named = "") {
    HoldClasses classes(config);
    http::RequestHead head;
    head.method_name = method;
    head.method = http::to_method(method);
    head.target = target;
    for (const auto& [name, value] : fields) {
      head.headers.add(name, value);
      if (name == "Upgrade") head.upgrade = value;
    }
    return classes.of(head, named);
  }

  std::shared_ptr<const Config> config;
};

TEST(HoldClass, OfANavigationWaitsHalfAMinute) {
  World world;
  for (const auto& found : {world.of("GET", "/app", {{"Accept", "text/html,*/*"}}),
                            world.of("POST", "/app", {{"Sec-Fetch-Mode", "navigate"}})}) {
    EXPECT_EQ(found.treatment, Treatment::kWait);
    EXPECT_EQ(found.max_wait, 30s);
  }
}

TEST(HoldClass, OfAnythingElseWaitsAMinute) {
  World world;
  for (const auto& found : {world.of("GET", "/api/resource/User", {{"Accept", "application/json"}}),
                            world.of("POST", "/api/method/save"), world.of("PUT", "/files/a")}) {
    EXPECT_EQ(found.treatment, Treatment::kWait);
    EXPECT_EQ(found.max_wait, 60s);
  }
}

TEST(HoldClass, OfAssetsAndMonitorsPasses) {
  World world;
  EXPECT_EQ(world.of("GET", "/assets/frappe/app.js").treatment, Treatment::kPass);
  EXPECT_EQ(world.of("GET", "/app/%2e%2e/assets/app.js").treatment, Treatment::kPass);
  EXPECT_EQ(world.of("GET", "/api/method/ping").treatment, Treatment::kPass);
  EXPECT_EQ(world.of("POST", "/assets/app.js").treatment, Treatment::kWait);
  // Uploaded files are in the site's folder, which moves.
  EXPECT_EQ(world.of("GET", "/files/logo.png").treatment, Treatment::kWait);
}

TEST(HoldClass, OfUpgradesAndSocketIoIsRefused) {
  World world;
  EXPECT_EQ(world.of("GET", "/socket.io/?EIO=4&transport=polling").treatment, Treatment::kRefuse);
  EXPECT_EQ(world.of("GET", "/any", {{"Upgrade", "websocket"}}).treatment, Treatment::kRefuse);
  EXPECT_EQ(world.of("GET", "/socket.iox").treatment, Treatment::kWait);
}

TEST(HoldClass, IsWhatARuleOfTheTableSays) {
  World world;
  EXPECT_EQ(world.of("POST", "/webhook", {}, "pass").treatment, Treatment::kPass);
  EXPECT_EQ(world.of("GET", "/assets/a.js", {}, "api").treatment, Treatment::kWait);
  EXPECT_EQ(world.of("GET", "/assets/a.js", {}, "reports").treatment, Treatment::kPass);  // is no class of holds
}

TEST(HoldClass, IsWhatTheConfigurationSays) {
  World world(R"(
holds:
  monitors: synthetic
  max_wait: {navigation: 5s}
  classes:
    - {name: ping, path: "^/healthz$"}
    - {name: navigation, method: "^GET$", header: X-Kind, value: "^page$"}
)");
  EXPECT_EQ(world.of("GET", "/healthz").treatment, Treatment::kAnswer);
  EXPECT_EQ(world.of("GET", "/", {{"X-Kind", "page"}}).max_wait, 5s);
  EXPECT_EQ(world.of("POST", "/", {{"X-Kind", "page"}}).max_wait, 60s);
  EXPECT_EQ(world.of("GET", "/assets/a.js").treatment, Treatment::kWait);  // the defaults are replaced
}

TEST(HoldClass, RefusesAConfigurationThatCannotBeRight) {
  const auto fault = [](const std::string& classes) {
    const auto parsed = parse_config("holds: {classes: [" + classes + "]}", "test.yaml");
    return parsed ? std::string() : parsed.error().detail;
  };
  EXPECT_NE(fault(R"({name: slow, path: "^/"})").find("none of navigation"), std::string::npos);
  EXPECT_NE(fault(R"({name: api, path: "("})").find("is no pattern of RE2"), std::string::npos);
  EXPECT_NE(fault("{name: api}").find("needs a pattern"), std::string::npos);
  EXPECT_NE(fault(R"({name: api, header: Accept})").find("goes with value"), std::string::npos);
  EXPECT_NE(fault(R"({name: api, path: "^/", wait: 3s})").find("wait: is not a key"), std::string::npos);
}

}  // namespace
}  // namespace hybridge
