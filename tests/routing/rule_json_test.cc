#include "routing/rule_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "routing/snapshot_json.h"

namespace hybridge {
namespace {

using testing::HasSubstr;

std::string faults_of(std::string_view rules) {
  const auto read = read_snapshot(R"j({"rules":)j" + std::string(rules) + "}");
  std::string out;
  for (const auto& fault : read.faults.kept()) out += fault.path + ": " + fault.message + "\n";
  return out;
}

std::string round_trip(std::string_view rules) {
  const auto read = read_snapshot(R"j({"rules":)j" + std::string(rules) + "}");
  EXPECT_TRUE(read.faults.empty()) << read.faults.kept().front().path << ' ' << read.faults.kept().front().message;
  const auto text = write_snapshot(read.snapshot);
  const auto from = text.find(R"j("rules":)j") + 8;
  return text.substr(from, text.find(R"j(,"servers")j") - from);
}

TEST(RuleJson, KeepsEveryKindOfRule) {
  const std::string rules =
      R"j([{"id":"a","match":{"host":"^x","method":"POST","path":"^/(y)"},"order":10,)j"
      R"j("redirect":{"status":301,"to":"https://z.test/\\1"}},)j"
      R"j({"deny":{"message":"no","status":410},"id":"b","match":{"header":{"user-agent":"curl"}},"order":20},)j"
      R"j({"class":"api","id":"c","match":{},"order":30},)j"
      R"j({"header":{"name":"X-A","on":"response","value":"1"},"id":"d","match":{},"order":40},)j"
      R"j({"id":"e","limit":{"burst":5,"per":"minute","requests":10},"match":{},"order":50},)j"
      R"j({"id":"f","limit":{"burst":0,"by":"both","dry_run":true,"per":"second","requests":1},"match":{},"order":60},)j"
      R"j({"id":"g","limit":{"burst":0,"by":"address","per":"hour","requests":1},"match":{},"order":70}])j";
  EXPECT_EQ(round_trip(rules), rules);
}

TEST(RuleJson, GivesARuleWithoutAnOrderThePlaceItIsListedAt) {
  EXPECT_EQ(round_trip(R"j([{"id":"z","match":{},"class":"a"},{"id":"a","match":{},"class":"b"}])j"),
            R"j([{"class":"a","id":"z","match":{},"order":10},{"class":"b","id":"a","match":{},"order":20}])j");
}

TEST(RuleJson, TakesFieldsInAnyOrderForTheSameRule) {
  const auto read = [](const std::string& fields) {
    return read_snapshot(R"j({"rules":[{"id":"a","match":{"header":{)j" + fields + R"j(}},"class":"x"}]})j")
        .snapshot.rules();
  };
  EXPECT_EQ(*read(R"("X-B":"2","X-A":"1")")->front(), *read(R"("x-a":"1","x-b":"2")")->front());
}

TEST(RuleJson, RefusesAListThatIsNotInItsOrder) {
  EXPECT_EQ(faults_of(R"j([{"id":"a","order":9,"match":{},"class":"a"},{"id":"b","order":8,"match":{},"class":"b"}])j"),
            "rules[1].order: comes before the rule listed before it: list rules by order, then by id\n");
}

TEST(RuleJson, RefusesAnIdThatIsThereTwice) {
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"class":"a"},{"id":"a","match":{},"class":"b"}])j"),
              HasSubstr(R"j(rules[1].id: "a" is there already)j"));
}

TEST(RuleJson, SaysWhereAPatternIsWrong) {
  EXPECT_EQ(faults_of(R"j([{"id":"a","match":{"path":"^/x(?=y)"},"class":"a"}])j"),
            "rules[0].match.path: is no pattern of RE2: invalid perl operator: (?=, at byte 4\n");
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{"header":{"X-A":"("}},"class":"a"}])j"),
              HasSubstr("rules[0].match.header[\"X-A\"]: is no pattern of RE2: missing )"));
}

TEST(RuleJson, RefusesAPatternThatIsTooCostly) {
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{"path":"a{400}b{400}"},"class":"a"}])j"),
              HasSubstr("rules[0].match.path: is too costly"));
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{"path":"((a{100}){100}){100}"},"class":"a"}])j"),
              HasSubstr("rules[0].match.path: is no pattern of RE2"));
}

TEST(RuleJson, RefusesPatternsThatAreTooCostlyTogether) {
  std::string rules = "[";
  for (int i = 0; i < 100; ++i) {
    rules += (i ? "," : "") + std::string(R"j({"id":"r)j") + std::to_string(i) +
             R"j(","match":{"path":"x{400}"},"class":"a"})j";
  }
  EXPECT_EQ(
      faults_of(rules + "]"),
      "rules: all patterns for the path together make more than 32768 steps, the most that are searched at once\n");
}

TEST(RuleJson, RefusesWhatIsNotOneAction) {
  EXPECT_EQ(faults_of(R"j([{"id":"a","match":{}}])j"),
            "rules[0]: does nothing: give it one of redirect, deny, class, header, limit\n");
  EXPECT_EQ(faults_of(R"j([{"id":"a","match":{},"class":"x","deny":{}}])j"),
            "rules[0]: has both deny and class: a rule does one thing\n");
}

TEST(RuleJson, RefusesALimitThatCountsNobody) {
  EXPECT_EQ(faults_of(R"j([{"id":"a","match":{},"limit":{"requests":1,"by":"host"}}])j"),
            "rules[0].limit.by: \"host\" is none of site, address, both\n");
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"limit":{"requests":0,"dry_run":1}}])j"),
              AllOf(HasSubstr("rules[0].limit.requests: "), HasSubstr("rules[0].limit.dry_run: ")));
}

TEST(RuleJson, RefusesFieldsThatFrameTheMessageOrAreOurs) {
  for (const std::string name : {"Host", "Content-Length", "Transfer-Encoding", "X-Forwarded-For", "X-Request-ID"}) {
    EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"header":{"name":")j" + name + R"j(","value":"x"}}])j"),
                HasSubstr("rules[0].header.name: \"" + name + "\" is set by Hybridge itself"));
  }
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"header":{"name":"X-A","value":"x\r\nY: z"}}])j"),
              HasSubstr("must have no control characters"));
}

TEST(RuleJson, RefusesARedirectThatAPathCouldBend) {
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{"path":"(.*)"},"redirect":{"to":"https://x\\1/"}}])j"),
              HasSubstr("may take parts of the path behind the host only"));
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{"path":"(.*)"},"redirect":{"to":"/\\1"}}])j"),
              HasSubstr("must not take its first part from the path"));
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"redirect":{"to":"https://x/\\1"}}])j"),
              HasSubstr("match.path is not there"));
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"redirect":{"to":"//x.test"}}])j"), HasSubstr("must begin with"));
  EXPECT_THAT(faults_of(R"j([{"id":"a","match":{},"redirect":{"to":"https://x/","status":304}}])j"),
              HasSubstr("must be 301, 302, 303, 307 or 308"));
}

TEST(RuleJson, PlacesANewRuleBehindAllOthers) {
  const auto rules = read_snapshot(R"j({"rules":[{"id":"a","order":7,"match":{},"class":"x"}]})j").snapshot.rules();
  EXPECT_EQ(order_for(*rules, "new"), 17U);
  EXPECT_EQ(order_for(*rules, "a"), 7U);
}

}  // namespace
}  // namespace hybridge
