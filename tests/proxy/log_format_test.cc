#include "proxy/log_format.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <boost/json.hpp>
#include <string>

namespace hybridge {
namespace {

using Format = Config::LogFormat;

std::string line_of(Format format, const ExchangeRecord& record) {
  LogFormat formatter(format);
  return std::string(formatter.line(record));
}

std::string json_line(const ExchangeRecord& record) {
  return line_of(Format::kJson, record);
}

std::string frappe_line(const ExchangeRecord& record) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  return line_of(Format::kFrappe, record);
}

ExchangeRecord complete() {
  ExchangeRecord record;
  record.start_ms = 1'795'387'829'123;
  record.request_id = "01JD";
  record.site = "acme.example.com";
  record.host = "erp.acme.com";
  record.client = "203.0.113.9";
  record.remote_user = "jane";
  record.method = "POST";
  record.target = "/api/method/ping?a=1";
  record.protocol = "HTTP/1.1";
  record.status = 200;
  record.tls_version = "TLSv1.3";
  record.tls_resumed = true;
  record.server = "f1.example.com";
  record.endpoint = "198.51.100.7:80";
  record.bytes_in = 17;
  record.bytes_out = 4096;
  record.timings = {.head = 150, .hold = 0, .queue = 12, .connect = 1'500, .first_byte = 20'345, .total = 23'456};
  record.retries = 1;
  record.revision = 42;
  record.user_agent = "curl/7.88.1";
  record.referer = "https://erp.acme.com/app";
  record.x_forwarded_for = "10.0.0.1";
  return record;
}

TEST(LogFormat, WritesEveryPromisedKeyAsJson) {
  EXPECT_EQ(json_line(complete()),
            "{\"ts\":\"2026-11-22T22:50:29.123Z\",\"request_id\":\"01JD\",\"site\":\"acme.example.com\","
            "\"host\":\"erp.acme.com\",\"client\":\"203.0.113.9\",\"method\":\"POST\","
            "\"path\":\"/api/method/ping?a=1\",\"status\":200,\"reason\":\"ok\",\"protocol\":\"HTTP/1.1\","
            "\"tls\":{\"version\":\"TLSv1.3\",\"resumed\":true},\"server\":\"f1.example.com\","
            "\"endpoint\":\"198.51.100.7:80\",\"bytes_in\":17,\"bytes_out\":4096,"
            "\"ms\":{\"head\":0.150,\"hold\":0.000,\"queue\":0.012,\"connect\":1.500,\"first_byte\":20.345,"
            "\"total\":23.456},\"retries\":1,\"hold_id\":null,\"revision\":42,\"user_agent\":\"curl/7.88.1\","
            "\"referer\":\"https://erp.acme.com/app\"}\n");
}

TEST(LogFormat, NamesTheClientsTraceWhereThereIsOne) {
  auto record = complete();
  record.trace_id = "0af7651916cd43dd8448eb211c80319c";
  const auto line = boost::json::parse(json_line(record)).as_object();
  EXPECT_EQ(line.at("trace_id").as_string(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(frappe_line(record), frappe_line(complete()));
}

TEST(LogFormat, WritesNullForWhatIsNotThere) {
  ExchangeRecord record;
  record.reason = Reason::kBadRequestLine;
  const auto line = boost::json::parse(json_line(record)).as_object();
  EXPECT_TRUE(line.at("site").is_null());
  EXPECT_TRUE(line.at("tls").is_null());
  EXPECT_TRUE(line.at("server").is_null());
  EXPECT_TRUE(line.at("ms").as_object().at("connect").is_null());
  EXPECT_EQ(line.at("status").as_int64(), 0);
  EXPECT_EQ(line.at("reason").as_string(), "bad_request_line");
}

TEST(LogFormat, KeepsJsonValidWhateverAClientSent) {
  auto record = complete();
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  record.user_agent = every_byte;
  record.target = "/\"\\\n\t\x1f";
  const auto text = json_line(record);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  const auto line = boost::json::parse(text).as_object();
  EXPECT_EQ(line.at("path").as_string(), "/\"\\\n\t\x1f");
  const std::string_view agent = line.at("user_agent").as_string();
  EXPECT_EQ(agent.substr(0, 0x80), every_byte.substr(0, 0x80));
}

TEST(LogFormat, KeepsWellFormedUtf8AndReplacesTheRest) {
  auto record = complete();
  const auto agent = [&](std::string_view bytes) {
    record.user_agent = bytes;
    return std::string(boost::json::parse(json_line(record)).as_object().at("user_agent").as_string());
  };
  const std::string replaced = "\xef\xbf\xbd";
  EXPECT_EQ(agent("\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x89"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x89");
  EXPECT_EQ(agent("\xc0\xaf"), replaced + replaced);                                // overlong
  EXPECT_EQ(agent("\xe0\x80\xaf"), replaced + replaced + replaced);                 // overlong
  EXPECT_EQ(agent("\xed\xa0\x80"), replaced + replaced + replaced);                 // a surrogate
  EXPECT_EQ(agent("\xf4\x90\x80\x80"), replaced + replaced + replaced + replaced);  // beyond U+10FFFF
  EXPECT_EQ(agent("a\xe2\x82"), "a" + replaced + replaced);                         // cut off
  EXPECT_EQ(agent("\xe2\x82z"), replaced + replaced + "z");
}

TEST(LogFormat, WritesTheIncumbentsLine) {
  EXPECT_EQ(frappe_line(complete()),
            "203.0.113.9 - jane [22/Nov/2026:22:50:29 +0000] \"POST /api/method/ping?a=1 HTTP/1.1\" 200 4096 "
            "\"https://erp.acme.com/app\" \"curl/7.88.1\" \"10.0.0.1\" \"erp.acme.com\" 0.023\n");
}

TEST(LogFormat, WritesDashesForWhatIsNotThereAsNginxDoes) {
  ExchangeRecord record;
  record.client = "203.0.113.9";
  record.status = 400;
  EXPECT_EQ(frappe_line(record),
            "203.0.113.9 - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\" \"-\" \"-\" 0.000\n");
  record.status = 0;
  EXPECT_NE(frappe_line(record).find("\"-\" 000 0 "), std::string::npos);
}

TEST(LogFormat, EscapesAsNginxDoes) {
  auto record = complete();
  record.user_agent = "a\"b\\c\x01\n\x7f\xc3\xa4 d";
  EXPECT_NE(frappe_line(record).find("\"a\\x22b\\x5Cc\\x01\\x0A\\x7F\\xC3\\xA4 d\""), std::string::npos);
}

TEST(LogFormat, PrefersTheRequestLineAsSent) {
  auto record = complete();
  record.request_line = "GET http://erp.acme.com/ HTTP/1.1";
  EXPECT_NE(frappe_line(record).find("\"GET http://erp.acme.com/ HTTP/1.1\""), std::string::npos);
}

TEST(LogFormat, CountsSecondsOfLongRequests) {
  auto record = complete();
  record.timings.total = 3'601'002'999;
  EXPECT_NE(frappe_line(record).find("[22/Nov/2026:23:50:30 +0000]"), std::string::npos);
  EXPECT_TRUE(frappe_line(record).ends_with(" 3601.002\n"));
}

TEST(LogFormat, FollowsTheSecondsOfTheClock) {
  LogFormat formatter(Format::kJson);
  auto record = complete();
  EXPECT_NE(formatter.line(record).find("22:50:29.123Z"), std::string_view::npos);
  record.start_ms += 1'000;
  EXPECT_NE(formatter.line(record).find("22:50:30.123Z"), std::string_view::npos);
}

}  // namespace
}  // namespace hybridge
