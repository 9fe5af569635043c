// Jobs as the control plane reads them: keys sorted, times in UTC without saying so, and every job done when it is
// stored, but `Running` until every worker serves by it. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/records.h"

namespace hybridge {

enum class JobStatus : std::uint8_t { kPending, kRunning, kSuccess, kFailure };
std::string_view to_string(JobStatus status);  // "Running"
// `live_revision`: the newest that every worker serves by.
JobStatus status_of(const JobRecord& job, std::uint64_t live_revision);

std::string job_time(std::int64_t unix_microseconds);  // `2026-08-20 18:24:28.009786`

std::string write_job(const JobRecord& job, std::uint64_t live_revision);
std::string write_jobs(const std::vector<JobRecord>& jobs, std::uint64_t live_revision);
// A line of a list: who it is and how it stands.
std::string write_job_summaries(const std::vector<JobRecord>& jobs, std::uint64_t live_revision);
// The same with all but id and name left open.
std::string write_job_names(const std::vector<JobRecord>& jobs);

}  // namespace hybridge
