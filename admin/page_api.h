// The pages of the admin side, for people with a browser: the status page at /, and the forms that begin and release
// holds, /hold and /release.
//
// GET of a form says what it would do and asks whether it is meant; its POST does it, by the same calls as /v1/holds,
// and leads back to /. A POST needs the token that its GET gave.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/inquiry_api.h"
#include "admin/status_api.h"
#include "admin/traffic_history.h"
#include "proxy/health_prober.h"

namespace hybridge {

using ServerStates = std::map<std::string, HealthProber::ServerState>;

struct PageApi {
  StatusApi status;
  InquiryApi inquiry;
  std::function<TrafficHistory::Seconds()> traffic;  // thread-safe
  std::function<ServerStates()> health;              // thread-safe; who is asked whether they answer
};

void add_page_routes(std::vector<ApiRoute>& routes, const PageApi& api);

}  // namespace hybridge
