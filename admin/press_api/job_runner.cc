#include "admin/press_api/job_runner.h"

#include "admin/problem.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::string_view kReload = "Reload NGINX";

void fail(JobRecord& record, const std::string& why) {
  record.failed = true;
  // It is not the reload that failed, there will be none: the step before it.
  if (!record.steps.empty() && record.steps.back() == kReload) record.steps.pop_back();
  record.data = "{\"traceback\":";
  append_json_string(record.data, why);
  record.data += '}';
}

ApiAnswer answer_job(std::int64_t id) {
  ApiAnswer answer;
  answer.body = "{\"job\":" + std::to_string(id) + "}";
  return answer;
}
}  // namespace

// What of the store's own is broken is no failure of the job: the call is refused, and made again later.
Plan JobRunner::plan(const Job& job, const std::shared_ptr<JobTicket>& ticket, const Tip& tip, Error& broken) {
  Plan nothing;
  nothing.is_conflict = true;
  if (auto entered = book_.enter(ticket); !entered) {
    broken = entered.error();
    return nothing;
  }
  if (ticket->known) return {};
  auto& record = ticket->record;
  record.failed = false;
  record.data = job.data;
  Draft draft(tip, reader_, now_);
  const auto acted = job.act(draft);
  auto plan = acted ? draft.plan() : Result<Plan>(acted.error());
  record.steps = draft.steps();
  if (!plan && plan.error().reason == Reason::kIo) {
    broken = plan.error();
    return nothing;
  }
  if (!plan) {
    fail(record, plan.error().detail);
    plan = Plan{};
  }
  record.times = draft.begun();
  record.times.resize(record.steps.size());  // the step that failed may have been taken away
  record.times.push_back(now_());
  for (auto& time : record.times) time -= record.at;
  plan->jobs = {record};
  return std::move(*plan);
}

void JobRunner::run(const ApiRequest& request, Job job, Answered answered) {
  auto ticket = std::make_shared<JobTicket>();
  ticket->record.agent_job_id = request.agent_job_id;
  ticket->record.name = job.name;
  ticket->record.at = now_();
  auto broken = std::make_shared<Error>();
  Write write;
  write.who = request.who;
  write.action = request.action + (request.agent_job_id.empty() ? "" : " (" + request.agent_job_id + ")");
  write.frees = job.frees;
  write.plan = [this, job = std::move(job), ticket, broken](const Tip& tip) { return plan(job, ticket, tip, *broken); };
  publisher_.submit(std::move(write), [this, ticket, broken, answered = std::move(answered)](const Outcome& outcome) {
    book_.settle(ticket, outcome, now_());
    switch (outcome.kind) {
      case Outcome::Kind::kAccepted:
      case Outcome::Kind::kUnchanged:
        return answered(answer_job(ticket->known.value_or(ticket->record.id)));
      case Outcome::Kind::kConflict:
        return answered(problem(*broken));
      case Outcome::Kind::kInvalid:
        return answered(problem(500, "internal", "the job could not be planned", outcome.faults));
      case Outcome::Kind::kNotStored:
        return answered(problem(507, "not_stored", "nothing was changed: " + outcome.error.detail));
    }
  });
}

}  // namespace hybridge
