// Trigger B of holds: what calls to servers' agents, passing through, do to windows. A call that stops a site begins
// one before it is forwarded; the job that it began ends it (holds.md; decisions.md 32).
//
// Owned by the daemon; outlives the workers. Any thread calls; everything happens on a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "admin/executor.h"
#include "base/clock.h"
#include "proxy/agent_call_observer.h"
#include "routing/snapshot.h"

namespace hybridge {

// Whether the table has that site on a server with an endpoint of this address.
bool is_on_server(const Snapshot& table, const std::string& site, const std::string& address);

class AgentCalls final : public AgentCallObserver {
 public:
  // Whoever keeps the windows. A claim is named by its site and key; `done`s come on any thread.
  struct Windows {
    virtual ~Windows() = default;
    // `window`: nothing, when it was refused.
    virtual void begin(std::string site, std::string key,
                       std::function<void(std::optional<std::string> window)> done) = 0;
    virtual void await_drained(std::string window, std::function<void()> done) = 0;
    virtual void renew(const std::string& site, const std::string& key) = 0;
    virtual void end(const std::string& site, const std::string& key, bool went_well) = 0;  // key "": all of the site
  };
  struct Limits {
    Duration drain = std::chrono::seconds(8);       // before a call is forwarded: its caller gives up at 30
    Duration grace = std::chrono::seconds(15);      // after a job's failure, for the call that puts things right
    Duration activation = std::chrono::seconds(2);  // for the job of an activation to be seen ending
    Duration proof = std::chrono::minutes(10);      // a credential that the server has taken is believed so long
  };
  // Whether the table has that site on the server with an endpoint of this address; any thread.
  using IsThere = std::function<bool(const std::string& site, const std::string& address)>;

  AgentCalls(Windows& windows, IsThere is_there, Limits limits);
  AgentCalls(Windows& windows, IsThere is_there) : AgentCalls(windows, std::move(is_there), Limits{}) {}

  // After a start: a claim that was there.
  void resume(const std::string& site, const std::string& key);
  // What comes later is not heard: those it calls are about to go.
  void stop() { executor_.stop(); }

  void before(AgentCallSeen call, std::function<void()> go_on) override;
  void after(AgentCallSeen call, int status, std::string body) override;

 private:
  // A job is known by its server's address and its number.
  struct Job {
    std::string site;
    bool stays_stopped = false;
    bool activates = false;
    bool has_failed = false;
    TimePoint seen{};
  };
  using Jobs = std::map<std::string, Job, std::less<>>;

  static constexpr std::size_t kMostProofs = 10'000;
  static constexpr std::size_t kMostJobs = 100'000;
  static constexpr auto kJobAge = std::chrono::hours(5);  // an agent's job takes four at most

  void before_here(const AgentCallSeen& call, const std::function<void()>& go_on);
  void after_here(const AgentCallSeen& call, int status, const std::string& body);
  void stopped(const AgentCallSeen& call, const std::string& body);
  void activated(const AgentCallSeen& call, const std::string& body);
  void saw_jobs(const AgentCallSeen& call, const std::string& body);
  bool saw_job(Jobs::iterator at, const AgentJob& job);  // true: nothing more is expected of it
  bool is_proven(const AgentCallSeen& call) const;
  void note_proof(const AgentCallSeen& call);
  void remember(const std::string& key, Job job);
  void forget_jobs(const std::string& site);

  Windows& windows_;
  const IsThere is_there_;
  const Limits limits_;
  std::map<std::pair<std::string, std::string>, TimePoint> proofs_;  // by server and credential
  Jobs jobs_;
  std::map<std::string, std::string> begun_;  // by request: the claim that a call began before it was forwarded
  Executor executor_{"agent calls"};          // the first to go: its work uses all of the above
};

}  // namespace hybridge
