// The agent that may run beside Hybridge, on this machine, for what is not the proxy's: users of SSH, ProxySQL. Calls
// that Hybridge has no answer for are passed on to it, with the caller's own password.
//
// Any thread. A call blocks a thread of its own, a bounded number wait for one.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "io/address.h"

namespace hybridge {

class LocalAgent {
 public:
  // As the control plane made it.
  struct Call {
    std::string method;
    std::string path;  // below /agent
    std::string authorization;
    std::string job_name;  // X-Agent-Job-Id; "": none
    std::string body;
  };

  static constexpr std::size_t kMostWaiting = 64;
  static constexpr std::chrono::seconds kPatience{20};  // below the 30 s that a control plane waits

  // `where`: of the configuration as it is then; nullopt: there is none. Thread-safe.
  explicit LocalAgent(std::function<std::optional<Address>()> where) : where_(std::move(where)) {}

  bool is_there() const { return where_().has_value(); }
  // Its answer; 502 when it gives none that is JSON, 503 when too many wait.
  void pass_on(Call call, Answered answered);
  void stop() { executor_.stop(); }

 private:
  const std::function<std::optional<Address>()> where_;
  Executor executor_{"local-agent", 2};
};

}  // namespace hybridge
