// The press API's calls about holds: `…/sites/{site}/hold` and `…/release` (two paths, because a control plane drops a
// second call to a path whose job it has not seen end), `proxy/holds`, and what other calls mean for a held site: the
// status `hold` begins a window and `activated` ends it.
//
// Any thread. A hold is in force, and drained or at it for 8 s, before its job is answered: born done.
#pragma once

#include <functional>
#include <vector>

#include "admin/api_route.h"
#include "admin/hold_registry.h"
#include "admin/press_api/job_runner.h"

namespace hybridge {

void add_hold_calls(std::vector<ApiRoute>& routes, JobRunner& runner, HoldRegistry& holds);

// What a call answers, with what it means for holds done before or behind it. `run` makes its job.
using RunCall = std::function<void(Answered)>;
void run_status_call(HoldRegistry& holds, const ApiRequest& request, RunCall run, Answered answered);

}  // namespace hybridge
