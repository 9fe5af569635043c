#include "proxy/hold_answer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <chrono>
#include <set>

namespace hybridge {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

const http::Pages& pages() {
  static const auto kPages = http::Pages::load("").value();
  return kPages;
}

TEST(HoldAnswer, SpreadsThoseWhoAreToComeAgain) {
  std::set<std::int64_t> seconds;
  for (std::uint64_t random = 0; random < 100; ++random) {
    const auto after = retry_after(std::nullopt, random).count();
    EXPECT_GE(after, 5);
    EXPECT_LE(after, 15);
    seconds.insert(after);
  }
  EXPECT_GT(seconds.size(), 5u);
}

TEST(HoldAnswer, SaysWhenTheWorkIsExpectedToBeDone) {
  EXPECT_EQ(retry_after(60'500ms, 0), 61s);
  EXPECT_EQ(retry_after(-5s, 0), 5s);
  EXPECT_LE(retry_after(std::chrono::hours(5), 10), 311s);
}

TEST(HoldAnswer, IsAProblemThatFrappesDeskUnderstands) {
  const auto answer =
      make_hold_answer(pages(), make_error(Reason::kHoldDeadline, "it takes \"long\""), false, "r1", 7s);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.content_type, "application/problem+json");
  const auto body = json::parse(answer.body).as_object();
  EXPECT_EQ(body.at("status"), 503);
  EXPECT_EQ(body.at("code"), "hold_deadline");
  EXPECT_EQ(body.at("detail"), "it takes \"long\"");
  EXPECT_EQ(body.at("retry_after"), 7);
  EXPECT_EQ(body.at("exc_type"), "SessionStopped");
  // As desk reads it: a JSON text, of JSON texts.
  const auto messages = json::parse(body.at("_server_messages").as_string()).as_array();
  const auto message = json::parse(messages.at(0).as_string()).as_object();
  EXPECT_EQ(message.at("title"), "Updating");
  EXPECT_EQ(body.at("errors").as_array().at(0).as_object().at("type"), "SessionStopped");
}

TEST(HoldAnswer, IsAPageForABrowser) {
  const auto answer = make_hold_answer(pages(), make_error(Reason::kHoldFull), true, "r1", 7s);
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("being updated"), std::string::npos);
}

TEST(HoldAnswer, SpeaksForTheSiteToItsMonitor) {
  const auto answer = make_hold_answer(pages(), make_error(Reason::kHoldPong), true, "r1", 7s);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"message\":\"pong\"}\n");
}

}  // namespace
}  // namespace hybridge
