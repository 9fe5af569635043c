#include "routing/rule_json.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>
#include <tuple>

#include "base/host_name.h"
#include "routing/json_reader.h"
#include "routing/record_reader.h"
#include "routing/rule_matcher.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxHeaderValue = 1024;
constexpr std::size_t kMaxConditions = 32;
constexpr std::uint32_t kMaxOrder = 1'000'000;
constexpr std::uint32_t kMaxRequests = 1'000'000;

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name(std::string_view text, std::string_view also) {
  return !text.empty() && text.size() <= kMaxName && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_letter_or_digit(c) || also.find(c) != std::string_view::npos;
  });
}

// RFC 9110 5.6.2.
bool is_field_name(std::string_view text) {
  return is_name(text, "!#$%&'*+-.^_`|~");
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

// Fields that frame a message, or that we set ourselves: a rule for them would break what others rely on.
bool is_ours(std::string_view name, bool on_response) {
  constexpr std::array<std::string_view, 9> kFraming = {
      "connection", "keep-alive",     "te",   "trailer",     "transfer-encoding",
      "upgrade",    "content-length", "host", "x-request-id"};
  constexpr std::array<std::string_view, 6> kRequest = {"x-real-ip", "x-client-port", "traceparent",
                                                        "forwarded", "expect",        "x-frappe-site-name"};
  const auto is_in = [&](const auto& list) { return std::find(list.begin(), list.end(), name) != list.end(); };
  if (is_in(kFraming) || name.starts_with("proxy-") || name.starts_with("x-hybridge-")) return true;
  if (on_response) return name == "x-proxy-upstream";
  return is_in(kRequest) || name.starts_with("x-forwarded-");
}

void read_condition(RuleCondition condition, const json::value& value, const std::string& path, Rule& rule,
                    Faults& faults) {
  const auto* text = value.if_string();
  if (!text) return faults.add(path, "must be a string: a pattern of RE2");
  condition.pattern = std::string(*text);
  if (auto fault = pattern_fault(condition.pattern)) return faults.add(path, std::move(*fault));
  rule.conditions.push_back(std::move(condition));
}

void read_match(const json::object& object, Rule& rule, const std::string& path, Faults& faults) {
  using Field = RuleCondition::Field;
  const auto where = json_path(path, "match");
  const auto* member = object.if_contains("match");
  if (!member) return faults.add(where, R"(is missing: {"host","path","method","header"}, each of them or none)");
  const auto* match = take_object(*member, where, faults);
  if (!match) return;
  refuse_unknown_keys(*match, {"host", "path", "method", "header"}, where, faults);
  constexpr std::array<std::pair<const char*, Field>, 3> kFields = {
      {{"host", Field::kHost}, {"path", Field::kPath}, {"method", Field::kMethod}}};
  for (const auto& [key, field] : kFields) {
    const auto* value = match->if_contains(key);
    if (value) read_condition({field, {}, {}}, *value, json_path(where, key), rule, faults);
  }
  const auto* fields = match->if_contains("header");
  if (!fields) return;
  const auto here = json_path(where, "header");
  const auto* headers = take_object(*fields, here, faults);
  if (!headers) return;
  if (headers->size() > kMaxConditions) return faults.add(here, "has more than 32 fields");
  std::set<std::string> seen;
  for (const auto& header : *headers) {
    const auto there = json_path(here, header.key());
    auto name = lower(header.key());
    if (!is_field_name(name)) {
      faults.add(there, "is no name of a header field");
    } else if (!seen.insert(name).second) {
      faults.add(there, "is there twice");
    } else {
      read_condition({Field::kHeader, std::move(name), {}}, header.value(), there, rule, faults);
    }
  }
  // As they are written: one order, or a rule would differ from itself after a restart.
  const auto first = std::find_if(rule.conditions.begin(), rule.conditions.end(),
                                  [](const auto& condition) { return condition.field == Field::kHeader; });
  std::sort(first, rule.conditions.end(), [](const auto& a, const auto& b) { return a.header < b.header; });
}

RuleRedirect read_redirect(const json::object& object, const Rule& rule, const std::string& path, Faults& faults) {
  RuleRedirect redirect;
  refuse_unknown_keys(object, {"to", "status"}, path, faults);
  redirect.to = std::string(take_string(object, "to", path, faults).value_or(""));
  const auto where = json_path(path, "to");
  const bool is_path = redirect.to.starts_with('/') && !redirect.to.starts_with("//");
  if (!is_path && !redirect.to.starts_with("https://") && !redirect.to.starts_with("http://")) {
    faults.add(where, "must begin with https://, http:// or a single /");
  } else if (redirect.to.size() > kMaxHeaderValue || has_control_character(redirect.to) ||
             redirect.to.find(' ') != std::string::npos) {
    faults.add(where, "must have no spaces or control characters, and 1024 bytes at most");
  }
  if (redirect.to.find('\\') != std::string::npos) {
    const bool has_path = std::any_of(rule.conditions.begin(), rule.conditions.end(), [](const auto& condition) {
      return condition.field == RuleCondition::Field::kPath;
    });
    if (!has_path) faults.add(where, "takes a part of the path, but match.path is not there");
    // Where the host ends must be written out: else a path could name another one.
    const auto scheme = redirect.to.find("://");
    const auto host_ends = scheme == std::string::npos ? 0 : redirect.to.find('/', scheme + 3);
    if (redirect.to.find('\\') < host_ends) faults.add(where, "may take parts of the path behind the host only");
    if (redirect.to.starts_with("/\\")) faults.add(where, "must not take its first part from the path");
  }
  redirect.status = static_cast<std::uint16_t>(take_number(object, "status", 301, 308, path, faults).value_or(308));
  if (redirect.status > 303 && redirect.status < 307) {
    faults.add(json_path(path, "status"), "must be 301, 302, 303, 307 or 308");
  }
  return redirect;
}

RuleDenial read_denial(const json::object& object, const std::string& path, Faults& faults) {
  RuleDenial denial;
  refuse_unknown_keys(object, {"status", "message"}, path, faults);
  denial.status = static_cast<std::uint16_t>(take_number(object, "status", 400, 599, path, faults).value_or(403));
  denial.message = std::string(take_string(object, "message", path, faults).value_or(""));
  if (denial.message.size() > kMaxHeaderValue || has_control_character(denial.message)) {
    faults.add(json_path(path, "message"), "must have no control characters, and 1024 bytes at most");
  }
  return denial;
}

RuleHeader read_header(const json::object& object, const std::string& path, Faults& faults) {
  RuleHeader header;
  refuse_unknown_keys(object, {"name", "value", "on"}, path, faults);
  const auto on = take_string(object, "on", path, faults).value_or("request");
  header.on_response = on == "response";
  if (on != "request" && on != "response") {
    faults.add(json_path(path, "on"), in_quotes(on) + R"( is neither "request" nor "response")");
  }
  header.name = std::string(take_string(object, "name", path, faults).value_or(""));
  if (!is_field_name(header.name)) {
    faults.add(json_path(path, "name"), in_quotes(header.name) + " is no name of a header field");
  } else if (is_ours(lower(header.name), header.on_response)) {
    faults.add(json_path(path, "name"), in_quotes(header.name) + " is set by Hybridge itself or frames the message");
  }
  header.value = std::string(take_string(object, "value", path, faults).value_or(""));
  if (!object.contains("value")) faults.add(json_path(path, "value"), "is missing");
  if (header.value.size() > kMaxHeaderValue || has_control_character(header.value)) {
    faults.add(json_path(path, "value"), "must have no control characters, and 1024 bytes at most");
  }
  return header;
}

std::optional<RuleLimit::By> limit_key(std::string_view word) {
  for (const auto by : {RuleLimit::By::kSite, RuleLimit::By::kAddress, RuleLimit::By::kBoth}) {
    if (to_string(by) == word) return by;
  }
  return std::nullopt;
}

RuleLimit read_limit(const json::object& object, const std::string& path, Faults& faults) {
  RuleLimit limit;
  refuse_unknown_keys(object, {"requests", "per", "burst", "by", "dry_run"}, path, faults);
  const auto requests = take_number(object, "requests", 1, kMaxRequests, path, faults);
  if (!requests && !object.contains("requests")) faults.add(json_path(path, "requests"), "is missing");
  limit.requests = requests.value_or(1);
  const auto per = take_string(object, "per", path, faults).value_or("second");
  if (per == "minute") {
    limit.seconds = 60;
  } else if (per == "hour") {
    limit.seconds = 3600;
  } else if (per != "second") {
    faults.add(json_path(path, "per"), in_quotes(per) + " is none of second, minute, hour");
  }
  limit.burst = take_number(object, "burst", 0, kMaxRequests, path, faults).value_or(0);
  const auto by = take_string(object, "by", path, faults).value_or("site");
  if (const auto known = limit_key(by)) {
    limit.by = *known;
  } else {
    faults.add(json_path(path, "by"), in_quotes(by) + " is none of site, address, both");
  }
  limit.dry_run = take_bool(object, "dry_run", path, faults).value_or(false);
  return limit;
}

void read_action(const json::object& object, Rule& rule, const std::string& path, Faults& faults) {
  constexpr std::array<const char*, 5> kActions = {"redirect", "deny", "class", "header", "limit"};
  const char* action = nullptr;
  for (const auto* known : kActions) {
    if (!object.contains(known)) continue;
    if (action)
      return faults.add(path, std::string("has both ") + action + " and " + known + ": a rule does one thing");
    action = known;
  }
  if (!action) return faults.add(path, "does nothing: give it one of redirect, deny, class, header, limit");
  const auto where = json_path(path, action);
  const std::string_view name = action;
  if (name == "class") {
    RuleClass made{std::string(take_string(object, "class", path, faults).value_or(""))};
    if (!is_name(made.name, "-_")) faults.add(where, "must be letters, digits, - and _, 64 at most");
    rule.action = std::move(made);
    return;
  }
  const auto* member = take_object(*object.if_contains(action), where, faults);
  if (!member) return;
  if (name == "redirect") rule.action = read_redirect(*member, rule, where, faults);
  if (name == "deny") rule.action = read_denial(*member, where, faults);
  if (name == "header") rule.action = read_header(*member, where, faults);
  if (name == "limit") rule.action = read_limit(*member, where, faults);
}

// Writes the value as JSON with sorted keys.
json::object to_json(const Rule& rule) {
  json::object match, headers;
  for (const auto& condition : rule.conditions) {
    constexpr std::array<const char*, 3> kFields = {"host", "path", "method"};
    if (condition.field == RuleCondition::Field::kHeader) {
      headers[condition.header] = condition.pattern;
    } else {
      match[kFields[static_cast<std::size_t>(condition.field)]] = condition.pattern;
    }
  }
  if (!headers.empty()) match["header"] = std::move(headers);
  json::object value{{"order", rule.order}, {"match", std::move(match)}};
  if (const auto* redirect = std::get_if<RuleRedirect>(&rule.action)) {
    value["redirect"] = {{"to", redirect->to}, {"status", redirect->status}};
  } else if (const auto* denial = std::get_if<RuleDenial>(&rule.action)) {
    json::object deny{{"status", denial->status}};
    if (!denial->message.empty()) deny["message"] = denial->message;
    value["deny"] = std::move(deny);
  } else if (const auto* named = std::get_if<RuleClass>(&rule.action)) {
    value["class"] = named->name;
  } else if (const auto* header = std::get_if<RuleHeader>(&rule.action)) {
    value["header"] = {
        {"name", header->name}, {"value", header->value}, {"on", header->on_response ? "response" : "request"}};
  } else if (const auto* limit = std::get_if<RuleLimit>(&rule.action)) {
    const char* per = limit->seconds == 1 ? "second" : limit->seconds == 60 ? "minute" : "hour";
    json::object written{{"requests", limit->requests}, {"per", per}, {"burst", limit->burst}};
    if (limit->by != RuleLimit::By::kSite) written["by"] = to_string(limit->by);
    if (limit->dry_run) written["dry_run"] = true;
    value["limit"] = std::move(written);
  }
  return value;
}
}  // namespace

std::string_view to_string(RuleLimit::By by) {
  constexpr std::array<std::string_view, 3> kWords = {"site", "address", "both"};
  return kWords[static_cast<std::size_t>(by)];
}

Result<std::string> normalize_rule_id(std::string_view id) {
  if (is_name(id, "-_.")) return std::string(id);
  return make_error(Reason::kInvalid,
                    in_quotes(id) + " is no rule's id: letters, digits, -, _ and . are taken, 64 at most");
}

std::optional<ReadRule> read_rule(std::string_view id, const json::value& value, const std::string& path,
                                  Faults& faults) {
  const auto before = faults.count();
  const auto* object = take_object(value, path, faults);
  if (!object) return std::nullopt;
  refuse_unknown_keys(*object, {"id", "order", "match", "redirect", "deny", "class", "header", "limit"}, path, faults);
  ReadRule read;
  read.rule.id = std::string(id);
  const auto said = take_string(*object, "id", path, faults);
  if (said && *said != id) {
    faults.add(json_path(path, "id"), in_quotes(*said) + " is another rule than " + in_quotes(id));
  }
  const auto order = take_number(*object, "order", 0, kMaxOrder, path, faults);
  read.says_order = order.has_value();
  read.rule.order = order.value_or(0);
  read_match(*object, read.rule, path, faults);
  read_action(*object, read.rule, path, faults);
  if (faults.count() != before) return std::nullopt;
  return read;
}

Rules read_rules(const json::value& value, const std::string& path, Faults& faults) {
  const auto before = faults.count();
  Rules rules;
  const auto* list = value.if_array();
  if (!list) {
    faults.add(path, "must be a list");
    return rules;
  }
  if (list->size() > kMaxRules) {
    faults.add(path, "has more than " + std::to_string(kMaxRules) + " rules");
    return rules;
  }
  std::set<std::string> seen;
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto here = path + "[" + std::to_string(i) + "]";
    const auto* object = take_object((*list)[i], here, faults);
    if (!object) continue;
    const auto text = take_string(*object, "id", here, faults);
    const auto id = normalize_rule_id(text.value_or(""));
    if (!id) {
      faults.add(json_path(here, "id"), id.error().detail);
      continue;
    }
    if (!seen.insert(*id).second) {
      faults.add(json_path(here, "id"), in_quotes(*id) + " is there already");
      continue;
    }
    auto read = read_rule(*id, (*list)[i], here, faults);
    if (!read) continue;
    if (!read->says_order) read->rule.order = std::min(last + kRuleOrderStep, kMaxOrder);
    const bool is_behind =
        rules.empty() || std::tie(last, rules.back()->id) < std::tie(read->rule.order, read->rule.id);
    if (!is_behind) {
      faults.add(json_path(here, "order"), "comes before the rule listed before it: list rules by order, then by id");
    }
    last = read->rule.order;
    rules.push_back(std::make_shared<const Rule>(std::move(read->rule)));
  }
  if (faults.count() == before) RuleMatcher::make(rules, faults);
  return rules;
}

std::string write_rule(const Rule& rule, bool with_id) {
  auto value = to_json(rule);
  if (with_id) value["id"] = rule.id;
  std::string out;
  append_sorted_json(out, value);
  return out;
}

std::uint32_t order_for(const Rules& rules, std::string_view id) {
  for (const auto& rule : rules) {
    if (rule->id == id) return rule->order;
  }
  const auto last = rules.empty() ? 0 : rules.back()->order;
  return std::min(last + kRuleOrderStep, kMaxOrder);
}

}  // namespace hybridge
