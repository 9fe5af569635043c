// The gates of one worker: every request of a site comes in by them, is counted, and waits while its site is held.
//
// Owned by the Worker; its thread only. Entering and counting are one step, so that `drained` is never early. While no
// window is open a gate is a link in one list: no look-up, no count, no allocation. What is under way when a window
// begins is found by walking that list. Who waits is in HoldPool's order, over all workers.
#pragma once

#include <array>
#include <boost/container/static_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/downstream/stream.h"
#include "proxy/hold_class.h"
#include "proxy/hold_pool.h"
#include "proxy/hold_terms.h"

namespace hybridge {

class Exchange;
class Gate;
class Gates;
class Worker;

// A request's being in: made with its exchange, in from admit() until it leaves (or goes).
class GateEntry : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // Whoever works on a request that is in.
  struct Interruptible {
    virtual void recall() = 0;                 // nothing was sent: end with kRecalled
    virtual void cut(const Error& error) = 0;  // what was sent is given up
    virtual void close_tunnel(Duration) {}     // its ends are told to come again, after that time

   protected:
    ~Interruptible() = default;
  };

  explicit GateEntry(Exchange& exchange) : exchange_(exchange) {}
  ~GateEntry();
  GateEntry(const GateEntry&) = delete;

  Exchange& exchange() const { return exchange_; }
  void set_interruptible(Interruptible* interruptible) { interruptible_ = interruptible; }

  void sent() { is_sent_ = true; }  // bytes of it may have reached the server: it cannot be recalled
  void became_tunnel();             // is no request any more: nobody waits for its end, and leave() is not for it
  // Its site is held, so that what has not been sent (again) goes back to the gate, with kRecalled.
  bool is_recalled() const { return is_recalled_; }

  // Its work is done. True: it goes back to the gate, because it was recalled, or could not be brought to a server that
  // was thought to be back.
  bool leave(const Result<void>& outcome);

 private:
  friend class Gate;
  friend class Gates;
  friend class Held;

  enum class Kind : std::uint8_t { kInFlight, kApart, kTunnel };
  // Which gates count it: that of its site, and that of its server.
  struct Count {
    Gate* gate = nullptr;
    Kind kind = Kind::kInFlight;
  };
  // Of a window that told it to go on.
  struct Pass {
    HoldPool::WindowPtr window;
    std::uint32_t closings = 0;  // of the gate by then: a gate closed anew is closed for it, too
  };

  HoldPool::Passage passage_by(const Result<void>& outcome);
  void let_go_on(const HoldPool::WindowPtr& window, std::uint32_t closings);
  void end_passages(HoldPool::Passage passage);

  Exchange& exchange_;
  Interruptible* interruptible_ = nullptr;
  std::array<Count, 2> counts_;
  boost::container::static_vector<Pass, 2> passes_;
  HoldPool::WindowPtr place_kept_;  // in whose queue it has one, until it is there again
  HoldClass class_;                 // once it is known
  std::uint8_t tries_ = 0;
  bool has_class_ : 1 = false;
  bool is_sent_ : 1 = false;
  bool is_tunnel_ : 1 = false;
  bool is_recalled_ : 1 = false;
  bool came_back_ : 1 = false;
};

// A request that waits. Lives in the frame of Gates::wait().
class Held final : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                   private Timer::Owner,
                   private Stream::GoneListener {
 public:
  enum class End : std::uint8_t { kWaiting, kGranted, kLookAgain, kExpired, kGone, kPaged, kRemoved };

  Held(Exchange& exchange, Gate& gate, HoldTicket ticket, TimePoint deadline);
  ~Held();
  Held(const Held&) = delete;

  auto wait() { return waiter_.wait(); }
  void end(End how);  // the wait is over; goes on inline
  End how() const { return end_; }
  HoldTicket ticket() const { return ticket_; }
  void grant(std::uint32_t closings) {
    closings_ = closings;
    end(End::kGranted);
  }
  std::uint32_t closings() const { return closings_; }
  Exchange& exchange() const { return exchange_; }
  friend bool operator<(const Held& a, const Held& b) { return a.ticket_ < b.ticket_; }

 private:
  void on_timer() override { end(End::kExpired); }
  void on_client_gone() override { end(End::kGone); }

  Exchange& exchange_;
  const HoldTicket ticket_;
  std::uint32_t closings_ = 0;
  Waiter waiter_;
  Timer timer_;
  End end_ = End::kWaiting;
};

// What one window holds of one worker's requests.
class Gate {
 public:
  Gate(std::shared_ptr<HoldWindow> window, std::size_t worker)
      : window_(std::move(window)), share_(window_->share(worker)) {}

  const HoldPool::WindowPtr& window() const { return window_; }
  const HoldTerms& terms() const { return *terms_; }

 private:
  friend class Gates;
  friend class GateEntry;
  friend class Held;
  using Waiting = boost::intrusive::set<Held, boost::intrusive::constant_time_size<false>>;

  Gauge& number(GateEntry::Kind kind);
  Held* find(HoldTicket ticket);

  HoldPool::WindowPtr window_;
  HoldWindow::Share& share_;
  std::shared_ptr<const HoldTerms> terms_;
  std::uint32_t closings_ = 0;
  Waiting waiting_;
};

// A request that was under way when its window began, for those who wait for its end.
struct Straggler {
  std::string method;
  std::string path;  // without its query
  std::string site;
  std::int64_t age_ms = 0;
  bool is_answering = false;  // the answer has begun
};

class Gates final : private Timer::Owner {
 public:
  Gates(Worker& worker, HoldPool& pool, std::size_t index);
  ~Gates();
  Gates(const Gates&) = delete;

  // Lets it in and counts it, in one step; false: its gate is closed, wait_at_gate().
  bool admit(GateEntry& entry) {
    entries_.push_back(entry);
    if (gates_.empty()) [[likely]]
      return true;
    return admit_among(entry);
  }

  // The window begins, or changes.
  void apply(const HoldPool::WindowPtr& window, std::shared_ptr<const HoldTerms> terms);
  void remove(std::string_view id);  // it is over
  void grant(std::string_view id, const std::vector<HoldTicket>& tickets);
  void look_again();  // the table has changed: those whose route is another go on
  void page_all();    // the process ends
  bool holds_server(std::string_view server) const { return by_server_.contains(server); }  // all its sites
  std::vector<Straggler> stragglers(std::string_view id, std::size_t most) const;
  std::size_t cut(std::string_view id);

 private:
  friend class GateEntry;
  friend class Held;
  friend Task<Result<void>> wait_at_gate(Exchange& exchange);
  using Entries = boost::intrusive::list<GateEntry, boost::intrusive::constant_time_size<false>>;
  using ByName = std::unordered_map<std::string_view, Gate*>;

  using Pair = std::array<Gate*, 2>;  // of a request's site and of its server; nullptr: not held

  Pair gates_of(const Exchange& exchange) const;
  bool admit_among(GateEntry& entry);
  Gate* closed_gate(GateEntry& entry, const Pair& gates);
  bool is_let_through(const GateEntry& entry, const Gate& gate) const;
  bool is_apart(GateEntry& entry, const Gate& gate);
  const HoldClass& class_of(GateEntry& entry);
  std::optional<Error> refusal(GateEntry& entry, const Gate& gate);
  std::chrono::seconds retry_after_of(const Gate& gate);
  Result<HoldTicket> join(Exchange& exchange, const Gate& gate, TimePoint deadline);
  Task<Result<void>> wait(Exchange& exchange, Gate& gate);
  Result<void> settle(const Held& held);
  void count(GateEntry& entry, Gate& gate, GateEntry::Kind kind);
  void uncount(GateEntry& entry);
  void look_if_drained(const Gate& gate);
  void close(Gate& gate);
  void learn_names();
  void end_all(Gate& gate, Held::End how);
  void close_tunnels(Gate& gate);
  static bool is_of(const Exchange& exchange, const Gate& gate);
  Gate* find(std::string_view id) const;
  void on_timer() override;

  Worker& worker_;
  HoldPool& pool_;
  const std::size_t index_;
  Entries entries_;  // all that are in
  std::vector<std::unique_ptr<Gate>> gates_;
  ByName by_site_;
  ByName by_server_;
  bool is_ending_ = false;
  Timer turn_;  // while something is released: time lets more of them go
};

// Waits until the request may try again to come in, by whatever route it has then. Errors: what it is told instead.
Task<Result<void>> wait_at_gate(Exchange& exchange);

}  // namespace hybridge
