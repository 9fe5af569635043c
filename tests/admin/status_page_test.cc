#include "admin/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/page_frame.h"

namespace hybridge {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kHostile = R"(<script>alert("1")</script>'&)";
constexpr std::string_view kHarmless = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;";

PageFacts facts_of() {
  PageFacts facts;
  facts.process.version = "1.2.3";
  facts.process.uptime_s = 3 * 86'400 + 7200;
  facts.who = "boss";
  facts.now = 1'800'000'000;
  facts.has_holds = true;
  facts.may_hold = true;
  facts.failures.emplace();
  return facts;
}

HoldReply held(const std::string& site) {
  HoldReply reply;
  reply.record.emplace();
  reply.record->id = "w1";
  reply.record->scope.name = site;
  reply.record->state = HoldState::kHolding;
  reply.record->began = (1'800'000'000 - 125) * 1000LL;
  reply.record->expires_at = (1'800'000'000 + 600) * 1000LL;
  reply.counts.waiting = 17;
  return reply;
}

TEST(StatusPage, SaysThatNothingIsWrong) {
  const auto page = render_status(facts_of());
  EXPECT_THAT(page, HasSubstr(">Ready<"));
  EXPECT_THAT(page, HasSubstr("version 1.2.3, up for 3 d 2 h"));
  EXPECT_THAT(page, HasSubstr("Nothing is held."));
  EXPECT_THAT(page, HasSubstr("None is remembered."));
  EXPECT_THAT(page, Not(HasSubstr("class=\"bad\">Not")));
}

TEST(StatusPage, EscapesWhateverCameFromOutside) {
  auto facts = facts_of();
  const std::string text(kHostile);
  facts.process.version = facts.process.upgrade = facts.not_ready = facts.server_name = facts.who = text;
  facts.process.quarantined_count = 1;
  facts.process.quarantined = {{text, text}};
  facts.servers.push_back({.name = text, .probed = PageFacts::ServerLine::Health::kDown, .why = text});
  facts.expiring.push_back({text, 1'800'000'100});
  facts.failures->push_back({.status = 502,
                             .method = text,
                             .host = text,
                             .path = text,
                             .server = text,
                             .reason = text,
                             .meaning = text,
                             .detail = text,
                             .request_id = text});
  facts.asked_host = facts.explain_fault = text;
  facts.explained = {{text, text}};
  auto window = held(text);
  window.record->id = window.record->reason = window.record->who = text;
  window.record->scope.extra = {text};
  facts.holds = {window};
  facts.told = window;
  const auto page = render_status(facts);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("alert(\"")));
  std::size_t count = 0;
  for (auto at = page.find(kHarmless); at != std::string::npos; at = page.find(kHarmless, at + 1)) ++count;
  EXPECT_GE(count, 30u) << "each is there";

  Confirmation confirmation{.title = text, .text = text, .action = text, .button = text, .fields = {{text, text}}};
  const auto asked = render_confirmation(confirmation);
  EXPECT_THAT(asked, Not(HasSubstr("<script")));
  EXPECT_THAT(asked, HasSubstr("name=\"" + std::string(kHarmless) + "\" value=\"" + std::string(kHarmless) + "\""));
  EXPECT_THAT(notice_page(409, text, text).body, Not(HasSubstr("<script")));
}

TEST(StatusPage, HasAButtonForWhoMayHoldOnly) {
  auto facts = facts_of();
  facts.holds = {held("acme.test")};
  auto page = render_status(facts);
  EXPECT_THAT(page, HasSubstr("site acme.test"));
  EXPECT_THAT(page, HasSubstr("2 min ago"));
  EXPECT_THAT(page, HasSubstr("in 10 min"));
  EXPECT_THAT(page, HasSubstr("action=\"/release\""));
  EXPECT_THAT(page, HasSubstr("action=\"/hold\""));
  facts.may_hold = false;
  page = render_status(facts);
  EXPECT_THAT(page, HasSubstr("site acme.test"));
  EXPECT_THAT(page, Not(HasSubstr("action=\"/release\"")));
  EXPECT_THAT(page, Not(HasSubstr("action=\"/hold\"")));
}

TEST(StatusPage, DrawsTheMinute) {
  auto facts = facts_of();
  facts.traffic[59] = {100, 50};
  facts.traffic[58] = {1, 0};
  const auto page = render_status(facts);
  EXPECT_THAT(page, HasSubstr("<title>1 s ago: 100 requests, 50 errors</title>"));
  EXPECT_THAT(page, HasSubstr(R"(<rect class="requests" x="590" y="0" width="8" height="100"/>)"));
  EXPECT_THAT(page, HasSubstr(R"(<rect class="errors" x="590" y="50" width="8" height="50"/>)"));
  EXPECT_THAT(page, HasSubstr(R"(<rect class="requests" x="580" y="99" width="8" height="1"/>)"));
  EXPECT_THAT(page, HasSubstr("<dt>requests a second</dt><dd>20"));
  EXPECT_THAT(page, HasSubstr("101 requests, 50 errors in a minute"));
}

TEST(StatusPage, TellsHowServersDo) {
  using Health = PageFacts::ServerLine::Health;
  auto facts = facts_of();
  facts.server_count = 60;
  facts.servers = {{.name = "f1",
                    .endpoints = 1,
                    .probed = Health::kDown,
                    .endpoints_down = 1,
                    .since = facts.now - 90,
                    .why = "192.0.2.7:80: Connection refused"},
                   {.name = "f2", .endpoints = 2, .probed = Health::kUp, .endpoints_down = 1},
                   {.name = "f3", .endpoints = 1, .probed = Health::kUp, .seen = Health::kDown},
                   {.name = "f4", .endpoints = 1, .probed = Health::kUp, .seen = Health::kUp},
                   {.name = "f5", .endpoints = 1}};
  const auto page = render_status(facts);
  EXPECT_THAT(page, ContainsRegex("f1</th><td class=\"short\"><span class=\"bad\">down</span>.*1 min ago"));
  EXPECT_THAT(page, HasSubstr("192.0.2.7:80: Connection refused"));
  EXPECT_THAT(page, HasSubstr("f2</th><td class=\"short\"><span class=\"warn\">in part</span>"));
  EXPECT_THAT(page, HasSubstr(">1 of 2<"));
  EXPECT_THAT(page, HasSubstr("f3</th><td class=\"short\"><span class=\"warn\">last request failed</span>"));
  EXPECT_THAT(page, HasSubstr("f4</th><td class=\"short\"><span class=\"good\">up</span>"));
  EXPECT_THAT(page, HasSubstr("f5</th><td class=\"short\"><span class=\"soft\">not asked yet</span>"));
  EXPECT_THAT(page, HasSubstr("55 more"));
}

TEST(StatusPage, TellsWhenAWorkerDidNotLook) {
  auto facts = facts_of();
  facts.failures.reset();
  EXPECT_THAT(render_status(facts), HasSubstr("A worker did not look in time."));
}

TEST(PageFrame, RunsNothingButItsOwn) {
  const auto answer = page_answer(200, {.title = "t", .is_live = true}, "<p>body</p>");
  std::map<std::string, std::string> headers(answer.headers.begin(), answer.headers.end());
  EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("default-src 'none'"));
  EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("script-src 'sha256-"));
  EXPECT_THAT(headers["Content-Security-Policy"], HasSubstr("frame-ancestors 'none'"));
  EXPECT_THAT(headers["Content-Security-Policy"], Not(HasSubstr("unsafe")));
  EXPECT_EQ(headers["X-Frame-Options"], "DENY");
  EXPECT_THAT(answer.body, HasSubstr("<script>"));
  EXPECT_THAT(in_frame({.title = "t"}, ""), Not(HasSubstr("<script")));
}

TEST(StatusPage, SpeaksOfTimeInTwoUnits) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(59), "59 s");
  EXPECT_EQ(duration_text(60), "1 min");
  EXPECT_EQ(duration_text(7200), "2 h");
  EXPECT_EQ(duration_text(7500), "2 h 5 min");
  EXPECT_EQ(duration_text(93'600), "1 d 2 h");
}

}  // namespace
}  // namespace hybridge
