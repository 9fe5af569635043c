// What the edge sees of calls to servers' agents as they pass through, told to whoever keeps the windows: the second
// half of the maintenance port that main hands down (decisions.md 14, 32).
//
// Called on workers' threads; implementations are thread-safe and return at once.
#pragma once

#include <functional>
#include <string>

#include "proxy/agent_call.h"

namespace hybridge {

struct AgentCallSeen {
  AgentCall::Kind kind = AgentCall::Kind::kOther;
  std::string site;
  bool stays_stopped = false;  // AgentCall::stays_stopped
  bool stops = false;          // of kConfig: it sets maintenance_mode; false: it takes it away
  std::string server;          // the address of the endpoint that it goes to
  std::string credential;      // a digest of what the caller showed; "": nothing
  std::string id;              // of the request
};

class AgentCallObserver {
 public:
  // Before a call that stops its site is forwarded. `go_on` comes once, on any thread: when the site is held and its
  // requests have ended, or not within a few seconds, or when it is not to be held.
  virtual void before(AgentCallSeen call, std::function<void()> go_on) = 0;
  // Its answer, without content coding; status 0: none came.
  virtual void after(AgentCallSeen call, int status, std::string body) = 0;

 protected:
  ~AgentCallObserver() = default;
};

}  // namespace hybridge
