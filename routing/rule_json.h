// Rules as JSON ⇄ Rule:
//
//   {"order":10,"match":{"host":RE2,"path":RE2,"method":RE2,"header":{NAME:RE2}},
//    "redirect":{"to":URL,"status":308} | "deny":{"status":403,"message":TEXT} | "class":NAME |
//    "header":{"name":NAME,"value":TEXT,"on":"request"|"response"} |
//    "limit":{"requests":N,"per":"second"|"minute"|"hour","burst":N}}
//
// In a document's list each has its "id" too. Faults as in routing/snapshot_json.h; a pattern's says where in it.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "routing/fault.h"
#include "routing/rule.h"

namespace hybridge {

// A rule's name: letters, digits, `-`, `_`, `.`; 64 at most. kInvalid says so.
Result<std::string> normalize_rule_id(std::string_view id);

struct ReadRule {
  Rule rule;
  bool says_order = false;  // else whoever knows the other rules gives it one
};
// nullopt: there are faults. `has_id`: a member of a document's list, which says its own name.
std::optional<ReadRule> read_rule(std::string_view id, const boost::json::value& value, const std::string& path,
                                  Faults& faults);

// A document's list: who does not say its order comes after the one before it.
Rules read_rules(const boost::json::value& value, const std::string& path, Faults& faults);

// `with_id`: as in a document's list.
std::string write_rule(const Rule& rule, bool with_id = false);

// Where a new rule without an order goes: behind all others; a known one stays where it is.
std::uint32_t order_for(const Rules& rules, std::string_view id);

}  // namespace hybridge
