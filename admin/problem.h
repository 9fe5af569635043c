// Refusals of the admin API as application/problem+json (RFC 9457): a stable `code` for programs, a `detail` for
// humans, and of documents every fault with its JSON path.
#pragma once

#include <string>
#include <string_view>

#include "admin/api_route.h"
#include "base/error.h"
#include "routing/fault.h"

namespace hybridge {

ApiAnswer problem(int status, std::string_view code, std::string_view detail);
ApiAnswer problem(int status, std::string_view code, std::string_view detail, const Faults& faults);

// 404 for kNotFound, 507 for a store that cannot write, 500 else.
ApiAnswer problem(const Error& error);

void append_faults(std::string& out, const std::vector<Fault>& faults);  // as a JSON array

}  // namespace hybridge
