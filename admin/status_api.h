// What the process tells of itself: /v1/status, the probes /livez and /readyz, and /metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "admin/api_route.h"
#include "admin/publisher.h"
#include "admin/status_facts.h"

namespace hybridge {

struct StatusApi {
  Publisher& publisher;
  std::function<StatusFacts()> status;
  std::function<std::string()> metrics;
  std::function<std::int64_t()> now;  // Unix seconds
  std::function<Result<void>()> upgrade;
};

struct ExpiringCertificate {
  std::string host;
  std::int64_t not_after = 0;  // Unix seconds
};
// Those that have expired or will within 30 days, the soonest first.
std::vector<ExpiringCertificate> expiring_certificates(const CertificateTable& table, std::int64_t now);

std::string why_not_ready(const StatusApi& api, const StatusFacts& facts);  // "": it is

void show_status(const StatusApi& api, const Answered& answered);   // as /v1/status
void show_metrics(const StatusApi& api, const Answered& answered);  // as /metrics

void add_status_routes(std::vector<ApiRoute>& routes, const StatusApi& api);

}  // namespace hybridge
