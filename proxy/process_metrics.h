// The process as the kernel sees it: processor time, memory, descriptors, threads, under the names that every
// Prometheus client uses. Reads /proc; any thread, at scrape.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace hybridge {

// Appends the families; those whose file cannot be read are left out.
void append_process_metrics(std::vector<prometheus::MetricFamily>& families);

}  // namespace hybridge
