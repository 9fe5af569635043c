// GET and PUT /v1/snapshot: the whole routing document, declaratively. Its ETag is the revision.
#pragma once

#include <cstddef>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"

namespace hybridge {

void add_snapshot_routes(std::vector<ApiRoute>& routes, Publisher& publisher, std::size_t body_limit);

// What a write is answered with, whichever record it was about: 200, or 202 while it is not live, with the revision;
// 412, 422, 507. `revision` is that of the record after the write (of a refused one: as it is).
ApiAnswer answer_write(const Outcome& outcome, std::uint64_t revision, const std::vector<Fault>& warnings);

}  // namespace hybridge
