#include <gtest/gtest.h>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using test::scan_every_way;

TEST(HeadScanner, FindsTheEndAndLeavesWhatFollows) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(*scan_every_way(head), head.size());
  EXPECT_EQ(*scan_every_way(head + "BODY\n\0\r"), head.size());
  EXPECT_EQ(*scan_every_way(head + head), head.size());
}

TEST(HeadScanner, WaitsForTheRest) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t n = 0; n < head.size(); ++n) {
    EXPECT_EQ(*scan_every_way(std::string_view(head).substr(0, n)), 0u) << n;
  }
}

TEST(HeadScanner, EndsAHeadWithoutFields) {
  EXPECT_EQ(*scan_every_way("GET / HTTP/1.1\r\n\r\n"), 18u);
}

TEST(HeadScanner, StartsAnewAfterReset) {
  HeadScanner scanner;
  EXPECT_EQ(*scanner.scan("GET / HTTP/1.1\r\nHost: a\r\n\r\n", {}), 27u);
  scanner.reset();
  EXPECT_EQ(*scanner.scan("GET / HTTP/1.1\r\n", {}), 0u);
  EXPECT_EQ(*scanner.scan("GET / HTTP/1.1\r\n\r\n", {}), 18u);
}

TEST(HeadScanner, RefusesBeforeTheHeadIsWhole) {
  using namespace std::string_literals;
  EXPECT_EQ(scan_every_way("GET / HTTP/1.1\n").error().reason, Reason::kBadRequestLine);
  EXPECT_EQ(scan_every_way("GET \0"s).error().reason, Reason::kBadRequestLine);
  EXPECT_EQ(scan_every_way("GET /\rx").error().reason, Reason::kBadRequestLine);
  EXPECT_EQ(scan_every_way("GET / HTTP/1.1\r\nX\n").error().reason, Reason::kBadHeader);
  EXPECT_EQ(scan_every_way("GET / HTTP/1.1\r\nX: \0"s).error().reason, Reason::kBadHeader);
  EXPECT_EQ(scan_every_way("GET / HTTP/1.1\r\nX: \rx").error().reason, Reason::kBadHeader);
}

TEST(HeadScanner, FindsAControlByteWhereverItStands) {
  for (std::size_t at = 0; at < 70; ++at) {
    std::string bytes = "GET / HTTP/1.1\r\nX: " + std::string(70, '\xff');
    bytes[19 + at] = '\x01';
    EXPECT_EQ(scan_every_way(bytes).error().reason, Reason::kBadHeader) << at;
    bytes[19 + at] = '\t';
    EXPECT_EQ(*scan_every_way(bytes), 0u) << at;
  }
}

TEST(HeadScanner, RefusesATargetThatNeverEnds) {
  const HeadLimits limits{.target_bytes = 100, .head_bytes = 10000};
  EXPECT_EQ(scan_every_way("GET /" + std::string(300, 'x'), limits).error().reason, Reason::kTargetTooLong);
  EXPECT_EQ(*scan_every_way("GET /" + std::string(90, 'x'), limits), 0u);
}

TEST(HeadScanner, RefusesALineThatNeverEnds) {
  const HeadLimits limits{.head_bytes = 100};
  const std::string start = "GET / HTTP/1.1\r\nX: ";
  EXPECT_EQ(scan_every_way(start + std::string(300, 'x'), limits).error().reason, Reason::kHeaderTooLarge);
  EXPECT_EQ(*scan_every_way(start + std::string(99 - start.size(), 'x'), limits), 0u);
  EXPECT_EQ(scan_every_way(start + std::string(100 - start.size(), 'x'), limits).error().reason,
            Reason::kHeaderTooLarge);
}

TEST(HeadScanner, CountsBytesToTheEmptyLine) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(*scan_every_way(head + "more", {.head_bytes = head.size()}), head.size());
  EXPECT_EQ(scan_every_way(head + "more", {.head_bytes = head.size() - 1}).error().reason, Reason::kHeaderTooLarge);
}

TEST(HeadScanner, CountsFieldsBeforeTheHeadIsWhole) {
  std::string bytes = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) bytes += "X: y\r\n";
  EXPECT_EQ(*scan_every_way(bytes), 0u);
  EXPECT_EQ(*scan_every_way(bytes + "\r\n"), bytes.size() + 2);
  EXPECT_EQ(scan_every_way(bytes + "X: y\r\n").error().reason, Reason::kTooManyHeaders);
}

TEST(HeadScanner, GivesUpstreamFaultsTheirOwnReasons) {
  EXPECT_EQ(as_upstream_fault(make_error(Reason::kHeaderTooLarge, "limits.header_bytes")),
            make_error(Reason::kUpstreamHeadTooLarge,
                       "the server's head is larger than limits.upstream_header_bytes, or has too many fields"));
  EXPECT_EQ(as_upstream_fault(make_error(Reason::kTooManyHeaders, "x")).reason, Reason::kUpstreamHeadTooLarge);
  EXPECT_EQ(as_upstream_fault(make_error(Reason::kTargetTooLong, "x")).reason, Reason::kUpstreamHeadTooLarge);
  EXPECT_EQ(as_upstream_fault(make_error(Reason::kBadHeader, "x")).reason, Reason::kUpstreamMalformed);
  EXPECT_EQ(as_upstream_fault(make_error(Reason::kBadChunk, "x")).reason, Reason::kUpstreamMalformed);
}

}  // namespace
}  // namespace hybridge::http
