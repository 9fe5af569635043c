// The calls of the press API and what answers them: the jobs, and what is answered at once.
//
// What is handed over outlives the routes. Whoever adds an endpoint adds its routes here, beside these.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "admin/api_route.h"
#include "admin/hold_registry.h"
#include "admin/press_api/job_book.h"
#include "admin/press_api/job_runner.h"
#include "admin/publisher.h"
#include "proxy/config.h"

namespace hybridge {

// `holds`: nullptr: nothing is held.
void add_job_routes(std::vector<ApiRoute>& routes, JobRunner& runner, HoldRegistry* holds);

struct PressInquiries {
  Publisher& publisher;
  JobBook& book;
  std::function<std::shared_ptr<const Config>()> config;
};
void add_press_inquiry_routes(std::vector<ApiRoute>& routes, const PressInquiries& inquiries);

}  // namespace hybridge
