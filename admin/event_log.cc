#include "admin/event_log.h"

#include <algorithm>
#include <utility>

namespace hybridge {

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kChange:
      return "change";
    case EventKind::kCertificate:
      return "certificate";
    case EventKind::kHold:
      return "hold";
    case EventKind::kHealth:
      break;
  }
  return "health";
}

EventLog::EventLog(std::uint64_t revision, std::uint64_t first_number, Limits limits)
    : limits_(limits), next_(first_number), revision_(revision), covers_revision_(revision) {}

void EventLog::add_revision(EventKind kind, std::uint64_t revision, std::string data) {
  add(Event{kind, revision, 0, std::move(data)});
}

void EventLog::add(EventKind kind, std::string data) {
  add(Event{kind, 0, 0, std::move(data)});
}

void EventLog::advance_to(std::uint64_t revision) {
  const std::lock_guard lock(mutex_);
  revision_ = std::max(revision_, revision);
}

void EventLog::add(Event event) {
  std::map<Ticket, std::function<void()>> woken;
  {
    const std::lock_guard lock(mutex_);
    if (is_revision(event.kind)) {
      revision_ = std::max(revision_, event.revision);
    } else {
      event.revision = revision_;
    }
    event.number = next_++;
    bytes_ += event.data.size();
    events_.push_back(std::make_shared<const Event>(std::move(event)));
    while (events_.size() > limits_.events || (bytes_ > limits_.bytes && events_.size() > 1)) {
      const auto& gone = *events_.front();
      bytes_ -= gone.data.size();
      if (is_revision(gone.kind)) covers_revision_ = std::max(covers_revision_, gone.revision);
      events_.pop_front();
    }
    woken.swap(waiting_);
  }
  for (const auto& [ticket, wake] : woken) wake();
}

void EventLog::end() {
  std::map<Ticket, std::function<void()>> woken;
  {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    woken.swap(waiting_);
  }
  for (const auto& [ticket, wake] : woken) wake();
}

void EventLog::begin_again() {
  const std::lock_guard lock(mutex_);
  has_ended_ = false;
}

bool EventLog::has_ended() const {
  const std::lock_guard lock(mutex_);
  return has_ended_;
}

bool EventLog::read_behind(std::uint64_t number, std::size_t most, Events& events) const {
  const std::lock_guard lock(mutex_);
  if (number + 1 < oldest() || number >= next_) return false;
  const auto first = static_cast<std::size_t>(number + 1 - oldest());
  const auto count = std::min(most, events_.size() - first);
  const auto begin = events_.begin() + static_cast<std::ptrdiff_t>(first);
  events.insert(events.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  return true;
}

bool EventLog::find_revision(std::uint64_t revision, std::uint64_t& number) const {
  const std::lock_guard lock(mutex_);
  if (revision < covers_revision_ || revision > revision_) return false;
  // What happened between two revisions follows the one that made the table it happened under.
  const auto found = std::find_if(events_.begin(), events_.end(), [&](const auto& event) {
    return event->revision > revision || (event->revision == revision && !is_revision(event->kind));
  });
  number = found == events_.end() ? next_ - 1 : (*found)->number - 1;
  return true;
}

std::uint64_t EventLog::newest() const {
  const std::lock_guard lock(mutex_);
  return next_ - 1;
}

std::uint64_t EventLog::newest_revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

EventLog::Ticket EventLog::await(std::uint64_t number, std::function<void()> wake) {
  {
    const std::lock_guard lock(mutex_);
    const auto ticket = next_ticket_++;
    if (number + 1 >= next_ && !has_ended_) {
      waiting_.emplace(ticket, std::move(wake));
      return ticket;
    }
  }
  wake();
  return 0;
}

void EventLog::forget(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(ticket);
}

}  // namespace hybridge
