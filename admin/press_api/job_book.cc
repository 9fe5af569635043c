#include "admin/press_api/job_book.h"

#include <algorithm>

namespace hybridge {

Result<std::unique_ptr<JobBook>> JobBook::open(StateReader& reader) {
  const auto highest = reader.highest_job();
  if (!highest) return highest.error();
  return std::unique_ptr<JobBook>(new JobBook(reader, std::max(*highest, kFirst - 1)));
}

Result<void> JobBook::enter(const std::shared_ptr<JobTicket>& ticket) {
  auto& record = ticket->record;
  ticket->known.reset();
  if (!record.agent_job_id.empty()) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = unstored_names_.find(record.agent_job_id);
      if (found != unstored_names_.end() && found->second != record.id) {
        ticket->known = found->second;
        return {};
      }
    }
    const auto stored = reader_.jobs(std::span<const std::string>(&record.agent_job_id, 1));
    if (!stored) return stored.error();
    if (!stored->empty()) {
      ticket->known = stored->front().id;
      return {};
    }
  }
  if (record.id == 0) record.id = ++last_;
  const std::lock_guard lock(mutex_);
  unstored_[record.id] = ticket;
  if (!record.agent_job_id.empty()) unstored_names_[record.agent_job_id] = record.id;
  return {};
}

void JobBook::settle(const std::shared_ptr<JobTicket>& ticket, const Outcome& outcome, std::int64_t now) {
  if (ticket->known) return;
  const bool is_accepted = outcome.kind == Outcome::Kind::kAccepted;
  if (is_accepted && outcome.live) {
    const std::lock_guard lock(mutex_);
    ended_[ticket->record.id] = now;
    if (ended_.size() > kEnds) ended_.erase(ended_.begin());
  }
  if (is_accepted && !outcome.durable) {
    const std::lock_guard lock(mutex_);
    ticket->record.revision = outcome.revision;  // in force: it is found here until the store has it
    return;
  }
  const std::lock_guard lock(mutex_);
  std::erase_if(unstored_, [&](const auto& entry) {
    const auto& record = entry.second->record;
    // What could be stored brought along what could not be before.
    const bool is_stored = is_accepted && record.revision != 0 && record.revision < outcome.revision;
    if (!is_stored && entry.second != ticket) return false;
    unstored_names_.erase(record.agent_job_id);
    return true;
  });
}

// What is in force and not stored yet; it may have been stored a moment ago.
void JobBook::add_unstored(std::int64_t id, std::vector<JobRecord>& found) {
  const auto unstored = unstored_.find(id);
  if (unstored == unstored_.end() || unstored->second->record.revision == 0) return;
  if (std::any_of(found.begin(), found.end(), [id](const JobRecord& job) { return job.id == id; })) return;
  found.push_back(unstored->second->record);
}

Result<std::vector<JobRecord>> JobBook::find(std::span<const std::int64_t> ids) {
  auto found = reader_.jobs(ids);
  if (!found) return found;
  const std::lock_guard lock(mutex_);
  for (const auto id : ids) add_unstored(id, *found);
  set_ends(*found);
  return found;
}

Result<std::vector<JobRecord>> JobBook::find(std::span<const std::string> agent_job_ids) {
  auto found = reader_.jobs(agent_job_ids);
  if (!found) return found;
  const std::lock_guard lock(mutex_);
  for (const auto& name : agent_job_ids) {
    const auto unstored = unstored_names_.find(name);
    if (unstored != unstored_names_.end()) add_unstored(unstored->second, *found);
  }
  set_ends(*found);
  return found;
}

Result<std::vector<JobRecord>> JobBook::newest(std::size_t limit) {
  auto found = reader_.newest_jobs(limit);
  if (!found) return found;
  const std::lock_guard lock(mutex_);
  set_ends(*found);
  return found;
}

void JobBook::set_ends(std::vector<JobRecord>& found) const {
  for (auto& job : found) {
    const auto ended = ended_.find(job.id);
    if (ended != ended_.end() && !job.times.empty())
      job.times.back() = std::max(job.times.back(), ended->second - job.at);
  }
}

}  // namespace hybridge
