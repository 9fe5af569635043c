// GET, PUT, DELETE /v1/certificates/{host}, and the list of all: what is stored, never the keys.
//
// PUT takes `{"chain":PEM,"key":PEM}` or `{"pairs":[{"chain","key"},…]}`, one pair a key type. A pair that cannot be
// right is refused with every reason; one that does not cover its host, or is out of date, is stored with a warning.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"

namespace hybridge {

struct CertificatesApi {
  Publisher& publisher;
  StateReader& reader;
  std::function<std::int64_t()> now;  // Unix seconds
  std::size_t body_limit = 0;
};

void add_certificate_routes(std::vector<ApiRoute>& routes, const CertificatesApi& api);

}  // namespace hybridge
