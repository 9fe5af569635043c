#include "admin/page_guard.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

Config config_of(std::vector<std::string> listen) {
  Config config;
  config.server_name = "n1.edge.test";
  config.admin.listen.clear();
  for (const auto& each : listen) config.admin.listen.push_back(Address::parse_with_port(each).value());
  return config;
}

TEST(PageGuard, KnowsItsOwnNames) {
  const auto config = config_of({"192.0.2.7:9180", "[2001:db8::7]:9180"});
  for (const auto* host : {"localhost", "LocalHost:9180", "127.0.0.1", "127.0.0.9:1", "[::1]:9180", "192.0.2.7:9180",
                           "[2001:db8::7]", "n1.edge.test", "N1.edge.test.:443"}) {
    EXPECT_TRUE(is_own_host(host, config)) << host;
  }
}

TEST(PageGuard, KnowsNoOther) {
  const auto config = config_of({"192.0.2.7:9180"});
  for (const auto* host : {"", ":9180", "evil.test", "evil.test:9180", "localhost.evil.test", "127.0.0.1.evil.test",
                           "192.0.2.8", "n1.edge.test.evil.test", "[", "[::1", "0.0.0.0", "edge.test", "a b"}) {
    EXPECT_FALSE(is_own_host(host, config)) << host;
  }
  auto nameless = config;
  nameless.server_name.clear();
  EXPECT_FALSE(is_own_host("", nameless));
}

TEST(PageGuard, TakesAnyAddressWhereAllAreListenedOn) {
  const auto config = config_of({"0.0.0.0:9180"});
  EXPECT_TRUE(is_own_host("203.0.113.7:9180", config));
  EXPECT_FALSE(is_own_host("evil.test", config)) << "names are rebound, addresses are not";
}

TEST(FormTokens, AreGoodForOneDeedOfOneLogin) {
  const FormTokens tokens;
  const auto token = tokens.make("boss", {"release", "w1"});
  EXPECT_TRUE(tokens.is_good(token, "boss", {"release", "w1"}));
  EXPECT_FALSE(tokens.is_good(token, "reader", {"release", "w1"}));
  EXPECT_FALSE(tokens.is_good(token, "boss", {"release", "w2"}));
  EXPECT_FALSE(tokens.is_good(token, "boss", {"hold", "w1"}));
  EXPECT_FALSE(tokens.is_good(token, "boss", {"releasew1"}));
  EXPECT_FALSE(tokens.is_good(token, "boss", {"release", "w", "1"}));
  EXPECT_FALSE(tokens.is_good(token, "bos", {"srelease", "w1"}));
  EXPECT_FALSE(tokens.is_good("", "boss", {"release", "w1"}));
  EXPECT_FALSE(FormTokens().is_good(token, "boss", {"release", "w1"})) << "of another process";
}

}  // namespace
}  // namespace hybridge
