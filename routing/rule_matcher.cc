#include "routing/rule_matcher.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <array>

#include "base/host_name.h"

namespace hybridge {

namespace {
constexpr std::size_t kMaxPatternBytes = 1024;
// Steps are what a byte of a request can cost at worst, a few nanoseconds each: most patterns make ten or twenty.
constexpr int kMaxProgram = 512;                             // of one pattern
constexpr int kMaxFieldProgram = 32 * 1024;                  // of all patterns of a field
constexpr std::int64_t kPatternMemory = 1 << 20;             // bytes
constexpr std::int64_t kSetMemory = std::int64_t{16} << 20;  // of all patterns of a field, with their automaton

// Bytes, not characters: a request may hold anything, and what is not UTF-8 must not slip through a denial.
RE2::Options options(std::int64_t memory) {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_dot_nl(true);
  options.set_log_errors(false);
  options.set_max_mem(memory);
  return options;
}

bool is_captured(std::string_view to) {
  return to.find('\\') != std::string_view::npos;
}

bool equal_lower(std::string_view lower, std::string_view text) {
  return lower.size() == text.size() && std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b | 0x20) : b);
         });
}

void append_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view kPlain = "-._~/!$&'()*+,;=:@";
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       kPlain.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}
}  // namespace

std::optional<std::string> pattern_fault(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return "has " + std::to_string(pattern.size()) + " bytes, of a pattern's " + std::to_string(kMaxPatternBytes);
  }
  const RE2 compiled(re2::StringPiece(pattern.data(), pattern.size()), options(kPatternMemory));
  if (!compiled.ok()) {
    auto message = "is no pattern of RE2: " + compiled.error();
    const auto at = compiled.error_arg().empty() ? std::string_view::npos : pattern.find(compiled.error_arg());
    if (at != std::string_view::npos) message += ", at byte " + std::to_string(at + 1);
    return message;
  }
  if (compiled.ProgramSize() > kMaxProgram) {
    return "is too costly: it makes " + std::to_string(compiled.ProgramSize()) + " steps of " +
           std::to_string(kMaxProgram) + " (repetitions such as {1,1000} are the usual reason)";
  }
  return std::nullopt;
}

struct RuleMatcher::Field {
  RE2::Set patterns{options(kSetMemory), RE2::UNANCHORED};
  std::vector<std::uint32_t> conditions;  // of each pattern
  int steps = 0;
};

RuleMatcher::RuleMatcher(Rules rules) : rules_(std::move(rules)) {}

RuleMatcher::~RuleMatcher() = default;

std::unique_ptr<RuleMatcher> RuleMatcher::make(Rules rules, Faults& faults) {
  std::unique_ptr<RuleMatcher> matcher(new RuleMatcher(std::move(rules)));
  return matcher->compile(faults) ? std::move(matcher) : nullptr;
}

bool RuleMatcher::compile(Faults& faults) {
  const auto before = faults.count();
  captures_.resize(rules_.size());
  for (std::uint32_t index = 0; index < rules_.size(); ++index) {
    const auto& rule = *rules_[index];
    const auto* redirect = std::get_if<RuleRedirect>(&rule.action);
    unmet_.push_back(static_cast<std::uint16_t>(rule.conditions.size()));
    for (const auto& condition : rule.conditions) {
      auto* field = &path_;
      if (condition.field == RuleCondition::Field::kHost) field = &host_;
      if (condition.field == RuleCondition::Field::kMethod) field = &method_;
      if (condition.field == RuleCondition::Field::kHeader) {
        auto known = std::find_if(headers_.begin(), headers_.end(),
                                  [&](const auto& header) { return header.first == condition.header; });
        if (known == headers_.end()) known = headers_.insert(known, {condition.header, nullptr});
        field = &known->second;
      }
      if (!*field) *field = std::make_unique<Field>();
      std::string error;
      const RE2 alone(condition.pattern, options(kPatternMemory));
      (*field)->steps += std::max(alone.ProgramSize(), 0);
      if ((*field)->patterns.Add(condition.pattern, &error) < 0) {
        faults.add("rules[" + in_quotes(rule.id) + "]", "is no pattern of RE2: " + error);
      }
      (*field)->conditions.push_back(static_cast<std::uint32_t>(conditions_.size()));
      conditions_.push_back({index, false});
      if (redirect && is_captured(redirect->to) && condition.field == RuleCondition::Field::kPath) {
        captures_[index] = std::make_unique<RE2>(condition.pattern, options(kPatternMemory));
      }
    }
  }
  if (faults.count() != before) return false;
  const auto finish = [&](const std::unique_ptr<Field>& field, const std::string& name) {
    if (field && field->steps > kMaxFieldProgram) {
      faults.add("rules", "all patterns for the " + name + " together make more than " +
                              std::to_string(kMaxFieldProgram) + " steps, the most that are searched at once");
    } else if (field && !field->patterns.Compile()) {
      faults.add("rules", "all patterns for the " + name + " together are more than can be matched at once");
    }
  };
  finish(host_, "host");
  finish(path_, "path");
  finish(method_, "method");
  for (const auto& [name, field] : headers_) finish(field, "header field " + name);
  return faults.count() == before;
}

void RuleMatcher::begin() {
  for (const auto condition : touched_) {
    conditions_[condition].is_met = false;
    ++unmet_[conditions_[condition].rule];
  }
  touched_.clear();
}

void RuleMatcher::header(std::string_view name, std::string_view value) {
  for (auto& [known, field] : headers_) {
    if (equal_lower(known, name)) return search(field, value);
  }
}

void RuleMatcher::search(std::unique_ptr<Field>& field, std::string_view text) {
  if (!field) return;
  RE2::Set::ErrorInfo error{RE2::Set::kNoError};
  if (field->patterns.Match(re2::StringPiece(text.data(), text.size()), &found_, &error)) {
    for (const auto pattern : found_) meet(field->conditions[static_cast<std::size_t>(pattern)]);
    return;
  }
  if (error.kind == RE2::Set::kNoError) return;
  ++errors_;
  for (const auto condition : field->conditions) {
    if (std::holds_alternative<RuleDenial>(rules_[conditions_[condition].rule]->action)) meet(condition);
  }
}

void RuleMatcher::meet(std::uint32_t condition) {
  auto& [rule, is_met] = conditions_[condition];
  if (is_met) return;
  is_met = true;
  --unmet_[rule];
  touched_.push_back(condition);
}

const std::vector<const Rule*>& RuleMatcher::matches() {
  matches_.clear();
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    if (unmet_[rule] == 0) matches_.push_back(rules_[rule].get());
  }
  return matches_;
}

std::string RuleMatcher::destination(const Rule& rule, std::string_view path) const {
  const auto& to = std::get<RuleRedirect>(rule.action).to;
  const auto at = std::find_if(rules_.begin(), rules_.end(), [&](const auto& known) { return known.get() == &rule; });
  const auto* capture = at == rules_.end() ? nullptr : captures_[static_cast<std::size_t>(at - rules_.begin())].get();
  if (!capture) return to;
  std::array<re2::StringPiece, 10> groups;
  const re2::StringPiece text(path.data(), path.size());
  const int count = std::min(10, capture->NumberOfCapturingGroups() + 1);
  if (!capture->Match(text, 0, text.size(), RE2::UNANCHORED, groups.data(), count)) return to;
  std::string out;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const bool names_group = to[i] == '\\' && i + 1 < to.size() && to[i + 1] >= '0' && to[i + 1] <= '9';
    if (!names_group) {
      out += to[i];
      continue;
    }
    const auto& group = groups[static_cast<std::size_t>(to[++i] - '0')];
    append_encoded(out, {group.data(), group.size()});
  }
  return out;
}

}  // namespace hybridge
