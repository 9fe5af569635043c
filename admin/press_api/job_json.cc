#include "admin/press_api/job_json.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::array<std::string_view, 4> kStatuses = {"Pending", "Running", "Success", "Failure"};
constexpr std::int64_t kStepIds = 1'000;  // a job's steps have ids of their own, which nobody asks by

// Not `quoted`, whose namesake std::string brings along where <iomanip> is included.
std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// When a step began, or (index: how many there are) when the last one ended; Unix microseconds.
std::int64_t moment_of(const JobRecord& job, std::size_t index) {
  return job.at + (index < job.times.size() ? job.times[index] : 0);
}

// `HH:MM:SS.ffffff`, as Python writes a timedelta of less than a day.
std::string duration_text(std::int64_t microseconds) {
  const auto seconds = static_cast<int>(std::max<std::int64_t>(microseconds, 0) / 1'000'000);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%06d", seconds / 3600, seconds / 60 % 60, seconds % 60,
                static_cast<int>(std::max<std::int64_t>(microseconds, 0) % 1'000'000));
  return text.data();
}

std::string times_of(std::int64_t start, std::int64_t end, bool has_ended) {
  if (!has_ended) return R"(,"duration":null,"end":null)";
  return ",\"duration\":" + json_string(duration_text(end - start)) + ",\"end\":" + json_string(job_time(end));
}

std::string write_step(const JobRecord& job, std::size_t index, JobStatus status) {
  const bool is_last = index + 1 == job.steps.size();
  const bool has_ended = status != JobStatus::kRunning;
  const auto start = moment_of(job, index);
  return R"({"commands":[],"data":)" + (is_last ? job.data : "{}") +
         times_of(start, moment_of(job, index + 1), has_ended) +
         ",\"id\":" + std::to_string(job.id * kStepIds + static_cast<std::int64_t>(index) + 1) +
         ",\"name\":" + json_string(job.steps[index]) + ",\"start\":" + json_string(job_time(start)) +
         ",\"status\":\"" + std::string(to_string(status)) + "\"}";
}

// Of the steps of a job that is not done, the last is not.
JobStatus status_of_step(const JobRecord& job, std::size_t index, JobStatus status) {
  return index + 1 == job.steps.size() ? status : JobStatus::kSuccess;
}

template <class Write>
std::string list_of(const std::vector<JobRecord>& jobs, const Write& write) {
  std::string out = "[";
  for (const auto& job : jobs) {
    if (&job != jobs.data()) out += ',';
    out += write(job);
  }
  return out += ']';
}
}  // namespace

std::string_view to_string(JobStatus status) {
  return kStatuses[static_cast<std::size_t>(status)];
}

JobStatus status_of(const JobRecord& job, std::uint64_t live_revision) {
  if (job.failed) return JobStatus::kFailure;
  return job.revision <= live_revision ? JobStatus::kSuccess : JobStatus::kRunning;
}

std::string job_time(std::int64_t unix_microseconds) {
  constexpr std::int64_t kSecond = 1'000'000;
  const auto moment = static_cast<std::time_t>(unix_microseconds / kSecond);
  std::tm parts{};
  gmtime_r(&moment, &parts);
  std::array<char, 32> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06d", static_cast<int>(unix_microseconds % kSecond));
  return std::string(text.data(), length) + fraction.data();
}

std::string write_job(const JobRecord& job, std::uint64_t live_revision) {
  const auto status = status_of(job, live_revision);
  const auto start = moment_of(job, 0);
  const bool has_ended = status != JobStatus::kRunning;
  std::string out = "{\"agent_job_id\":" + (job.agent_job_id.empty() ? "null" : json_string(job.agent_job_id)) +
                    R"(,"commands":[],"data":)" + job.data +
                    times_of(start, moment_of(job, job.steps.size()), has_ended) +
                    ",\"enqueue\":" + json_string(job_time(job.at)) + ",\"id\":" + std::to_string(job.id) +
                    ",\"name\":" + json_string(job.name) + ",\"start\":" + json_string(job_time(start)) +
                    ",\"status\":\"" + std::string(to_string(status)) + "\",\"steps\":[";
  for (std::size_t i = 0; i < job.steps.size(); ++i) {
    if (i != 0) out += ',';
    out += write_step(job, i, status_of_step(job, i, status));
  }
  return out += "]}";
}

std::string write_jobs(const std::vector<JobRecord>& jobs, std::uint64_t live_revision) {
  return list_of(jobs, [&](const JobRecord& job) { return write_job(job, live_revision); });
}

std::string write_job_summaries(const std::vector<JobRecord>& jobs, std::uint64_t live_revision) {
  return list_of(jobs, [&](const JobRecord& job) {
    const auto status = status_of(job, live_revision);
    const auto end = json_string(job_time(moment_of(job, job.steps.size())));
    return "{\"agent_job_id\":" + (job.agent_job_id.empty() ? "null" : json_string(job.agent_job_id)) +
           ",\"end\":" + (status == JobStatus::kRunning ? "null" : end) + ",\"id\":" + std::to_string(job.id) +
           ",\"name\":" + json_string(job.name) + ",\"start\":" + json_string(job_time(moment_of(job, 0))) +
           ",\"status\":\"" + std::string(to_string(status)) + "\"}";
  });
}

std::string write_job_names(const std::vector<JobRecord>& jobs) {
  return list_of(jobs, [](const JobRecord& job) {
    return R"({"agent_job_id":null,"end":null,"id":)" + std::to_string(job.id) + ",\"name\":" + json_string(job.name) +
           R"(,"start":null,"status":null})";
  });
}

}  // namespace hybridge
