#include "routing/rule_matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/snapshot_json.h"

namespace hybridge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RuleMatching : public testing::Test {
 protected:
  void rules(const std::string& text) {
    auto read = read_snapshot(R"j({"rules":)j" + text + "}");
    ASSERT_TRUE(read.faults.empty()) << read.faults.kept().front().message;
    snapshot_ = read.snapshot;
    Faults faults;
    matcher_ = RuleMatcher::make(*snapshot_.rules(), faults);
    ASSERT_TRUE(matcher_);
  }

  struct Asked {
    std::string_view host = "a.test";
    std::string_view path = "/";
    std::string_view method = "GET";
    std::vector<std::pair<std::string_view, std::string_view>> headers = {};
  };
  std::vector<std::string> matched(const Asked& asked) {
    matcher_->begin();
    matcher_->host(asked.host);
    matcher_->path(asked.path);
    matcher_->method(asked.method);
    for (const auto& [name, value] : asked.headers) matcher_->header(name, value);
    std::vector<std::string> ids;
    for (const auto* rule : matcher_->matches()) ids.push_back(rule->id);
    return ids;
  }

  Snapshot snapshot_;
  std::unique_ptr<RuleMatcher> matcher_;
};

TEST_F(RuleMatching, NeedsAllConditionsOfARule) {
  rules(R"j([{"id":"r","match":{"host":"^a\\.test$","path":"^/api/","method":"^POST$","header":{"X-Kind":"^bot"}},
            "deny":{}}])j");
  const Asked whole{"a.test", "/api/x", "POST", {{"x-kind", "botnet"}}};
  EXPECT_THAT(matched(whole), ElementsAre("r"));
  EXPECT_THAT(matched({"b.test", whole.path, whole.method, whole.headers}), IsEmpty());
  EXPECT_THAT(matched({whole.host, "/x", whole.method, whole.headers}), IsEmpty());
  EXPECT_THAT(matched({whole.host, whole.path, "GET", whole.headers}), IsEmpty());
  EXPECT_THAT(matched({whole.host, whole.path, whole.method, {}}), IsEmpty());
  EXPECT_THAT(matched(whole), ElementsAre("r"));
}

TEST_F(RuleMatching, KeepsTheOrderOfTheRules) {
  rules(R"j([{"id":"z","match":{"path":"x"},"class":"1"},{"id":"m","match":{},"class":"2"},
            {"id":"a","match":{"host":"a"},"class":"3"}])j");
  EXPECT_THAT(matched({.path = "/x"}), ElementsAre("z", "m", "a"));
  EXPECT_THAT(matched({.host = "b", .path = "/y"}), ElementsAre("m"));
}

TEST_F(RuleMatching, CountsARepeatedFieldOnce) {
  rules(R"j([{"id":"r","match":{"header":{"a":"x","b":"y"}},"deny":{}}])j");
  EXPECT_THAT(matched({.headers = {{"A", "x"}, {"a", "x2"}}}), IsEmpty());
  EXPECT_THAT(matched({.headers = {{"A", "no"}, {"a", "x"}, {"B", "y"}}}), ElementsAre("r"));
}

TEST_F(RuleMatching, SeesBytesThatAreNoUtf8) {
  rules(R"j([{"id":"r","match":{"path":"^/admin.*secret$"},"deny":{}}])j");
  EXPECT_THAT(matched({.path = "/admin\xff\xfe\nsecret"}), ElementsAre("r"));
}

TEST_F(RuleMatching, TakesPartsOfThePathIntoADestination) {
  rules(R"j([{"id":"r","match":{"path":"^/old/([^/]*)/(.*)$"},"redirect":{"to":"https://b.test/\\2?was=\\1"}}])j");
  EXPECT_THAT(matched({.path = "/old/a b/c\r\nSet-Cookie: x"}), ElementsAre("r"));
  EXPECT_EQ(matcher_->destination(*snapshot_.rule("r"), "/old/a b/c\r\nSet-Cookie: x"),
            "https://b.test/c%0D%0ASet-Cookie:%20x?was=a%20b");
}

TEST_F(RuleMatching, MatchesAThousandRules) {
  std::string text = "[";
  for (int i = 0; i < 1000; ++i) {
    text += (i ? "," : "") + std::string(R"j({"id":"r)j") + std::to_string(i) + R"j(","match":{"path":"^/p)j" +
            std::to_string(i) + R"j(/"},"deny":{}})j";
  }
  rules(text + "]");
  EXPECT_THAT(matched({.path = "/p777/x"}), ElementsAre("r777"));
  EXPECT_THAT(matched({.path = "/q"}), IsEmpty());
  EXPECT_EQ(matcher_->errors(), 0U);
}

}  // namespace
}  // namespace hybridge
