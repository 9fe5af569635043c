#include "proxy/maintenance_detector.h"

#include <algorithm>
#include <utility>

namespace hybridge {

using http::Ping;

std::optional<MaintenanceDetector::Verdict> MaintenanceDetector::saw_503(bool says_stopped, TimePoint now) {
  if (state_ == State::kOff) return Verdict::kPass;
  if (state_ == State::kIdle && !says_stopped && now < remembered_until_) return Verdict::kPass;
  if (state_ == State::kHeld) return Verdict::kHeld;
  if (state_ == State::kIdle) {
    state_ = State::kAsking;
    asked_at_ = now;
    orders_.probe({});
  }
  return std::nullopt;
}

void MaintenanceDetector::answered(Ping ping, TimePoint now) {
  switch (state_) {
    case State::kAsking:
      return answered_first(ping, now);
    case State::kHeld:
      return answered_held(ping);
    case State::kOff:
      return answered_off(ping);
    case State::kIdle:
    case State::kOpening:
      return;
  }
}

void MaintenanceDetector::answered_first(Ping ping, TimePoint now) {
  switch (ping) {
    case Ping::kStopped:
      state_ = State::kOpening;
      return orders_.begin();
    case Ping::kPong:
      return set_aside(Verdict::kOver, now);
    case Ping::kOtherwise:
      return set_aside(Verdict::kPass, now);
    case Ping::kNoAnswer:
      // Says neither yes nor no: the folder may have been moved, or the server be starting again, in this very moment.
      if (now - asked_at_ >= kUndecided) return set_aside(Verdict::kPass, now);
      return orders_.probe(kInterval);
  }
}

void MaintenanceDetector::answered_held(Ping ping) {
  if (ping == Ping::kPong) {
    state_ = State::kIdle;
    remembered_until_ = {};
    return orders_.end();
  }
  // Whatever else it says, it does not work yet; but only what belongs to a move is a reason to hold on.
  if (ping != Ping::kOtherwise) orders_.renew();
  orders_.probe(kInterval);
}

void MaintenanceDetector::answered_off(Ping ping) {
  if (ping == Ping::kPong) {
    state_ = State::kIdle;
    remembered_until_ = {};
    return;
  }
  pause_ = std::min<Duration>(pause_ * 2, kLongestPause);
  orders_.probe(pause_);
}

void MaintenanceDetector::set_aside(Verdict verdict, TimePoint now) {
  state_ = State::kIdle;
  remembered_until_ = now + kRemembered;
  orders_.tell(verdict);
}

void MaintenanceDetector::begun(bool held, TimePoint now) {
  if (state_ != State::kOpening) return;
  if (!held) return set_aside(Verdict::kPass, now);
  state_ = State::kHeld;
  orders_.probe(kInterval);
  orders_.tell(Verdict::kHeld);
}

void MaintenanceDetector::ended(bool gives_up) {
  if (state_ != State::kHeld) return;
  // A probe is under way, or will be: of a site that gave up, its answer begins the longer pauses.
  state_ = gives_up ? State::kOff : State::kIdle;
  pause_ = kInterval;
  remembered_until_ = {};
}

void MaintenanceDetector::resumed() {
  if (state_ == State::kHeld) return;
  const bool is_waited_for = is_asking();
  state_ = State::kHeld;
  orders_.probe({});
  if (is_waited_for) orders_.tell(Verdict::kHeld);
}

void MaintenanceDetector::removed() {
  const bool is_waited_for = is_asking();
  if (std::exchange(state_, State::kIdle) == State::kHeld) orders_.end();
  remembered_until_ = {};
  if (is_waited_for) orders_.tell(Verdict::kPass);
}

}  // namespace hybridge
