// What has just happened, in order, for whoever watches: changes, certificates, holds, health. Kept in memory within
// bounds; of changes and certificates the audit knows all that is older (admin/events_api.h joins the two).
//
// Any thread adds, any thread reads. Adding never waits for a reader: readers come with the number of what they have
// seen, and one that is further behind than the log reaches back is told so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hybridge {

enum class EventKind : std::uint8_t {
  kChange,       // of the routing table
  kCertificate,  // of certificates alone
  kHold,         // a transition of a window
  kHealth,       // of a server, or of this process
};
std::string_view to_string(EventKind kind);  // `change`, as the stream spells it

// Changes and certificates are the revisions; the others happen between two.
constexpr bool is_revision(EventKind kind) {
  return kind == EventKind::kChange || kind == EventKind::kCertificate;
}

struct Event {
  EventKind kind = EventKind::kChange;
  std::uint64_t revision = 0;  // that it made, or that was the newest when it happened
  std::uint64_t number = 0;    // ascending by one; no other run of the process uses it again
  std::string data;            // JSON, one line
};

class EventLog {
 public:
  struct Limits {
    std::size_t events = 10'000;
    std::size_t bytes = std::size_t{8} << 20;  // of their data
  };

  // `revision`: of what was loaded; what is newer is in this log. Numbers count on from `first_number`.
  EventLog(std::uint64_t revision, std::uint64_t first_number, Limits limits);
  EventLog(std::uint64_t revision, std::uint64_t first_number) : EventLog(revision, first_number, Limits{}) {}

  void add_revision(EventKind kind, std::uint64_t revision, std::string data);
  void add(EventKind kind, std::string data);  // of the others
  void advance_to(std::uint64_t revision);     // a write of which there is nothing to tell

  // Another process takes over: who waits is woken, to follow that one. Unless it fails to.
  void end();
  void begin_again();
  bool has_ended() const;

  using Events = std::vector<std::shared_ptr<const Event>>;
  // Those behind the event of that number, `most` at most. False: some of them are no longer kept.
  bool read_behind(std::uint64_t number, std::size_t most, Events& events) const;
  // The number behind which all is newer than that revision. False: that is no longer kept, or nobody has it yet.
  bool find_revision(std::uint64_t revision, std::uint64_t& number) const;
  std::uint64_t newest() const;  // the number of the newest event; the one before the first: there is none
  std::uint64_t newest_revision() const;

  // Calls `wake` once, on any thread, as soon as there is something behind `number`: now, if there is. The ticket ends
  // the wait; after that `wake` is not called, but may be under way.
  using Ticket = std::uint64_t;
  Ticket await(std::uint64_t number, std::function<void()> wake);
  void forget(Ticket ticket);

 private:
  void add(Event event);
  std::uint64_t oldest() const { return next_ - events_.size(); }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<const Event>> events_;
  std::size_t bytes_ = 0;
  std::uint64_t next_;
  std::uint64_t revision_;         // of the newest
  std::uint64_t covers_revision_;  // everything newer than this is here
  bool has_ended_ = false;
  Ticket next_ticket_ = 1;
  std::map<Ticket, std::function<void()>> waiting_;
};

}  // namespace hybridge
