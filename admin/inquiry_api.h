// What operators ask: GET /v1/explain, what would become of a request; /v1/requests, which failed lately;
// /v1/requests/{id}, what became of one; /v1/sites/{name}/stats, how much a site does; /v1/audit, who changed what.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/executor.h"
#include "admin/hold_registry.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"
#include "base/clock.h"
#include "proxy/config.h"
#include "proxy/counters.h"
#include "proxy/explain.h"
#include "proxy/recent_requests.h"

namespace hybridge {

// What the workers know; thread-safe.
struct WorkersKnow {
  std::vector<const WorkerCounters*> counters;
  // Calls back once, on any thread; not at all when a worker no longer turns.
  std::function<void(std::string id, std::function<void(std::optional<RecentRequest>)>)> find_request;
  // As many at most, of those that failed last; the same.
  std::function<void(std::size_t most, std::function<void(std::vector<RecentRequest>)>)> recent_failures;
  Duration patience = std::chrono::seconds(2);  // with those that do not turn
};

struct InquiryApi {
  Publisher& publisher;
  StateReader& reader;
  Executor& executor;
  std::function<std::shared_ptr<const Config>()> config;  // as it is served by; thread-safe
  WorkersKnow workers;
  HoldRegistry* holds = nullptr;  // nullptr: nothing is held
};

// What would become of the request now. kInvalid: it is no URL.
Result<std::vector<ExplainedStep>> explain_now(const InquiryApi& api, std::string_view url,
                                               std::string_view method = "GET");

// As GET /v1/explain answers.
std::string write_explanation(const std::vector<ExplainedStep>& steps);

void add_inquiry_routes(std::vector<ApiRoute>& routes, const InquiryApi& api);

}  // namespace hybridge
