// The press API's jobs: gives them their ids, knows a call that was made before, and finds them again.
//
// Ids grow, over restarts too, and start above those of an agent that was taken over. A call is known by its
// X-Agent-Job-Id for as long as its job is kept. A job is stored before anybody can know when it is live: of the newest
// ones that is remembered here, of others their end is that of the plan, some milliseconds before. enter() and settle()
// are for the Publisher's thread; finding is for any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "admin/publisher.h"
#include "admin/records.h"
#include "admin/state_reader.h"

namespace hybridge {

// A job on its way into the store. Shared by the call that waits for it and the book.
struct JobTicket {
  JobRecord record;
  std::optional<std::int64_t> known;  // the same call was made before, and this is its job
};

class JobBook {
 public:
  static constexpr std::int64_t kFirst = 1'000'001;
  static constexpr std::size_t kEnds = 10'000;  // as many are remembered

  static Result<std::unique_ptr<JobBook>> open(StateReader& reader);

  // Gives the ticket an id, or says which job it is already. May be asked again for the same ticket: a write is planned
  // anew when the ones beside it could not be stored.
  Result<void> enter(const std::shared_ptr<JobTicket>& ticket);
  void settle(const std::shared_ptr<JobTicket>& ticket, const Outcome& outcome, std::int64_t now);

  // Those that are not kept are left out.
  Result<std::vector<JobRecord>> find(std::span<const std::int64_t> ids);
  Result<std::vector<JobRecord>> find(std::span<const std::string> agent_job_ids);
  Result<std::vector<JobRecord>> newest(std::size_t limit);

 private:
  JobBook(StateReader& reader, std::int64_t last) : reader_(reader), last_(last) {}
  void add_unstored(std::int64_t id, std::vector<JobRecord>& found);
  void set_ends(std::vector<JobRecord>& found) const;

  StateReader& reader_;
  std::int64_t last_;  // the Publisher's thread only

  // Jobs that are not in the store: on their way, or done though the disk is full.
  std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<JobTicket>> unstored_;
  std::map<std::string, std::int64_t> unstored_names_;
  std::map<std::int64_t, std::int64_t> ended_;  // when the newest were live: Unix microseconds, by id
};

}  // namespace hybridge
