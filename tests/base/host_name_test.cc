#include "base/host_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hybridge {
namespace {

using testing::HasSubstr;

std::string normal(std::string_view text) {
  auto name = normalize_host_name(text);
  return name ? *name : "refused";
}

std::string fault(std::string_view text) {
  auto name = normalize_host_name(text);
  return name ? "accepted" : name.error().detail;
}

TEST(HostName, IsKeptInLowerCaseWithoutTrailingDot) {
  EXPECT_EQ(normal("Erp.Acme.COM."), "erp.acme.com");
  EXPECT_EQ(normal("localhost"), "localhost");
  EXPECT_EQ(normal("a-b-c.x1.example"), "a-b-c.x1.example");
  EXPECT_EQ(normal("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(normal("1.example"), "1.example");
}

TEST(HostName, RefusesUnderscores) {
  EXPECT_THAT(fault("A_b.example"), HasSubstr("\"A_b.example\" is not a host name"));
}

TEST(HostName, MayBeAnIpv4Literal) {
  EXPECT_EQ(normal("203.0.113.7"), "203.0.113.7");
}

TEST(HostName, RefusesWhatOnlyLooksLikeAnAddress) {
  EXPECT_THAT(fault("203.0.113"), HasSubstr("ends in a number"));
  EXPECT_THAT(fault("203.0.113.256"), HasSubstr("ends in a number"));
  EXPECT_THAT(fault("203.0.113.07"), HasSubstr("ends in a number"));
}

TEST(HostName, TakesTheLongestLabelAndNoLonger) {
  EXPECT_EQ(normal(std::string(63, 'a') + ".example"), std::string(63, 'a') + ".example");
  EXPECT_THAT(fault(std::string(64, 'a') + ".example"), HasSubstr("a label has 64 bytes, the most is 63"));
}

TEST(HostName, TakesTheLongestNameAndNoLonger) {
  std::string name;
  while (name.size() < 250) name += "a.";
  name += "abc";  // 253
  ASSERT_EQ(name.size(), 253U);
  EXPECT_EQ(normal(name), name);
  EXPECT_EQ(normal(name + "."), name);
  EXPECT_THAT(fault("x" + name), HasSubstr("it has 254 bytes, the most is 253"));
}

TEST(HostName, SaysWhatIsWrong) {
  EXPECT_THAT(fault(""), HasSubstr("\"\" is not a host name: it is empty"));
  EXPECT_THAT(fault("."), HasSubstr("label is empty"));
  EXPECT_THAT(fault("a..b"), HasSubstr("label is empty"));
  EXPECT_THAT(fault(".a"), HasSubstr("label is empty"));
  EXPECT_THAT(fault("a.."), HasSubstr("label is empty"));
  EXPECT_THAT(fault("-a.example"), HasSubstr("hyphen"));
  EXPECT_THAT(fault("a-.example"), HasSubstr("hyphen"));
  EXPECT_THAT(fault("b\xc3\xbc"
                    "cher.example"),
              HasSubstr("xn--"));
  EXPECT_THAT(fault("a/../b"), HasSubstr("\"/\" does not belong in it"));
  EXPECT_THAT(fault("a b"), HasSubstr("\" \" does not belong"));
  EXPECT_THAT(fault("a.example:443"), HasSubstr("port"));
  EXPECT_THAT(fault("*.example"), HasSubstr("star"));
  EXPECT_THAT(fault(std::string_view("a\0b", 3)), HasSubstr("\"a\\x00b\" is not a host name"));
}

TEST(HostPattern, IsANameOrAStarBeforeOne) {
  EXPECT_EQ(*normalize_host_pattern("*.Example.com"), "*.example.com");
  EXPECT_EQ(*normalize_host_pattern("www.example.com"), "www.example.com");
  EXPECT_EQ(*normalize_host_pattern("*.com"), "*.com");
}

TEST(HostPattern, RefusesOtherStars) {
  for (const char* text : {"*", "*.", "a.*.example", "*.*.example", "*a.example", "**.example", "*.10.0.0.1"}) {
    EXPECT_FALSE(normalize_host_pattern(text)) << text;
  }
}

TEST(EndpointAddress, IsANameOrAnyIpLiteral) {
  EXPECT_EQ(*normalize_endpoint_address("F1.example.com"), "f1.example.com");
  EXPECT_EQ(*normalize_endpoint_address("203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(*normalize_endpoint_address("2001:DB8::1"), "2001:db8::1");
  EXPECT_EQ(*normalize_endpoint_address("[2001:db8::1]"), "2001:db8::1");
}

TEST(EndpointAddress, RefusesPortsAndScopes) {
  for (const char* text : {"203.0.113.7:80", "[::1]:80", "fe80::1%eth0", "http://a", "*.example.com", ""}) {
    EXPECT_FALSE(normalize_endpoint_address(text)) << text;
  }
}

TEST(HostName, NormalSpellingIsRecognised) {
  EXPECT_TRUE(is_normal_host_name("erp.acme.com"));
  EXPECT_FALSE(is_normal_host_name("Erp.acme.com"));
  EXPECT_FALSE(is_normal_host_name("erp.acme.com."));
  EXPECT_FALSE(is_normal_host_name("[::1]"));
}

TEST(InQuotes, ShowsBytesThatTerminalsWouldObey) {
  EXPECT_EQ(in_quotes("a\x1b[2J\"\\"), "\"a\\x1b[2J\\\"\\\\\"");
  EXPECT_EQ(in_quotes(std::string(100, 'a')), "\"" + std::string(80, 'a') + "…\"");
}

}  // namespace
}  // namespace hybridge
