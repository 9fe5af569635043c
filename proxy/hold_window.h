// One window as its workers share it: who waits, in which order, and the numbers that its owner asks for.
//
// Made and changed by the HoldPool, under its lock; held by the pool and by each worker's gate. The shares and counts
// may be read by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proxy/counters.h"
#include "proxy/hold_terms.h"
#include "proxy/release_pace.h"

namespace hybridge {

// A place in a window's queue: lower ones go first. 0 is none.
using HoldTicket = std::uint64_t;

// What became of those that waited, and of those that came and did not.
enum class HoldOutcome : std::uint8_t {
  kReleased,
  kExpired,     // at their deadline
  kClientGone,  // left while they waited
  kFlushed,     // their route says otherwise: suspended, deleted, moved
  kPaged,       // the window does not hold any more, or the edge stops
  kOutlasted,   // never waited: the window is sure to outlast them
  kFull,        // never waited: a cap
  kRefused,     // never waited: an upgrade, a socket.io poll
  kCount_
};
std::string_view to_string(HoldOutcome outcome);

class HoldWindow {
 public:
  // Of one worker, its only writer.
  struct alignas(64) Share {
    Gauge in_flight;  // holdable requests under way
    Gauge apart;      // of classes that pass
    Gauge tunnels;
  };

  HoldWindow(std::string id, std::size_t workers) : id_(std::move(id)), shares_(workers) {}

  const std::string& id() const { return id_; }
  Share& share(std::size_t worker) { return shares_[worker]; }
  std::int64_t in_flight() const { return sum(&Share::in_flight); }
  std::int64_t apart() const { return sum(&Share::apart); }
  std::int64_t tunnels() const { return sum(&Share::tunnels); }
  std::uint64_t count(HoldOutcome outcome) const {
    return counts_[static_cast<std::size_t>(outcome)].load(std::memory_order_relaxed);
  }

 private:
  friend class HoldPool;

  struct Place {
    std::uint32_t worker = 0;
    std::uint32_t bytes = 0;
    TimePoint deadline = kNever;
    std::array<std::uint8_t, 16> address{};
    bool counts_address = false;
  };
  // Those who wait for one site.
  struct Line {
    std::string server;  // as they came
    std::map<HoldTicket, Place> places;
  };

  std::int64_t sum(Gauge Share::*gauge) const {
    std::int64_t all = 0;
    for (const auto& share : shares_) all += (share.*gauge).value();
    return all;
  }

  const std::string id_;
  std::vector<Share> shares_;
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(HoldOutcome::kCount_)> counts_{};

  // Under the pool's lock.
  std::shared_ptr<const HoldTerms> terms_;
  ReleasePace pace_;
  std::map<std::string, Line, std::less<>> lines_;  // by site
  std::string served_last_;                         // whose turn comes behind it
  std::size_t waiting_ = 0;
  std::size_t pending_ = 0;  // told to go on, and not yet gone
  std::size_t running_ = 0;  // gone on, and not yet ended
  TimePoint began_last_{};   // when the last of them went on
  HoldTicket next_ = HoldTicket{1} << 32;
  HoldTicket next_return_ = 1;  // who comes back goes before all who came later
  std::vector<bool> drained_;   // by worker, at this epoch
  bool is_emptied_ = false;     // and it has been told
  bool is_failed_ = false;      // the same
  bool is_removed_ = false;
};

}  // namespace hybridge
