// Which kind of request waits at a held site, how long, and what does not wait: RE2 rules over method, path and header
// fields, in their order; the operator's rules of the table may name a kind before these are asked.
//
// One a worker, its thread only. Asked only for requests of held sites.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "proxy/config.h"
#include "proxy/http/message.h"
#include "routing/rule.h"
#include "routing/rule_matcher.h"

namespace hybridge {

struct HoldClass {
  enum class Treatment : std::uint8_t {
    kWait,
    kPass,    // goes on as if there were no window
    kRefuse,  // told to come again: it would wait in vain
    kAnswer,  // the edge answers for the site: monitors
  };
  Treatment treatment = Treatment::kWait;
  Duration max_wait{};  // of kWait

  bool waits() const { return treatment == Treatment::kWait; }
};

// The classes there are, by name: navigation, api, asset, ping, pass, socketio. nullopt: no such class.
std::optional<HoldClass> hold_class(const Config::Holds& config, std::string_view name);

// What the configuration says, or the rules that stand for none (conf/hybridge.yaml shows them). Checked when the
// configuration is read.
Rules hold_class_rules(const Config::Holds& config);

class HoldClasses {
 public:
  explicit HoldClasses(std::shared_ptr<const Config> config) : config_(std::move(config)) {}

  // `named`: the class that a rule of the table gave; one that is no class of holds is passed over.
  HoldClass of(const http::RequestHead& request, std::string_view named);

 private:
  std::string_view name_of(const http::RequestHead& request);

  std::shared_ptr<const Config> config_;
  std::unique_ptr<RuleMatcher> matcher_;  // made when it is first asked
  std::string scratch_;
};

}  // namespace hybridge
