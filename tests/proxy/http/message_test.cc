#include "proxy/http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hybridge::http {
namespace {

TEST(Headers, FindTheFirstOfEachKnownName) {
  Headers headers;
  headers.add("Cookie", "a");
  headers.add("Host", "h");
  headers.add("cookie", "b");
  headers.add("X-Odd", "o");
  EXPECT_EQ(headers.value(HeaderId::kCookie), "a");
  EXPECT_EQ(headers.count(HeaderId::kCookie), 2u);
  EXPECT_EQ(headers.count(HeaderId::kOther), 1u);
  EXPECT_EQ(headers.count(HeaderId::kTe), 0u);
  EXPECT_EQ(headers.find(HeaderId::kTe), nullptr);
  EXPECT_EQ(headers.value(HeaderId::kTe), "");
}

TEST(Headers, KeepOrderAndIndexWhenSomeAreRemoved) {
  Headers headers;
  headers.add("Cookie", "a");
  headers.add("Host", "h");
  headers.add("Cookie", "b");
  headers.add("Date", "d");
  headers.remove_if([](const Header& header) { return header.value == "a" || header.value == "h"; });
  EXPECT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers.value(HeaderId::kCookie), "b");
  EXPECT_EQ(headers.value(HeaderId::kDate), "d");
  EXPECT_FALSE(headers.has(HeaderId::kHost));
  headers.clear();
  EXPECT_EQ(headers.size(), 0u);
  EXPECT_FALSE(headers.has(HeaderId::kCookie));
}

TEST(RequestHead, IsAsNewWhenCleared) {
  RequestHead head;
  head.method = Method::kPut;
  head.version = Version::kHttp2;
  head.target = head.host = head.upgrade = "x";
  head.headers.add("Host", "x");
  head.framing = {Framing::Kind::kLength, 5};
  head.keep_alive = false;
  head.expects_continue = true;
  head.bytes.assign(1000, 'x');
  head.clear();
  EXPECT_EQ(head.method, Method::kOther);
  EXPECT_EQ(head.version, Version::kHttp11);
  EXPECT_EQ(head.target, "");
  EXPECT_EQ(head.host, "");
  EXPECT_EQ(head.upgrade, "");
  EXPECT_EQ(head.headers.size(), 0u);
  EXPECT_EQ(head.framing, Framing{});
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_GE(head.bytes.capacity(), 1000u);
}

TEST(Method, IsSafeAsDecided) {
  EXPECT_TRUE(is_safe(Method::kGet));
  EXPECT_TRUE(is_safe(Method::kHead));
  EXPECT_TRUE(is_safe(Method::kOptions));
  EXPECT_FALSE(is_safe(Method::kPost));
  EXPECT_FALSE(is_safe(to_method("PROPFIND")));
}

TEST(Version, PrintsAsLogsWantIt) {
  EXPECT_EQ(to_string(Version::kHttp10), "HTTP/1.0");
  EXPECT_EQ(to_string(Version::kHttp11), "HTTP/1.1");
  EXPECT_EQ(to_string(Version::kHttp2), "HTTP/2.0");
}

TEST(List, ContainsWholeMembersInAnyCase) {
  EXPECT_TRUE(list_contains("close", "close"));
  EXPECT_TRUE(list_contains("a ,\tClose , b", "close"));
  EXPECT_TRUE(list_contains(",,close,,", "close"));
  EXPECT_FALSE(list_contains("closed", "close"));
  EXPECT_FALSE(list_contains("not close", "close"));
  EXPECT_FALSE(list_contains("", "close"));
  EXPECT_FALSE(list_contains(",", ""));
}

TEST(StatusPhrase, KnowsTheStandardOnes) {
  EXPECT_EQ(status_phrase(200), "OK");
  EXPECT_EQ(status_phrase(402), "Payment Required");
  EXPECT_EQ(status_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(status_phrase(599), "");
  EXPECT_EQ(status_phrase(0), "");
}

}  // namespace
}  // namespace hybridge::http
