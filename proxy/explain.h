// What would become of a URL, and why: the certificate, host, site, server and endpoint that its request would meet,
// without sending anything. For `hybridge explain` and GET /v1/explain.
//
// Decides as serve() does, from the same tables; knows nothing of how servers are doing at the moment. Pure function.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/config.h"
#include "routing/snapshot.h"
#include "tls/certificate_table.h"

namespace hybridge {

// What holds a site, or all sites of its server, in words; "": nothing does.
using HoldTeller = std::function<std::string(std::string_view site, std::string_view server)>;

// In the order of the decisions, the answer last: what was asked, and what it came to. A name may be there repeatedly.
struct ExplainedStep {
  std::string name;
  std::string value;
};
// kInvalid: it is no http or https URL (a host alone is taken as https).
Result<std::vector<ExplainedStep>> explain(const Config& config, const Snapshot& snapshot,
                                           const CertificateTable& certificates, std::string_view url,
                                           std::string_view method = "GET", const HoldTeller& holds = {});

std::string to_text(const std::vector<ExplainedStep>& steps);  // one `name: value` a line

}  // namespace hybridge
