// What the process tells of itself: /v1/status, the probes /livez and /readyz, /metrics, and a page for humans at /.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"
#include "admin/status_facts.h"

namespace hybridge {

struct StatusApi {
  Publisher& publisher;
  std::function<StatusFacts()> status;
  std::function<std::string()> metrics;
  std::function<std::int64_t()> now;  // Unix seconds
  std::function<Result<void>()> upgrade;
};

void show_status(const StatusApi& api, const Answered& answered);   // as /v1/status
void show_metrics(const StatusApi& api, const Answered& answered);  // as /metrics

void add_status_routes(std::vector<ApiRoute>& routes, const StatusApi& api);

}  // namespace hybridge
