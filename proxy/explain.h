// What would become of a URL, and why: the certificate, host, site, server and endpoint that its request would meet,
// without sending anything. For `hybridge explain`.
//
// Decides as serve() does, from the same tables; knows nothing of how servers are doing at the moment. Pure function.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "proxy/config.h"
#include "routing/snapshot.h"
#include "tls/certificate_table.h"

namespace hybridge {

// One `name: value` a line, the answer last. kInvalid: it is no http or https URL (a host alone is taken as https).
Result<std::string> explain(const Config& config, const Snapshot& snapshot, const CertificateTable& certificates,
                            std::string_view url);

}  // namespace hybridge
