// The registry of holds as AgentCalls sees it: claims of the kind agent_call, each by its key.
//
// Owned by the daemon. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "admin/agent_calls.h"
#include "admin/hold_registry.h"

namespace hybridge {

class AgentWindows final : public AgentCalls::Windows {
 public:
  explicit AgentWindows(HoldRegistry& registry) : registry_(registry) {}

  // Tells of every claim that the registry has, as after a start.
  void resume(AgentCalls& calls) const;

  void begin(std::string site, std::string key, std::function<void(std::optional<std::string> window)> done) override;
  void await_drained(std::string window, std::function<void()> done) override;
  void renew(const std::string& site, const std::string& key) override;
  void end(const std::string& site, const std::string& key, bool went_well) override;

 private:
  HoldRegistry& registry_;
};

}  // namespace hybridge
