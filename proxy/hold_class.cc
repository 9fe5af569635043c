#include "proxy/hold_class.h"

#include <utility>

#include "proxy/http/normal_path.h"

namespace hybridge {

namespace {
using Treatment = HoldClass::Treatment;
using Field = RuleCondition::Field;

std::shared_ptr<const Rule> make_rule(std::size_t at, std::string name, std::vector<RuleCondition> conditions) {
  Rule rule;
  rule.id = "hold-class-" + std::to_string(at);
  rule.order = static_cast<std::uint32_t>(at);
  rule.conditions = std::move(conditions);
  rule.action = RuleClass{std::move(name)};
  return std::make_shared<const Rule>(std::move(rule));
}
}  // namespace

std::optional<HoldClass> hold_class(const Config::Holds& config, std::string_view name) {
  if (name == "navigation") return HoldClass{Treatment::kWait, config.max_wait.navigation};
  if (name == "api") return HoldClass{Treatment::kWait, config.max_wait.api};
  if (name == "asset" || name == "pass") return HoldClass{Treatment::kPass, {}};
  if (name == "socketio") return HoldClass{Treatment::kRefuse, {}};
  if (name != "ping") return std::nullopt;
  const bool passes = config.monitors == Config::Monitors::kPass;
  return HoldClass{passes ? Treatment::kPass : Treatment::kAnswer, {}};
}

Rules hold_class_rules(const Config::Holds& config) {
  Rules rules;
  for (const auto& given : config.classes) {
    std::vector<RuleCondition> conditions;
    if (!given.method.empty()) conditions.push_back({Field::kMethod, "", given.method});
    if (!given.path.empty()) conditions.push_back({Field::kPath, "", given.path});
    if (!given.header.empty()) conditions.push_back({Field::kHeader, given.header, given.value});
    rules.push_back(make_rule(rules.size() + 1, given.name, std::move(conditions)));
  }
  return rules;
}

HoldClass HoldClasses::of(const http::RequestHead& request, std::string_view named) {
  const auto& holds = config_->holds;
  if (!request.upgrade.empty()) return {Treatment::kRefuse, {}};
  if (const auto known = hold_class(holds, named)) return *known;
  return hold_class(holds, name_of(request)).value_or(HoldClass{Treatment::kWait, holds.max_wait.api});
}

std::string_view HoldClasses::name_of(const http::RequestHead& request) {
  if (!matcher_) {
    Faults faults;
    matcher_ = RuleMatcher::make(hold_class_rules(config_->holds), faults);
    if (!matcher_) return {};
  }
  matcher_->begin();
  matcher_->path(http::normal_path(request.path(), scratch_));
  matcher_->method(request.method_name);
  if (matcher_->asks_for_headers()) {
    for (const auto& header : request.headers) matcher_->header(header.name, header.value);
  }
  const auto& matches = matcher_->matches();
  return matches.empty() ? std::string_view{} : std::string_view(std::get<RuleClass>(matches.front()->action).name);
}

}  // namespace hybridge
