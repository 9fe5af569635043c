#include "proxy/apply_rules.h"

#include <vector>

#include "proxy/apply_limits.h"
#include "proxy/http/normal_path.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
std::string destination(Exchange& exchange, const Rule& rule, std::string_view path) {
  auto to = exchange.worker.rules()->destination(rule, path);
  const auto query = exchange.request().target.find('?');
  if (query != std::string_view::npos && to.find('?') == std::string::npos)
    to += exchange.request().target.substr(query);
  return to;
}

// kOk: the next rule is asked.
Result<void> apply(Exchange& exchange, const Rule& rule, std::string_view path) {
  auto& ruled = exchange.ruled;
  if (const auto* named = std::get_if<RuleClass>(&rule.action)) {
    if (ruled.request_class.empty()) ruled.request_class = named->name;
  } else if (const auto* header = std::get_if<RuleHeader>(&rule.action)) {
    ruled.headers.push_back(header);
  } else if (const auto* denial = std::get_if<RuleDenial>(&rule.action)) {
    ruled.status = denial->status;
    return make_error(Reason::kRuleDenied, denial->message);
  } else if (const auto* redirect = std::get_if<RuleRedirect>(&rule.action)) {
    ruled.status = redirect->status;
    ruled.location = destination(exchange, rule, path);
    return make_error(Reason::kRuleRedirect);
  } else if (const auto* limit = std::get_if<RuleLimit>(&rule.action)) {
    return apply_limit(exchange, rule, *limit);
  }
  return {};
}

Result<void> apply_matching(Exchange& exchange) {
  auto* matcher = exchange.worker.rules();
  if (!matcher) return {};
  const auto& request = exchange.request();
  const auto path = http::normal_path(request.path(), exchange.worker.scratch());
  const auto errors = matcher->errors();
  matcher->begin();
  matcher->host(request.host);
  matcher->path(path);
  matcher->method(request.method_name);
  if (matcher->asks_for_headers()) {
    for (const auto& header : request.headers) matcher->header(header.name, header.value);
  }
  exchange.worker.counters().rule_errors.add(matcher->errors() - errors);
  for (const auto* rule : matcher->matches()) {
    exchange.ruled.rule = rule->id;
    if (auto applied = apply(exchange, *rule, path); !applied) return applied;
  }
  return {};
}

std::vector<http::ExtraHeader>& extra_headers(Exchange& exchange, bool on_response) {
  auto& headers = exchange.worker.extra_headers();
  headers.clear();
  for (const auto* header : exchange.ruled.headers) {
    if (header->on_response == on_response) headers.push_back({header->name, header->value});
  }
  return headers;
}
}  // namespace

Result<void> apply_rules(Exchange& exchange) {
  auto outcome = apply_matching(exchange);
  if (outcome) outcome = apply_configured_limits(exchange);
  exchange.is_counted = true;
  return outcome;
}

std::span<const http::ExtraHeader> extra_request_headers(Exchange& exchange) {
  if (exchange.ruled.headers.empty()) return {};
  return extra_headers(exchange, false);
}

std::span<const http::ExtraHeader> extra_response_headers(Exchange& exchange) {
  if (exchange.ruled.headers.empty() && exchange.ruled.limit.name.empty()) return {};
  auto& headers = extra_headers(exchange, true);
  tell_limit(exchange, headers);
  return headers;
}

}  // namespace hybridge
