// What operators ask: GET /v1/explain, what would become of a request, and GET /v1/audit, who changed what.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"
#include "proxy/config.h"

namespace hybridge {

struct InquiryApi {
  Publisher& publisher;
  StateReader& reader;
  std::function<std::shared_ptr<const Config>()> config;  // as it is served by; thread-safe
};

void add_inquiry_routes(std::vector<ApiRoute>& routes, const InquiryApi& api);

}  // namespace hybridge
