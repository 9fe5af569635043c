// All who wait in any window: their order over the workers, the caps over all of them, and whose turn it is to go on.
//
// Shared by the workers; thread-safe. Only requests of held sites come here: one lock, because order and caps are
// promises about all workers together, and are kept in one step. What follows from a call is told outside the lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "proxy/hold_window.h"

namespace hybridge {

struct HoldLimits {
  std::uint32_t per_site = 1'000;
  std::uint32_t per_server = 5'000;
  std::uint32_t per_address = 200;
  std::uint32_t total = 20'000;
  std::uint64_t memory = 256u << 20;
  std::uint32_t reserve = 50;            // each site in a window can have so many wait, whatever the others do
  std::uint32_t server_at_once = 1'024;  // released requests under way to one server
  ReleasePace::Guard guard{};
};

class HoldPool {
 public:
  using WindowPtr = std::shared_ptr<HoldWindow>;

  // On whichever thread called; must not block.
  struct Listener {
    virtual void on_granted(std::size_t worker, const WindowPtr& window, std::vector<HoldTicket> tickets) = 0;
    virtual void on_drained(const HoldWindow& window, std::uint64_t epoch) = 0;  // nothing holdable is under way
    virtual void on_emptied(const HoldWindow& window,
                            std::uint64_t epoch) = 0;  // of a release: nobody waits, all is well
    // Of a release: those who went on fare badly. Nobody goes on until the window changes.
    virtual void on_failed(const HoldWindow& window, std::uint64_t epoch) = 0;

   protected:
    ~Listener() = default;
  };

  HoldPool(std::size_t workers, Listener& listener) : workers_(workers), listener_(listener) {}

  void set_limits(const HoldLimits& limits);

  // For the edge, before its workers are told.
  WindowPtr set(const std::shared_ptr<const HoldTerms>& terms, TimePoint now);  // begins or changes one
  void remove(std::string_view id);
  WindowPtr find(std::string_view id) const;  // nullptr: there is none

  // For gates. The rest is for one worker's requests.
  struct Arrival {
    std::string_view site;
    std::string_view server;
    const std::array<std::uint8_t, 16>* address = nullptr;  // nullptr: is not counted
    std::size_t bytes = 0;
    std::size_t worker = 0;
    TimePoint deadline = kNever;
    bool returns = false;         // was in already, and comes back
    bool kept_its_place = false;  // Passage::kReturns was said of it
  };
  // Its ticket; 0: nobody waits in a window that is being released, it goes on. Errors: kHoldFull (which cap),
  // kHoldPaged.
  Result<HoldTicket> join(const WindowPtr& window, const Arrival& arrival, TimePoint now);
  // It waits no longer, whether or not it was told to go on meanwhile.
  void leave(const WindowPtr& window, std::string_view site, HoldTicket ticket, HoldOutcome outcome, TimePoint now);

  // What became of one that was told to go on.
  enum class Passage : std::uint8_t {
    kGood,
    kBad,      // the guard's business
    kUnused,   // it ended for reasons of its own
    kReturns,  // bad, and will join again
  };
  void began(const WindowPtr& window, TimePoint now);
  void ended(const WindowPtr& window, Passage passage, TimePoint now);
  void forgo(const WindowPtr& window, TimePoint now);  // after kReturns: it does not join again
  bool lets_pass(const WindowPtr& window) const;       // who comes now: nobody waits, and it is being released

  void drained(const WindowPtr& window, std::size_t worker, std::uint64_t epoch);
  void turn(const WindowPtr& window, TimePoint now);  // now and then while it is released: time has passed
  void count(HoldWindow& window, HoldOutcome outcome);

  // Memory of those that may come to wait, on the same account.
  bool charge(std::size_t bytes);
  void refund(std::size_t bytes);

  struct Facts {
    std::size_t waiting = 0;
    std::size_t running = 0;
  };
  Facts facts(const HoldWindow& window) const;
  std::size_t waiting() const;  // in all windows
  std::size_t memory() const;
  std::uint64_t total(HoldOutcome outcome) const {
    return totals_[static_cast<std::size_t>(outcome)].load(std::memory_order_relaxed);
  }

 private:
  struct Effects;
  using Key = std::array<std::uint8_t, 16>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  using Counts = std::unordered_map<std::string, std::uint32_t>;

  std::string refusal(const Arrival& arrival) const;
  static bool is_free(const HoldWindow& window);
  std::size_t set_aside() const;
  Result<HoldTicket> enter(HoldWindow& window, const Arrival& arrival);
  HoldTicket add(HoldWindow& window, const Arrival& arrival);
  using Places = std::map<HoldTicket, HoldWindow::Place>;
  void take_out(HoldWindow& window, const std::string& site, HoldWindow::Line& line, Places::iterator place);
  void grant(const WindowPtr& window, TimePoint now, Effects& effects);
  bool grant_one(const WindowPtr& window, TimePoint now, Effects& effects);
  void look_if_empty(const WindowPtr& window, TimePoint now, Effects& effects);
  void count_sites();
  std::size_t reserve() const;
  std::size_t ceiling(const HoldWindow& window) const;
  void tell(const Effects& effects);

  const std::size_t workers_;
  Listener& listener_;

  mutable std::mutex mutex_;
  HoldLimits limits_;
  std::map<std::string, WindowPtr, std::less<>> windows_;
  std::multiset<std::string, std::less<>> releasing_;  // servers of windows that are released
  Counts by_site_;
  Counts by_server_;
  std::unordered_map<Key, std::uint32_t, KeyHash> by_address_;
  std::size_t sites_ = 0;  // in windows: each has its reserve
  std::size_t waiting_ = 0;
  std::size_t memory_ = 0;
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(HoldOutcome::kCount_)> totals_{};
};

}  // namespace hybridge
