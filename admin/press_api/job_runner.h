// Runs the press API's jobs: each is one write of the Publisher, planned against the newest tables, and stored together
// with what it changes. A job that cannot be right is stored as failed, and changes nothing.
//
// Any thread submits. The answer comes on the Publisher's thread, when the job is on disk and every worker serves by it
// (or has had its time: the job is then shown as running until it is so).
#pragma once

#include <functional>
#include <memory>

#include "admin/api_route.h"
#include "admin/press_api/draft.h"
#include "admin/press_api/job_book.h"
#include "admin/publisher.h"
#include "admin/state_reader.h"

namespace hybridge {

class JobRunner {
 public:
  // `now`: Unix microseconds.
  JobRunner(Publisher& publisher, StateReader& reader, JobBook& book, std::function<std::int64_t()> now)
      : publisher_(publisher), reader_(reader), book_(book), now_(std::move(now)) {}

  // Answers `{"job": id}`; the same call made again, with the id of its first job.
  void run(const ApiRequest& request, Job job, Answered answered);

 private:
  Plan plan(const Job& job, const std::shared_ptr<JobTicket>& ticket, const Tip& tip, Error& broken);

  Publisher& publisher_;
  StateReader& reader_;
  JobBook& book_;
  const std::function<std::int64_t()> now_;
};

}  // namespace hybridge
