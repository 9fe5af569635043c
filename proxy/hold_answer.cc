#include "proxy/hold_answer.h"

#include <algorithm>
#include <string>

#include "proxy/http/escape.h"

namespace hybridge {

namespace {
using std::chrono::seconds;

constexpr seconds kSoonest{5};
constexpr seconds kLatest{300};
constexpr std::uint64_t kSpread = 11;
constexpr std::string_view kSentence = "This site is being updated. Please try again in a moment.";

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"").append(name).append("\":\"");
  http::append_json_escaped(out, value);
  out += '"';
}

// RFC 9457, and beside it what Frappe answers itself while a site is in maintenance: desk shows `_server_messages`
// (JSON texts in a JSON text), clients of its API version 2 read `errors`.
std::string problem(const Error& error, std::string_view request_id, seconds retry_after) {
  std::string message = R"({"title":"Updating","indicator":"orange","message":")";
  http::append_json_escaped(message, kSentence);
  message += "\"}";
  std::string messages = "[\"";
  http::append_json_escaped(messages, message);
  messages += "\"]";

  std::string out = R"({"type":"about:blank","title":"Service Unavailable","status":)";
  out += std::to_string(http::status_of(error.reason));
  append_member(out, "code", code(error.reason));
  append_member(out, "detail", error.detail);
  append_member(out, "request_id", request_id);
  out += ",\"retry_after\":" + std::to_string(retry_after.count());
  append_member(out, "exc_type", "SessionStopped");
  append_member(out, "_server_messages", messages);
  out += R"(,"errors":[{"type":"SessionStopped")";
  append_member(out, "message", kSentence);
  out += "}]}\n";
  return out;
}
}  // namespace

bool is_hold_answer(Reason reason) {
  return reason == Reason::kHoldDeadline || reason == Reason::kHoldFull || reason == Reason::kHoldPaged ||
         reason == Reason::kHoldRefused || reason == Reason::kHoldPong;
}

seconds retry_after(std::optional<std::chrono::milliseconds> left, std::uint64_t random) {
  const auto soonest = left ? std::max(std::chrono::ceil<seconds>(*left), kSoonest) : kSoonest;
  return std::min(soonest, kLatest) + seconds(random % kSpread);
}

http::Answer make_hold_answer(const http::Pages& pages, const Error& error, bool html, std::string_view request_id,
                              seconds retry_after) {
  if (error.reason == Reason::kHoldPong) return {200, "application/json", "{\"message\":\"pong\"}\n"};
  if (html) return http::make_answer(pages, error, true, request_id);
  return {http::status_of(error.reason), "application/problem+json", problem(error, request_id, retry_after)};
}

}  // namespace hybridge
