#include "admin/press_api/hold_calls.h"
#include "admin/press_api/job_calls.h"
#include "admin/press_api/press_api.h"
#include "admin/press_api/press_routes.h"
#include "admin/press_api/upstream_jobs.h"

namespace hybridge {

namespace {
void run_job(JobRunner& runner, const JobRoute& route, const ApiRequest& request, Answered answered) {
  Job job;
  auto refusal = read_call(request, PressApi::kBodyBytes, [&](JobCall& call) { job = route.read(call); });
  if (refusal) return answered(std::move(*refusal));
  runner.run(request, std::move(job), std::move(answered));
}

// The calls that mean something for a site that is held.
void run_with_holds(HoldRegistry& holds, JobRunner& runner, const JobRoute& route, const ApiRequest& request,
                    Answered answered) {
  RunCall run = [&runner, &route, request](Answered done) { run_job(runner, route, request, std::move(done)); };
  if (route.read == set_site_status) return run_status_call(holds, request, std::move(run), std::move(answered));
  run(std::move(answered));
}
}  // namespace

void add_job_routes(std::vector<ApiRoute>& routes, JobRunner& runner, HoldRegistry* holds) {
  for (const auto& route : job_calls()) {
    routes.push_back({.method = route.method,
                      .pattern = route.pattern,
                      .body_limit = PressApi::kBodyBytes,
                      .run = [&runner, &route, holds](const ApiRequest& request, Answered answered) {
                        if (!holds) return run_job(runner, route, request, std::move(answered));
                        run_with_holds(*holds, runner, route, request, std::move(answered));
                      }});
  }
  if (holds) add_hold_calls(routes, runner, *holds);
}

}  // namespace hybridge
