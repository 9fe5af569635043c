// What a call to a server's agent, passing through, means for the site that it names (holds.md, trigger B): which calls
// stop a site, which start it again, and what the agent says of its jobs. Bytes in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"

namespace hybridge {

struct AgentCall {
  enum class Kind : std::uint8_t {
    kOther,
    kBegins,     // the site will be stopped: an update, a move, a restore, deactivation
    kRecovers,   // what failed is put back: the site is still stopped, and then started
    kActivates,  // the site is started
    kConfig,     // the site's configuration: its body tells
    kJobs,       // asks for jobs
  };

  Kind kind = Kind::kOther;
  std::string_view site;       // a view into the path
  bool stays_stopped = false;  // of kBegins: its job ends with the site stopped (deactivate)
};

// `path`: what follows `/agent/`, without query. Repeated slashes count as one, as the agents' nginx has it.
AgentCall read_agent_call(http::Method method, std::string_view path);

inline constexpr std::size_t kAgentBody = 1024 * 1024;  // of a request or answer that is read for its meaning

// What the body of a kConfig sets maintenance_mode to; nothing: it does not speak of it.
std::optional<bool> read_maintenance_mode(std::string_view body);

// The job that an answer has begun: `{"job": 4211}`.
std::optional<std::uint64_t> read_begun_job(std::string_view body);

struct AgentJob {
  enum class Status : std::uint8_t { kUnderWay, kSuccess, kFailure };
  std::uint64_t id = 0;
  Status status = Status::kUnderWay;
  bool has_started_site = false;  // its step "Disable Maintenance Mode" is a Success
};
// Of an answer to kJobs: one object, or a list of them; what is no job is passed over.
std::vector<AgentJob> read_agent_jobs(std::string_view body);

}  // namespace hybridge
