// An operator's rule: when all its conditions hold for a request, something is done with it. Values.
//
// Conditions are RE2 patterns, searched in the bytes of their field as nginx does (anchor with ^ and $): the host in
// lower case without port, the path decoded and without dot segments, the method, every value of a header field.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hybridge {

struct RuleCondition {
  enum class Field : std::uint8_t { kHost, kPath, kMethod, kHeader };
  Field field = Field::kPath;
  std::string header;  // of kHeader: its name in lower case
  std::string pattern;

  friend bool operator==(const RuleCondition&, const RuleCondition&) = default;
};

// Ends the request: to another address. `to` may hold \0 to \9, what the path's pattern matched, percent-encoded; the
// request's query is added where `to` has none.
struct RuleRedirect {
  std::string to;
  std::uint16_t status = 308;

  friend bool operator==(const RuleRedirect&, const RuleRedirect&) = default;
};

// Ends the request: refused.
struct RuleDenial {
  std::uint16_t status = 403;
  std::string message;  // "": what the status says

  friend bool operator==(const RuleDenial&, const RuleDenial&) = default;
};

// Names the kind of request, for the log and for holds; the first rule that does has its way.
struct RuleClass {
  std::string name;

  friend bool operator==(const RuleClass&, const RuleClass&) = default;
};

// Sets a field of the request as the site's server sees it, or of its answer; replaces those of that name.
struct RuleHeader {
  std::string name;
  std::string value;
  bool on_response = false;

  friend bool operator==(const RuleHeader&, const RuleHeader&) = default;
};

// Ends requests (429) beyond so many a time, over all workers; `burst` more may come at once.
struct RuleLimit {
  // Whose requests are counted together: a site's, a client address's (IPv6: a /64's), or an address's to one site.
  enum class By : std::uint8_t { kSite, kAddress, kBoth };

  std::uint32_t requests = 0;
  std::uint32_t seconds = 1;
  std::uint32_t burst = 0;
  By by = By::kSite;
  bool dry_run = false;  // counts and logs what it would refuse, and refuses nothing

  friend bool operator==(const RuleLimit&, const RuleLimit&) = default;
};

std::string_view to_string(RuleLimit::By by);  // "site", "address", "both"

struct Rule {
  std::string id;
  std::uint32_t order = 0;  // rules are tried by it, those of one order by their ids
  std::vector<RuleCondition> conditions;
  std::variant<RuleRedirect, RuleDenial, RuleClass, RuleHeader, RuleLimit> action;

  friend bool operator==(const Rule&, const Rule&) = default;
};

// In their order; immutable, shared by the snapshots that have the same.
using Rules = std::vector<std::shared_ptr<const Rule>>;

constexpr std::size_t kMaxRules = 1000;
constexpr std::uint32_t kRuleOrderStep = 10;  // between rules that did not say their order

}  // namespace hybridge
