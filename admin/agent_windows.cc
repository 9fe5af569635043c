#include "admin/agent_windows.h"

#include <utility>

namespace hybridge {

namespace {
constexpr const char* kWho = "agent call";

HoldClaim claim_of(std::string key) {
  return {.kind = HoldClaim::Kind::kAgentCall, .key = std::move(key)};
}
}  // namespace

void AgentWindows::resume(AgentCalls& calls) const {
  const auto live = registry_.live();
  for (const auto& record : *live) {
    for (const auto& claim : record.claims) {
      if (claim.kind == HoldClaim::Kind::kAgentCall) calls.resume(record.scope.name, claim.key);
    }
  }
}

void AgentWindows::begin(std::string site, std::string key,
                         std::function<void(std::optional<std::string> window)> done) {
  HoldBegin begin;
  begin.scope.name = std::move(site);
  begin.claim = claim_of(std::move(key));
  begin.reason = "its server's agent is told to work on it";
  begin.who = kWho;
  registry_.begin(std::move(begin), [done = std::move(done)](const HoldReply& reply) {
    using Kind = HoldReply::Kind;
    const bool is_held = reply.kind == Kind::kBegun || reply.kind == Kind::kJoined || reply.kind == Kind::kRenewed;
    done(is_held && reply.record ? std::optional<std::string>(reply.record->id) : std::nullopt);
  });
}

void AgentWindows::await_drained(std::string window, std::function<void()> done) {
  registry_.await_drained(std::move(window), [done = std::move(done)](const HoldReply&) { done(); });
}

void AgentWindows::renew(const std::string& site, const std::string& key) {
  registry_.renew(site, claim_of(key));
}

void AgentWindows::end(const std::string& site, const std::string& key, bool went_well) {
  registry_.end_claims(site, claim_of(key), went_well ? HoldResult::kReleased : HoldResult::kAborted, kWho,
                       [](const HoldReply&) {});
}

}  // namespace hybridge
