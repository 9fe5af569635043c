// What the edge makes of one site's 503s: whether the site is in maintenance, and when that is over (holds.md, trigger
// A; decisions.md 31). One probe at a time asks the site itself; only its word opens and ends a window.
//
// A state machine without clock, sockets or thread: its owner tells it what happens, and carries out its orders.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "proxy/http/unavailable.h"

namespace hybridge {

class MaintenanceDetector {
 public:
  // Of requests that met with a 503.
  enum class Verdict : std::uint8_t {
    kPass,  // nothing to do with maintenance: the client gets the answer
    kHeld,  // the site is held: what can be repeated waits at the gate
    kOver,  // the site was in maintenance a moment ago, and works again: what was stopped may be sent again
  };

  // What the owner does. None of these calls back before it returns.
  struct Orders {
    virtual void probe(Duration after) = 0;  // asks the site, then; answered() tells what it said
    virtual void begin() = 0;                // asks for a window; begun() tells
    virtual void renew() = 0;                // the window's claim
    virtual void end() = 0;                  // the claim is over
    virtual void tell(Verdict verdict) = 0;  // everybody who waits for a verdict

   protected:
    ~Orders() = default;
  };

  static constexpr auto kInterval = std::chrono::milliseconds(250);  // between two probes
  static constexpr auto kRemembered = std::chrono::seconds(5);       // a 503 that was no maintenance
  static constexpr auto kLongestPause = std::chrono::seconds(30);    // between two probes after a window gave up
  static constexpr auto kUndecided = std::chrono::seconds(1);        // without an answer; then a 503 is just that

  explicit MaintenanceDetector(Orders& orders) : orders_(orders) {}

  // A 503 came. `says_stopped`: it says itself that it is maintenance, which is looked into again even where another
  // kind of 503 was lately found to mean nothing. Nothing: the verdict will be told.
  std::optional<Verdict> saw_503(bool says_stopped, TimePoint now);
  void answered(http::Ping ping, TimePoint now);  // the probe
  void begun(bool held, TimePoint now);           // the window that begin() asked for is there, or refused
  // The window ended without the site's word. `gives_up`: it expired or was aborted; until the site works again its
  // 503s are its own affair.
  void ended(bool gives_up);
  void resumed();  // the process has started again, and the window was there
  void removed();  // the site is not in the table any more

  // When nothing is known of the site any more, unless something happens; kNever: not by itself.
  TimePoint idle_at() const { return state_ == State::kIdle ? remembered_until_ : kNever; }

 private:
  enum class State : std::uint8_t { kIdle, kAsking, kOpening, kHeld, kOff };

  void answered_first(http::Ping ping, TimePoint now);
  void answered_held(http::Ping ping);
  void answered_off(http::Ping ping);
  void set_aside(Verdict verdict, TimePoint now);
  bool is_asking() const { return state_ == State::kAsking || state_ == State::kOpening; }

  Orders& orders_;
  State state_ = State::kIdle;
  TimePoint asked_at_{};
  Duration pause_{};
  TimePoint remembered_until_{};
};

}  // namespace hybridge
