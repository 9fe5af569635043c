// The certificate of last resort: self-signed, so that an empty configuration serves TLS. Pure, but for randomness;
// start-up only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"

namespace hybridge {

// An EC P-256 key and a certificate for these names (host names or `*.` patterns), good from a day before `now` (Unix
// seconds; clients' clocks differ) for ten years.
Result<PemPair> make_self_signed(const std::vector<std::string>& names, std::int64_t now);

}  // namespace hybridge
