#include "proxy/http/unavailable.h"

#include <gtest/gtest.h>

#include "proxy/http/http1_parser.h"
#include "tests/support/deflated.h"

namespace hybridge::http {
namespace {

ResponseHead head_of(int status, std::string_view fields = "Content-Type: application/json\r\n") {
  ResponseHead head;
  const auto bytes = "HTTP/1.1 " + std::to_string(status) + " X\r\n" + std::string(fields) + "\r\n";
  parse_response_head(head, bytes, Method::kGet, {}).value();
  return head;
}

Unavailable read(std::string_view body, std::string_view fields = "Content-Type: application/json\r\n") {
  return read_unavailable(head_of(503, fields), body);
}

TEST(Unavailable, ReadsTheFirstVersionOfFrappesApi) {
  EXPECT_EQ(read(R"({"exception":"frappe.exceptions.SessionStopped","exc_type":"SessionStopped","exc":"[\"…\"]"})"),
            Unavailable::kSessionStopped);
}

TEST(Unavailable, ReadsTheSecondVersion) {
  EXPECT_EQ(read(R"({"errors":[{"type":"SessionStopped","message":"updating"}]})"), Unavailable::kSessionStopped);
}

TEST(Unavailable, KnowsTheReadOnlyModeWhichIsNotSafeToRepeat) {
  EXPECT_EQ(read(R"({"exc_type":"InReadOnlyMode"})"), Unavailable::kReadOnly);
  EXPECT_EQ(read(R"({"errors":[{"type":"InReadOnlyMode"}]})"), Unavailable::kReadOnly);
  EXPECT_EQ(read(R"({"errors":[{"type":"SessionStopped"},{"type":"InReadOnlyMode"}]})"), Unavailable::kReadOnly);
}

TEST(Unavailable, TakesAListOnlyIfNothingElseIsInIt) {
  EXPECT_EQ(read(R"({"errors":[{"type":"SessionStopped"},{"type":"SessionStopped"}]})"), Unavailable::kSessionStopped);
  EXPECT_EQ(read(R"({"errors":[{"type":"SessionStopped"},{"type":"ValidationError"}]})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"errors":[{"type":"ValidationError"},{"type":"SessionStopped"}]})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"errors":["SessionStopped"]})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"errors":[]})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"errors":"SessionStopped"})"), Unavailable::kOther);
}

TEST(Unavailable, DoesNotBelieveTheWordElsewhere) {
  EXPECT_EQ(read(R"({"message":"SessionStopped"})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"exc_type":"sessionstopped"})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"exc_type":["SessionStopped"]})"), Unavailable::kOther);
  EXPECT_EQ(read(R"({"data":{"exc_type":"SessionStopped"}})"), Unavailable::kOther);
  EXPECT_EQ(read(R"(["SessionStopped"])"), Unavailable::kOther);
  EXPECT_EQ(read("<title>Updating</title> SessionStopped", "Content-Type: text/html\r\n"), Unavailable::kOther);
}

TEST(Unavailable, ReadsJsonOnlyWhereTheAnswerSaysItIs) {
  constexpr std::string_view kBody = R"({"exc_type":"SessionStopped"})";
  EXPECT_EQ(read(kBody, "Content-Type: application/json; charset=utf-8\r\n"), Unavailable::kSessionStopped);
  EXPECT_EQ(read(kBody, "Content-Type: application/problem+json\r\n"), Unavailable::kSessionStopped);
  EXPECT_EQ(read(kBody, "Content-Type: text/html\r\n"), Unavailable::kOther);
  EXPECT_EQ(read(kBody, ""), Unavailable::kOther);
}

TEST(Unavailable, ReadsItThroughGzipAndDeflate) {
  constexpr std::string_view kBody = R"({"exc_type":"SessionStopped"})";
  const std::string json = "Content-Type: application/json\r\n";
  EXPECT_EQ(read(test::deflated(kBody, test::Wrapping::kGzip), json + "Content-Encoding: gzip\r\n"),
            Unavailable::kSessionStopped);
  EXPECT_EQ(read(test::deflated(kBody, test::Wrapping::kZlib), json + "Content-Encoding: deflate\r\n"),
            Unavailable::kSessionStopped);
  EXPECT_EQ(read(kBody, json + "Content-Encoding: br\r\n"), Unavailable::kOther);
  EXPECT_EQ(read(kBody, json + "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"), Unavailable::kOther);
}

TEST(Unavailable, ReadsNothingThatIsCutOrTooLong) {
  const std::string start = R"({"exc_type":"SessionStopped","exc":")";
  const auto fits = start + std::string(kInspectedBytes - start.size() - 2, 'x') + "\"}";
  ASSERT_EQ(fits.size(), kInspectedBytes);
  EXPECT_EQ(read(fits), Unavailable::kSessionStopped);
  EXPECT_EQ(read(start + "x" + fits.substr(start.size())), Unavailable::kOther);
  EXPECT_EQ(read(start), Unavailable::kOther);
  EXPECT_EQ(read(R"({"exc_type":"SessionStopped"} trailing)"), Unavailable::kOther);
  EXPECT_EQ(read(""), Unavailable::kOther);
  EXPECT_EQ(read(std::string(1'000, '[')), Unavailable::kOther);
}

TEST(Ping, IsAPongOnlyIfItSaysSo) {
  EXPECT_EQ(read_ping(head_of(200), R"({"message":"pong"})"), Ping::kPong);
  EXPECT_EQ(read_ping(head_of(200), R"({"message":"ping"})"), Ping::kOtherwise);
  EXPECT_EQ(read_ping(head_of(200), "pong"), Ping::kOtherwise);
  EXPECT_EQ(read_ping(head_of(503), R"({"message":"pong"})"), Ping::kOtherwise);
}

TEST(Ping, TellsMaintenanceFromOtherFaults) {
  EXPECT_EQ(read_ping(head_of(503), R"({"exc_type":"SessionStopped"})"), Ping::kStopped);
  EXPECT_EQ(read_ping(head_of(503), R"({"exc_type":"InReadOnlyMode"})"), Ping::kOtherwise);
  EXPECT_EQ(read_ping(head_of(503, "Content-Type: text/html\r\n"), "busy"), Ping::kOtherwise);
  EXPECT_EQ(read_ping(head_of(500), R"({"exc_type":"SessionStopped"})"), Ping::kOtherwise);
  EXPECT_EQ(read_ping(head_of(401), ""), Ping::kOtherwise);
}

TEST(Ping, TakesWhatAMoveLeavesBehindForNoAnswer) {
  for (const int status : {404, 502, 504}) EXPECT_EQ(read_ping(head_of(status), ""), Ping::kNoAnswer) << status;
}

}  // namespace
}  // namespace hybridge::http
