// The calls about holds: begin, renew, look, release, abort, and tokens to preview a held site.
#pragma once

#include <functional>
#include <vector>

#include "admin/api_route.h"
#include "admin/hold_registry.h"

namespace hybridge {

struct HoldsApi {
  HoldRegistry& registry;
  std::function<std::int64_t()> now;  // Unix seconds
};

void add_hold_routes(std::vector<ApiRoute>& routes, const HoldsApi& api);

// What a call about a window answers.
ApiAnswer hold_answer(const HoldReply& reply);

}  // namespace hybridge
