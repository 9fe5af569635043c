// Rules made ready to be matched: one RE2::Set a field, so that a request's host, path, method and header values are
// each read once, whatever the number of rules; conditions are combined after.
//
// One thread at a time: a worker has its own, because a Set's automaton is built as it is used, under a lock. The
// rules it was made of outlive it through shared ownership. Memory is bounded; a Set that reaches its bound cannot
// tell what matches: then denials hold and nothing else does, and errors() counts it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/fault.h"
#include "routing/rule.h"

namespace re2 {
class RE2;
}

namespace hybridge {

// What is wrong with a pattern, and where in it; nullopt: it can be matched at a bounded cost.
std::optional<std::string> pattern_fault(std::string_view pattern);

class RuleMatcher {
 public:
  // nullptr and a fault: all patterns of a field together are more than a Set can hold.
  static std::unique_ptr<RuleMatcher> make(Rules rules, Faults& faults);
  ~RuleMatcher();
  RuleMatcher(const RuleMatcher&) = delete;

  // For each request: begin(), every field that there is, then matches().
  void begin();
  void host(std::string_view host) { search(host_, host); }
  void path(std::string_view path) { search(path_, path); }
  void method(std::string_view method) { search(method_, method); }
  bool asks_for_headers() const { return !headers_.empty(); }
  void header(std::string_view name, std::string_view value);
  // In their order; valid until the next begin().
  const std::vector<const Rule*>& matches();

  // Where a redirect leads: `to` with what the path's pattern matched, percent-encoded.
  std::string destination(const Rule& rule, std::string_view path) const;

  std::uint64_t errors() const { return errors_; }  // searches that a Set could not finish

 private:
  struct Field;

  explicit RuleMatcher(Rules rules);
  bool compile(Faults& faults);
  void search(std::unique_ptr<Field>& field, std::string_view text);
  void meet(std::uint32_t condition);

  const Rules rules_;
  std::unique_ptr<Field> host_;
  std::unique_ptr<Field> path_;
  std::unique_ptr<Field> method_;
  std::vector<std::pair<std::string, std::unique_ptr<Field>>> headers_;  // by name
  struct Condition {
    std::uint32_t rule = 0;
    bool is_met = false;
  };
  std::vector<Condition> conditions_;
  std::vector<std::uint16_t> unmet_;                 // of each rule: conditions that do not hold
  std::vector<std::uint32_t> touched_;               // conditions met by this request
  std::vector<std::unique_ptr<re2::RE2>> captures_;  // of redirects that take something from the path; by rule
  std::vector<int> found_;
  std::vector<const Rule*> matches_;
  std::uint64_t errors_ = 0;
};

}  // namespace hybridge
