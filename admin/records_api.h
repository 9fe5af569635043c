// Single records of the routing table: GET, PUT and DELETE of /v1/servers, /v1/sites, /v1/hosts and /v1/rules, and
// PATCH /v1/snapshot, which changes any number of them, all or nothing. Their ETag is the table's revision.
#pragma once

#include <cstddef>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"

namespace hybridge {

void add_record_routes(std::vector<ApiRoute>& routes, Publisher& publisher, std::size_t patch_limit);

}  // namespace hybridge
