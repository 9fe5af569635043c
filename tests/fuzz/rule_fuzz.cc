// Any JSON as rules, and any request to match them with. What must hold: rules are accepted or refused with a path and
// a sentence; what is accepted is written so that it reads the same again; the matcher finds what each condition,
// searched for by itself, finds; a redirect cannot leave the host that the operator wrote.
//
// The input is the rules' JSON, a line feed, and the request's host, path and a header's value, a line each.
#include <re2/re2.h>

#include <array>
#include <boost/json/parse.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/normal_path.h"
#include "routing/rule_json.h"
#include "routing/rule_matcher.h"
#include "tests/fuzz/demand.h"

namespace hybridge {
namespace {

using test::demand;

struct Request {
  std::string_view host;
  std::string_view path;
  std::string_view value;  // of X-A
};

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return line;
}

// Newer versions of RE2 have a string_view of their own under this name.
bool matches(std::string_view text, const re2::RE2& pattern) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool holds(const RuleCondition& condition, const Request& request, std::string_view path) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_dot_nl(true);
  const re2::RE2 pattern(condition.pattern, options);
  demand(pattern.ok(), "an accepted pattern is one");
  switch (condition.field) {
    case RuleCondition::Field::kHost:
      return matches(request.host, pattern);
    case RuleCondition::Field::kPath:
      return matches(path, pattern);
    case RuleCondition::Field::kMethod:
      return matches("GET", pattern);
    case RuleCondition::Field::kHeader:
      return condition.header == "x-a" && matches(request.value, pattern);
  }
  return false;
}

void check_destination(const RuleMatcher& matcher, const Rule& rule, std::string_view path) {
  const auto* redirect = std::get_if<RuleRedirect>(&rule.action);
  if (!redirect) return;
  const auto to = matcher.destination(rule, path);
  for (const char c : to) demand(static_cast<unsigned char>(c) > 0x20 && c != 0x7f, "a Location is one word");
  const auto scheme = redirect->to.find("://");
  const auto host_end = scheme == std::string::npos ? 1 : redirect->to.find('/', scheme + 3);
  const auto kept = redirect->to.substr(0, host_end);
  demand(to.starts_with(kept), "a redirect stays at the host that was written");
  demand(!to.starts_with("//") && !to.starts_with("/\\"), "and does not begin another one");
}

void check_matches(RuleMatcher& matcher, const Rules& rules, const Request& request) {
  std::string scratch;
  const auto path = http::normal_path(request.path, scratch);
  const auto errors = matcher.errors();
  matcher.begin();
  matcher.host(request.host);
  matcher.path(path);
  matcher.method("GET");
  matcher.header("X-A", request.value);
  const auto matches = matcher.matches();
  if (matcher.errors() != errors) return;  // it could not finish, and says so
  std::size_t found = 0;
  for (const auto& rule : rules) {
    bool all = true;
    for (const auto& condition : rule->conditions) all = all && holds(condition, request, path);
    const bool is_found = found < matches.size() && matches[found] == rule.get();
    demand(all == is_found, "the matcher finds what single searches find");
    if (is_found) ++found;
    if (is_found) check_destination(matcher, *rule, path);
  }
  demand(found == matches.size(), "and nothing else");
}

void check(std::string_view text) {
  const auto rules_text = take_line(text);
  boost::system::error_code failed;
  const auto value = boost::json::parse(rules_text, failed);
  if (failed) return;
  Faults faults;
  const auto rules = read_rules(value, "rules", faults);
  if (faults.count() > 0) {
    demand(!faults.kept().empty() && !faults.kept().front().message.empty(), "a refusal says why");
    return;
  }
  std::string written = "[";
  for (const auto& rule : rules) written += (written.size() > 1 ? "," : "") + write_rule(*rule, true);
  written += "]";
  Faults none;
  const auto again = read_rules(boost::json::parse(written), "rules", none);
  demand(none.count() == 0 && again.size() == rules.size(), "what is accepted is accepted again");
  for (std::size_t i = 0; i < rules.size(); ++i) demand(*again[i] == *rules[i], "and means the same");
  auto matcher = RuleMatcher::make(rules, none);
  demand(matcher != nullptr, "what is accepted can be made ready");
  Request request;
  request.host = take_line(text);
  request.path = take_line(text);
  request.value = take_line(text);
  check_matches(*matcher, rules, request);
}

}  // namespace
}  // namespace hybridge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 16 * 1024) hybridge::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
