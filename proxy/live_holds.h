// Where windows are handed to so that every worker keeps to them: the port between the registry of holds and the
// workers.
//
// Implemented by the Edge; called by one thread at a time, but counts(). Later calls supersede earlier ones in order.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/gate.h"
#include "proxy/hold_terms.h"
#include "proxy/hold_window.h"

namespace hybridge {

class LiveHolds {
 public:
  // What becomes of windows; on any thread, must not block. `epoch`: of the terms that it is true of.
  struct Observer {
    virtual void on_drained(const std::string& id, std::uint64_t epoch) = 0;  // nothing holdable is under way
    virtual void on_emptied(const std::string& id, std::uint64_t epoch) = 0;  // released, and nobody waits any more
    virtual void on_failed(const std::string& id, std::uint64_t epoch) = 0;   // released, and the site is not back

   protected:
    ~Observer() = default;
  };
  virtual void set_observer(Observer* observer) = 0;  // before the workers run

  // A window begins or changes. `all_live` is called once, on any thread, when every worker keeps to it: from then on
  // nothing that it holds starts upstream.
  virtual void hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) = 0;
  // It is over; who still waits goes on at once.
  virtual void unhold(std::string id, std::function<void()> all_live) = 0;

  // What is still under way of those that were when it began, the oldest first; and to end it.
  virtual void stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) = 0;
  virtual void cut(std::string id, std::function<void(std::size_t)> done) = 0;

  struct Counts {
    std::int64_t in_flight = 0;  // holdable
    std::int64_t apart = 0;      // of classes that pass
    std::int64_t tunnels = 0;
    std::size_t waiting = 0;
    std::size_t running = 0;  // went on, and have not ended
    std::array<std::uint64_t, static_cast<std::size_t>(HoldOutcome::kCount_)> outcomes{};
    std::uint64_t of(HoldOutcome outcome) const { return outcomes[static_cast<std::size_t>(outcome)]; }
  };
  virtual std::optional<Counts> counts(std::string_view id) const = 0;  // any thread; nullopt: no such window

 protected:
  virtual ~LiveHolds() = default;
};

}  // namespace hybridge
