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

void append(std::string& text, std::int64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  text.append(digits, static_cast<std::size_t>(end - digits));
}

// Of several limits the answer tells of the one that is nearest.
void note(Exchange& exchange, std::string_view name, const RuleLimit& limit, const RateTable::Verdict& verdict) {
  auto& told = exchange.ruled.limit;
  if (!told.name.empty() && told.left <= verdict.left && !verdict.is_over) return;
  told = {.name = name,
          .most = std::max<std::int64_t>(limit.requests, std::int64_t{limit.burst} + 1),
          .seconds = limit.seconds,
          .left = verdict.left,
          .reset = seconds_up(verdict.is_over ? verdict.wait : verdict.until_full)};
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
                                                 worker.loop().now(), worker.limit_scratch());
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

void tell_limit(Exchange& exchange, std::vector<http::ExtraHeader>& headers) {
  const auto& limit = exchange.ruled.limit;
  if (limit.name.empty()) return;
  auto& text = exchange.worker.limit_scratch();
  text.assign(1, '"').append(limit.name).append("\";q=");
  append(text, limit.most);
  text.append(";w=");
  append(text, limit.seconds);
  const auto policy = text.size();
  text.append(1, '"').append(limit.name).append("\";r=");
  append(text, limit.left);
  text.append(";t=");
  append(text, limit.reset);
  const std::string_view both = text;
  headers.push_back({"RateLimit-Policy", both.substr(0, policy)});
  headers.push_back({"RateLimit", both.substr(policy)});
}

}  // namespace hybridge
