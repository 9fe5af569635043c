#include "proxy/upstream/dial.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"

namespace hybridge {

using State = UpstreamObserver::State;

Dial::Dial(UpstreamEndpoint& endpoint, std::shared_ptr<const Server> server, UpstreamTls& tls)
    : endpoint_(endpoint),
      server_(std::move(server)),
      tls_(tls),
      loop_(endpoint.shared().loop),
      timer_(loop_.timers(), *this) {
  endpoint_.add(*this);
}

Dial::~Dial() {
  endpoint_.remove(*this);
  while (!attempts_.empty()) bury(take(*attempts_.back()));
}

void Dial::start() {
  deadline_ = loop_.now() + endpoint_.shared().settings.connect;
  timer_.arm(deadline_);
  if (endpoint_.resolve()) {
    begin_attempts();
  } else {
    is_resolving_ = true;
  }
}

void Dial::addresses_changed() {
  if (!is_resolving_ || outcome_) return;
  is_resolving_ = false;
  if (endpoint_.addresses().empty()) {
    finish(endpoint_.fault().value_or(make_error(Reason::kUpstreamUnresolved)));
  } else {
    begin_attempts();
  }
}

void Dial::begin_attempts() {
  addresses_.assign(endpoint_.addresses().begin(), endpoint_.addresses().end());
  attempt_next();
}

void Dial::attempt_next() {
  const auto& address = addresses_[next_++];
  UniqueSsl ssl;
  if (server_->tls.mode != ServerTls::Mode::kOff) {
    auto made = tls_.connect(*server_);
    if (!made.has_value()) {
      finish(made.error());
      return;
    }
    ssl = std::move(*made);
  }
  auto& shared = endpoint_.shared();
  UpstreamConnection::Owner& owner = *this;
  attempts_.push_back(std::make_unique<UpstreamConnection>(loop_, owner, shared.settings));
  shared.moved(State::kNone, State::kConnecting);
  attempts_.back()->connect(address, std::move(ssl));
  next_attempt_ = next_ < addresses_.size() ? loop_.now() + kHeadStart : kNever;
  timer_.arm(std::min(deadline_, next_attempt_));
}

void Dial::on_connected(UpstreamConnection& connection) {
  if (outcome_) return;
  endpoint_.remember_good(connection.endpoint());
  finish(take(connection));
}

void Dial::on_connect_failed(UpstreamConnection& connection, const Error& error) {
  last_error_ = make_error(error.reason, std::string(connection.endpoint_text()) + ": " + error.detail);
  bury(take(connection));
  if (outcome_) return;
  if (next_ < addresses_.size()) {
    attempt_next();
  } else if (attempts_.empty()) {
    finish(*last_error_);
  }
}

void Dial::on_timer() {
  if (outcome_) return;
  if (loop_.now() >= deadline_) {
    finish(timed_out());
    return;
  }
  // An address that has answered is worth waiting for: what is left is its TLS handshake.
  const bool has_answer =
      std::any_of(attempts_.begin(), attempts_.end(), [](const auto& attempt) { return attempt->is_tcp_connected(); });
  if (!has_answer && loop_.now() >= next_attempt_) {
    attempt_next();
    return;
  }
  timer_.arm(has_answer ? deadline_ : std::min(deadline_, next_attempt_));
}

Error Dial::timed_out() const {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(endpoint_.shared().settings.connect).count();
  const auto& configured = endpoint_.configured();
  const auto within = " within " + std::to_string(milliseconds) + " ms (timeouts.connect)";
  if (is_resolving_) {
    return make_error(Reason::kUpstreamUnresolved, "the name " + configured.address + " was not resolved" + within);
  }
  return make_error(Reason::kUpstreamConnectTimeout,
                    configured.address + ":" + std::to_string(configured.port) + " was not connected to" + within);
}

void Dial::cancel(const Error& error) {
  if (!outcome_) finish(error);
}

void Dial::finish(Outcome outcome) {
  outcome_.emplace(std::move(outcome));
  timer_.disarm();
  // The rest stops now: who waits may go on for long before this Dial goes.
  while (!attempts_.empty()) bury(take(*attempts_.back()));
  waiter_.resume();
}

std::unique_ptr<UpstreamConnection> Dial::take(UpstreamConnection& connection) {
  const auto at = std::find_if(attempts_.begin(), attempts_.end(),
                               [&](const auto& attempt) { return attempt.get() == &connection; });
  auto taken = std::move(*at);
  attempts_.erase(at);
  return taken;
}

void Dial::bury(std::unique_ptr<UpstreamConnection> connection) {
  connection->close();
  endpoint_.shared().moved(State::kConnecting, State::kNone);
  loop_.bury(std::move(connection));
}

}  // namespace hybridge
