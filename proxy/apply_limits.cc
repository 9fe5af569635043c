#include "proxy/apply_limits.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>

#include "proxy/worker.h"

namespace hybridge {

namespace {
using By = RuleLimit::By;

std::int64_t seconds_up(Duration duration) {
  return std::chrono::ceil<std::chrono::seconds>(duration).count();
}

template <class Text>
void append(Text& text, std::string_view piece) {
  text.append(piece.data(), piece.size());
}

template <class Text>
void append(Text& text, std::int64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  text.append(digits, static_cast<std::size_t>(end - digits));
}

// Of several limits the answer tells of the one that is nearest.
void note(Exchange& exchange, std::string_view name, const RuleLimit& limit, const RateTable::Verdict& verdict) {
  auto& told = exchange.ruled.limit;
  if (!told.policy.empty() && told.left <= verdict.left && !verdict.is_over) return;
  told.left = verdict.left;
  told.policy.clear();
  append(told.policy, "\"");
  append(told.policy, name);
  append(told.policy, "\"");
  told.state.assign(told.policy.data(), told.policy.size());
  append(told.policy, ";q=");
  append(told.policy, std::max<std::int64_t>(limit.requests, std::int64_t{limit.burst} + 1));
  append(told.policy, ";w=");
  append(told.policy, std::int64_t{limit.seconds});
  append(told.state, ";r=");
  append(told.state, std::int64_t{verdict.left});
  append(told.state, ";t=");
  append(told.state, seconds_up(verdict.is_over ? verdict.wait : verdict.until_full));
}

std::string sentence(std::string_view name, const RuleLimit& limit) {
  constexpr std::string_view kOf[] = {"to a site", "from an address", "from an address to a site"};
  return "the limit " + std::string(name) + " lets " + std::to_string(limit.requests) + " requests " +
         std::string(kOf[static_cast<std::size_t>(limit.by)]) + " through in " + std::to_string(limit.seconds) + " s";
}

bool is_about(const Exchange& exchange, const RuleLimit& limit) {
  if (limit.by != By::kAddress && exchange.route.site.empty()) return false;
  return limit.by == By::kSite || exchange.is_counted_by_address();
}

// nullopt: the limit says nothing of this request.
std::optional<RateTable::Verdict> take(Exchange& exchange, std::string_view name, const RuleLimit& limit) {
  if (exchange.is_counted || !is_about(exchange, limit)) return std::nullopt;
  auto& worker = exchange.worker;
  const auto verdict = worker.rate_limits().take(name, limit, exchange.route.site, exchange.client(),
                                                 worker.loop().now(), worker.key_scratch());
  if (verdict.is_over) worker.counters().rate_limited(limit.by, limit.dry_run);
  if (!limit.dry_run) return verdict;
  if (verdict.is_over && exchange.ruled.would_limit.empty()) exchange.ruled.would_limit = name;
  return std::nullopt;
}

Error refusal(Exchange& exchange, Reason reason, std::string_view name, const RuleLimit& limit,
              const RateTable::Verdict& verdict) {
  exchange.ruled.retry_after = std::chrono::ceil<std::chrono::seconds>(verdict.wait);
  return make_error(reason, sentence(name, limit));
}
}  // namespace

Result<void> apply_limit(Exchange& exchange, const Rule& rule, const RuleLimit& limit) {
  const auto verdict = take(exchange, rule.id, limit);
  if (!verdict) return {};
  note(exchange, rule.id, limit, *verdict);
  if (!verdict->is_over) return {};
  return refusal(exchange, Reason::kRuleLimited, rule.id, limit, *verdict);
}

Result<void> apply_configured_limits(Exchange& exchange) {
  for (const auto& [name, limit] : exchange.worker.config().rate_limits.all()) {
    if (limit->requests == 0) continue;
    const auto verdict = take(exchange, name, *limit);
    if (!verdict || !verdict->is_over) continue;
    note(exchange, name, *limit, *verdict);
    return refusal(exchange, Reason::kRateLimited, name, *limit, *verdict);
  }
  return {};
}

void tell_limit(Exchange& exchange) {
  exchange.is_counted = true;
  const auto& told = exchange.ruled.limit;
  if (told.policy.empty()) return;
  auto& headers = exchange.ruled.response_headers;
  headers.push_back({"RateLimit-Policy", {told.policy.data(), told.policy.size()}});
  headers.push_back({"RateLimit", {told.state.data(), told.state.size()}});
}

}  // namespace hybridge
