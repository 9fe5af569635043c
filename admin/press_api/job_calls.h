// The calls of the press API that ask for a job: method, path and what makes a job of the call's body. The table of
// them; who runs the jobs is another matter (job_routes.cc).
#pragma once

#include <span>
#include <string_view>

#include "admin/press_api/draft.h"
#include "admin/press_api/job_call.h"
#include "proxy/http/message.h"

namespace hybridge {

struct JobRoute {
  http::Method method;
  std::string_view pattern;
  Job (*read)(JobCall&);
};

std::span<const JobRoute> job_calls();

}  // namespace hybridge
