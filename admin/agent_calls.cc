#include "admin/agent_calls.h"

#include <algorithm>
#include <utility>

namespace hybridge {

using Kind = AgentCall::Kind;

namespace {
std::string key_of(const std::string& server, std::uint64_t job) {
  return server + "/" + std::to_string(job);
}

bool stops(const AgentCallSeen& call) {
  return call.kind == Kind::kBegins || call.kind == Kind::kRecovers || (call.kind == Kind::kConfig && call.stops);
}

bool starts(const AgentCallSeen& call) {
  return call.kind == Kind::kActivates || (call.kind == Kind::kConfig && !call.stops);
}

// Runs what it is given at its first call.
std::function<void()> once(std::function<void()> work) {
  return [left = std::make_shared<std::function<void()>>(std::move(work))] {
    if (auto first = std::exchange(*left, nullptr)) first();
  };
}
}  // namespace

bool is_on_server(const Snapshot& table, const std::string& site, const std::string& address) {
  const auto record = table.site(site);
  const auto server = record ? table.server(record->server) : nullptr;
  return server && std::any_of(server->endpoints.begin(), server->endpoints.end(),
                               [&](const Endpoint& endpoint) { return endpoint.address == address; });
}

AgentCalls::AgentCalls(Windows& windows, IsThere is_there, Limits limits)
    : windows_(windows), is_there_(std::move(is_there)), limits_(limits) {}

void AgentCalls::resume(const std::string& site, const std::string& key) {
  executor_.post([this, site, key] { remember(key, {.site = site}); });
}

void AgentCalls::before(AgentCallSeen call, std::function<void()> go_on) {
  executor_.post([this, call = std::move(call), go_on = std::move(go_on)] { before_here(call, go_on); });
}

void AgentCalls::after(AgentCallSeen call, int status, std::string body) {
  executor_.post([this, call = std::move(call), status, body = std::move(body)] { after_here(call, status, body); });
}

void AgentCalls::before_here(const AgentCallSeen& call, const std::function<void()>& go_on) {
  // Anybody may send calls this way; only whom the server is known to obey may have its sites held.
  if (!stops(call) || !is_proven(call) || !is_there_(call.site, call.server)) return go_on();
  const auto key = "call " + call.id;
  begun_[call.id] = key;
  const auto forward = once(go_on);
  windows_.begin(call.site, key, [this, forward](const std::optional<std::string>& window) {
    executor_.post([this, forward, window] {
      if (!window) return forward();
      windows_.await_drained(*window, [this, forward] { executor_.post(forward); });
    });
  });
  executor_.post_after(limits_.drain, forward);
}

void AgentCalls::after_here(const AgentCallSeen& call, int status, const std::string& body) {
  const bool is_good = status >= 200 && status < 300;
  if (is_good) note_proof(call);
  if (is_good && stops(call)) stopped(call, body);
  if (is_good && starts(call)) activated(call, body);
  if (is_good && call.kind == Kind::kJobs) saw_jobs(call, body);
  // What was begun for the call is the job's now, or there is no job.
  const auto begun = begun_.find(call.id);
  if (begun == begun_.end()) return;
  windows_.end(call.site, begun->second, is_good);
  begun_.erase(begun);
}

void AgentCalls::stopped(const AgentCallSeen& call, const std::string& body) {
  const auto job = read_begun_job(body);
  if (!job || !is_there_(call.site, call.server)) return;
  const auto key = key_of(call.server, *job);
  // A configuration stays until another takes it away.
  const bool stays = call.stays_stopped || call.kind == Kind::kConfig;
  // This one puts right what another broke: the window is its own from now on.
  if (call.kind == Kind::kRecovers) forget_jobs(call.site);
  remember(key, {.site = call.site, .stays_stopped = stays});
  windows_.begin(call.site, key, [](const std::optional<std::string>&) {});
}

void AgentCalls::activated(const AgentCallSeen& call, const std::string& body) {
  if (!is_there_(call.site, call.server)) return;
  if (const auto job = read_begun_job(body)) {
    remember(key_of(call.server, *job), {.site = call.site, .activates = true});
  }
  // Its job is not always asked for.
  executor_.post_after(limits_.activation, [this, site = call.site] {
    forget_jobs(site);
    windows_.end(site, "", true);
  });
}

void AgentCalls::saw_jobs(const AgentCallSeen& call, const std::string& body) {
  for (const auto& job : read_agent_jobs(body)) {
    const auto at = jobs_.find(key_of(call.server, job.id));
    if (at != jobs_.end() && saw_job(at, job)) jobs_.erase(at);
  }
}

bool AgentCalls::saw_job(Jobs::iterator at, const AgentJob& job) {
  const auto key = at->first;
  auto& known = at->second;
  const bool is_over = job.status == AgentJob::Status::kSuccess;
  if (known.activates) {
    if (job.has_started_site || is_over) windows_.end(known.site, "", true);
    return job.status != AgentJob::Status::kUnderWay;
  }
  if (job.has_started_site || (is_over && !known.stays_stopped)) {
    windows_.end(known.site, key, true);
    return true;
  }
  if (job.status == AgentJob::Status::kFailure) {
    if (!std::exchange(known.has_failed, true)) {
      executor_.post_after(limits_.grace, [this, key, site = known.site] {
        jobs_.erase(key);
        windows_.end(site, key, false);
      });
    }
    return false;
  }
  known.seen = Clock::now();
  windows_.renew(known.site, key);
  return false;
}

bool AgentCalls::is_proven(const AgentCallSeen& call) const {
  const auto at = proofs_.find({call.server, call.credential});
  return !call.credential.empty() && at != proofs_.end() && Clock::now() - at->second < limits_.proof;
}

void AgentCalls::note_proof(const AgentCallSeen& call) {
  if (call.credential.empty()) return;
  const auto now = Clock::now();
  if (proofs_.size() >= kMostProofs) {
    std::erase_if(proofs_, [&](const auto& each) { return now - each.second >= limits_.proof; });
  }
  if (proofs_.size() < kMostProofs) proofs_[{call.server, call.credential}] = now;
}

// A job that nobody asks for any more is forgotten when there are many.
void AgentCalls::remember(const std::string& key, Job job) {
  const auto now = Clock::now();
  if (jobs_.size() >= kMostJobs)
    std::erase_if(jobs_, [&](const auto& each) { return now - each.second.seen > kJobAge; });
  if (jobs_.size() >= kMostJobs) return;
  job.seen = now;
  jobs_[key] = std::move(job);
}

void AgentCalls::forget_jobs(const std::string& site) {
  std::erase_if(jobs_, [&](const auto& each) { return each.second.site == site; });
}

}  // namespace hybridge
