#include "proxy/http/error_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "proxy/http/embedded_pages.h"
#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kPageNames[] = {"exceeded",  "bad_gateway",    "gateway_timeout", "deactivated",
                                           "suspended", "suspended_saas", "maintenance",     "not_found"};

class Directory {
 public:
  Directory() {
    std::string name = testing::TempDir() + "pages-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, std::string_view text) const { std::ofstream(path_ / name) << text; }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Status, IsGivenForEveryReason) {
  for (int i = 0; i < static_cast<int>(Reason::kCount_); ++i) {
    const auto reason = static_cast<Reason>(i);
    const int status = status_of(reason);
    EXPECT_TRUE(status == 0 || (status >= 200 && status < 600)) << code(reason);
    if (status != 0) {
      EXPECT_NE(status_phrase(status), "") << code(reason);
    }
  }
}

TEST(Status, IsAsPromised) {
  const std::pair<Reason, int> promised[] = {{Reason::kRedirectToHttps, 308},
                                             {Reason::kAcmeRedirect, 301},
                                             {Reason::kHostRedirect, 308},
                                             {Reason::kUnknownHost, 307},
                                             {Reason::kSuspended, 402},
                                             {Reason::kSuspendedSaas, 402},
                                             {Reason::kDeactivated, 503},
                                             {Reason::kBadRequestLine, 400},
                                             {Reason::kBadHeader, 400},
                                             {Reason::kBadHost, 400},
                                             {Reason::kBadFraming, 400},
                                             {Reason::kBadChunk, 400},
                                             {Reason::kBadTarget, 400},
                                             {Reason::kVersionNotSupported, 505},
                                             {Reason::kMethodNotAllowed, 405},
                                             {Reason::kTargetTooLong, 414},
                                             {Reason::kHeaderTooLarge, 431},
                                             {Reason::kTooManyHeaders, 431},
                                             {Reason::kBodyTooLarge, 413},
                                             {Reason::kExpectationFailed, 417},
                                             {Reason::kHeadTimeout, 408},
                                             {Reason::kBodyTimeout, 408},
                                             {Reason::kClientGone, 0},
                                             {Reason::kClientTooSlow, 0},
                                             {Reason::kBadHandshake, 0},
                                             {Reason::kTooManyConnections, 503},
                                             {Reason::kServerBusy, 503},
                                             {Reason::kShuttingDown, 503},
                                             {Reason::kInternal, 500},
                                             {Reason::kUpstreamUnresolved, 502},
                                             {Reason::kUpstreamConnectFailed, 502},
                                             {Reason::kUpstreamConnectTimeout, 504},
                                             {Reason::kUpstreamTls, 502},
                                             {Reason::kUpstreamClosed, 502},
                                             {Reason::kUpstreamMalformed, 502},
                                             {Reason::kUpstreamHeadTooLarge, 502},
                                             {Reason::kUpstreamHeadTimeout, 504},
                                             {Reason::kUpstreamTruncated, 502},
                                             {Reason::kNotFound, 404},
                                             {Reason::kUnauthorized, 401},
                                             {Reason::kConflict, 409},
                                             {Reason::kInvalid, 400}};
  for (const auto& [reason, status] : promised) EXPECT_EQ(status_of(reason), status) << code(reason);
}

TEST(Pages, AreBuiltInAndSelfContained) {
  const auto pages = Pages::load("");
  ASSERT_TRUE(pages);
  EXPECT_EQ(embedded_pages().size(), std::size(kPageNames));
  for (const auto name : kPageNames) {
    const std::string page(pages->find(name));
    EXPECT_THAT(page, testing::StartsWith("<!DOCTYPE html>\n<html lang=\"en\">")) << name;
    EXPECT_THAT(page, testing::EndsWith("</html>\n")) << name;
    EXPECT_THAT(page, HasSubstr("name=\"viewport\"")) << name;
    EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark")) << name;
    EXPECT_THAT(page, HasSubstr("{{request_id}}")) << name;
    EXPECT_THAT(page, Not(HasSubstr("//"))) << name << " refers to something outside";
    EXPECT_THAT(page, Not(HasSubstr("<script"))) << name;
  }
  EXPECT_EQ(pages->find("other"), "");
}

TEST(Pages, AreReplacedByTheOperators) {
  const Directory directory;
  directory.write("suspended.html", "<p>ours {{request_id}}</p>");
  directory.write("unknown.html", "never served");
  const auto pages = Pages::load(directory.path());
  ASSERT_TRUE(pages);
  EXPECT_EQ(pages->find("suspended"), "<p>ours {{request_id}}</p>");
  EXPECT_EQ(pages->find("deactivated"), Pages::load("")->find("deactivated"));
  EXPECT_EQ(pages->find("unknown"), "");
  EXPECT_EQ(make_answer(*pages, make_error(Reason::kSuspended), true, "r1").body, "<p>ours r1</p>");
}

TEST(Pages, AreNotLoadedFromWhatCannotBeRead) {
  const Directory directory;
  EXPECT_EQ(Pages::load(directory.path() + "/missing").error().reason, Reason::kIo);
  directory.write("plain", "x");
  EXPECT_EQ(Pages::load(directory.path() + "/plain").error().reason, Reason::kIo);
  std::filesystem::create_directory(directory.path() + "/suspended.html");
  const auto pages = Pages::load(directory.path());
  ASSERT_FALSE(pages);
  EXPECT_EQ(pages.error().reason, Reason::kIo);
  EXPECT_THAT(pages.error().detail, HasSubstr("suspended.html"));
}

TEST(Pages, AreBounded) {
  const Directory directory;
  directory.write("suspended.html", std::string(1024 * 1024, 'x'));
  EXPECT_TRUE(Pages::load(directory.path()));
  directory.write("suspended.html", std::string(1024 * 1024 + 1, 'x'));
  EXPECT_EQ(Pages::load(directory.path()).error().reason, Reason::kIo);
}

struct Wish {
  const char* name;
  std::string path;
  std::string fields;
  bool html;
};
class WantsHtml : public testing::TestWithParam<Wish> {};

TEST_P(WantsHtml, ByWhatTheClientSays) {
  RequestHead head;
  ASSERT_EQ(test::parse(head, "GET " + GetParam().path + " HTTP/1.1\r\nHost: a\r\n" + GetParam().fields + "\r\n"),
            Reason::kOk);
  EXPECT_EQ(wants_html(head), GetParam().html);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, WantsHtml,
    testing::Values(Wish{"Browser", "/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", true},
                    Wish{"Case", "/", "accept: TEXT/HTML;q=0.5\r\n", true},
                    Wish{"SecondField", "/", "Accept: image/png\r\nAccept: text/html\r\n", true},
                    Wish{"Api", "/api/x", "Accept: text/html\r\n", true}, Wish{"Nothing", "/", "", false},
                    Wish{"Curl", "/", "Accept: */*\r\n", false},
                    Wish{"Json", "/", "Accept: application/json\r\n", false},
                    Wish{"Refused", "/", "Accept: application/json, text/html;q=0\r\n", false},
                    Wish{"RefusedAtLength", "/", "Accept: text/html; level=1; q=0.000\r\n", false},
                    Wish{"LongerType", "/", "Accept: text/html5\r\n", false},
                    Wish{"Navigation", "/app", "Sec-Fetch-Mode: navigate\r\n", true},
                    Wish{"NavigationToApi", "/api/x", "Sec-Fetch-Mode: navigate\r\n", false},
                    Wish{"NavigationToApiAndHtml", "/api/x", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", true},
                    Wish{"Fetch", "/app", "Sec-Fetch-Mode: cors\r\n", false},
                    Wish{"PathLikeApi", "/apis", "Sec-Fetch-Mode: navigate\r\n", true}),
    test::case_name<testing::TestParamInfo<Wish>>);

std::string text(const boost::json::value& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

class AnswerTest : public testing::Test {
 protected:
  Answer html(Reason reason, std::string detail = {}) {
    return make_answer(pages_, make_error(reason, std::move(detail)), true, "r<1>");
  }
  Answer json(Reason reason, std::string detail = {}) {
    return make_answer(pages_, make_error(reason, std::move(detail)), false, "r\"1");
  }
  Pages pages_ = *Pages::load("");
};

TEST_F(AnswerTest, ServesThePageOfTheReasonOrStatus) {
  const std::pair<Reason, std::string_view> expected[] = {{Reason::kSuspended, "suspended"},
                                                          {Reason::kSuspendedSaas, "suspended_saas"},
                                                          {Reason::kDeactivated, "deactivated"},
                                                          {Reason::kUpstreamConnectFailed, "bad_gateway"},
                                                          {Reason::kUpstreamHeadTimeout, "gateway_timeout"},
                                                          {Reason::kNotFound, "not_found"}};
  for (const auto& [reason, page] : expected) {
    const auto answer = html(reason);
    EXPECT_EQ(answer.status, status_of(reason));
    EXPECT_EQ(answer.content_type, "text/html; charset=utf-8");
    const auto source = pages_.find(page);
    EXPECT_TRUE(answer.body.starts_with(source.substr(0, source.find("{{")))) << code(reason);
    EXPECT_THAT(answer.body, HasSubstr("<code>r&lt;1&gt;</code>"));
    EXPECT_THAT(answer.body, Not(HasSubstr("{{")));
  }
}

TEST_F(AnswerTest, TellsProgramsTheStatusOfTheSite) {
  EXPECT_EQ(text(boost::json::parse(json(Reason::kSuspended).body), "detail"), "This site is suspended.");
  EXPECT_EQ(text(boost::json::parse(json(Reason::kSuspendedSaas).body), "detail"), "This site is suspended.");
  EXPECT_EQ(text(boost::json::parse(json(Reason::kDeactivated).body), "detail"), "This site is deactivated.");
}

TEST_F(AnswerTest, ServesAnUpstreamsStatusUnderItsOwn) {
  const auto answer = make_answer(pages_, 429, make_error(Reason::kUpstreamStatus), true, "r");
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("Too many requests"));
}

TEST_F(AnswerTest, HasASmallPageForTheRest) {
  const auto answer = html(Reason::kBadHost, "the host has '<'; & \"more\"");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("<h1>Bad Request</h1>"));
  EXPECT_THAT(answer.body, HasSubstr("<p>the host has &#39;&lt;&#39;; &amp; &quot;more&quot;</p>"));
  EXPECT_THAT(answer.body, HasSubstr("<code>bad_host</code>"));
  EXPECT_THAT(answer.body, HasSubstr("r&lt;1&gt;"));
}

TEST_F(AnswerTest, ShowsOnlyClientsWhatTheyDid) {
  EXPECT_THAT(html(Reason::kInternal, "secret").body, Not(HasSubstr("secret")));
  EXPECT_THAT(html(Reason::kServerBusy, "secret").body, Not(HasSubstr("secret")));
  EXPECT_THAT(html(Reason::kUpstreamConnectFailed, "secret").body, Not(HasSubstr("secret")));
}

TEST_F(AnswerTest, IsAProblemForPrograms) {
  const auto answer = json(Reason::kBadHost, "a \"quote\", a \\ and a\nline\x01\x7f \xc3\xa4 \xff\xc3(");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.content_type, "application/problem+json");
  const auto problem = boost::json::parse(answer.body);
  EXPECT_EQ(text(problem, "type"), "about:blank");
  EXPECT_EQ(text(problem, "title"), "Bad Request");
  EXPECT_EQ(problem.at("status").as_int64(), 400);
  EXPECT_EQ(text(problem, "code"), "bad_host");
  EXPECT_EQ(text(problem, "detail"), "a \"quote\", a \\ and a\nline\x01\x7f \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd(");
  EXPECT_EQ(text(problem, "request_id"), "r\"1");
  EXPECT_EQ(problem.as_object().size(), 6u);
}

TEST_F(AnswerTest, IsAValidProblemForEveryReasonAndByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (int i = 0; i < static_cast<int>(Reason::kCount_); ++i) {
    const auto reason = static_cast<Reason>(i);
    if (status_of(reason) == 0) continue;
    boost::system::error_code failed;
    const auto problem = boost::json::parse(json(reason, all).body, failed);
    ASSERT_FALSE(failed) << code(reason);
    EXPECT_EQ(text(problem, "code"), code(reason));
    EXPECT_NE(text(boost::json::parse(json(reason).body), "detail"), "") << code(reason);
  }
}

TEST_F(AnswerTest, RefusesUtf8ThatIsNone) {
  const auto detail = [&](std::string_view bytes) {
    return text(boost::json::parse(json(Reason::kBadHost, std::string(bytes)).body), "detail");
  };
  const std::string replaced = "\xef\xbf\xbd";
  EXPECT_EQ(detail("\xc0\xaf"), replaced + replaced);                                // overlong
  EXPECT_EQ(detail("\xed\xa0\x80"), replaced + replaced + replaced);                 // surrogate
  EXPECT_EQ(detail("\xf4\x90\x80\x80"), replaced + replaced + replaced + replaced);  // above U+10FFFF
  EXPECT_EQ(detail("\xe2\x82"), replaced + replaced);                                // cut
  EXPECT_EQ(detail("\xe2\x82\xac \xf0\x9f\x98\x80"), "\xe2\x82\xac \xf0\x9f\x98\x80");
}

TEST_F(AnswerTest, IsNothingWhenNobodyListens) {
  const auto answer = html(Reason::kClientGone, "x");
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(answer.body, "");
}

}  // namespace
}  // namespace hybridge::http
