#include "proxy/upstream/endpoint.h"

#include <algorithm>
#include <utility>

#include "io/loop.h"
#include "proxy/upstream/dial.h"

namespace hybridge {

using State = UpstreamObserver::State;

// What a look-up under way knows of the endpoint that asked: nothing, once it is gone. The worker's thread only.
struct UpstreamEndpoint::Resolving {
  UpstreamEndpoint* endpoint;
};

void UpstreamEndpoint::Shared::moved(State from, State to) {
  const auto count = [this](State state) -> std::uint32_t* {
    switch (state) {
      case State::kConnecting:
        return &stats.connecting;
      case State::kActive:
        return &stats.active;
      case State::kIdle:
        return &stats.idle;
      default:
        return nullptr;
    }
  };
  if (auto* number = count(from)) --*number;
  if (auto* number = count(to)) ++*number;
  if (observer) observer->upstream_connection_moved(from, to);
}

UpstreamEndpoint::UpstreamEndpoint(Shared& shared, Owner& owner, const Endpoint& configured)
    : shared_(shared), owner_(owner), configured_(configured) {
  if (auto address = Address::parse(configured.address, configured.port); address.has_value()) {
    addresses_.push_back(*address);
  } else {
    is_name_ = true;
  }
}

UpstreamEndpoint::~UpstreamEndpoint() {
  end_all(make_error(Reason::kShuttingDown));
  if (resolving_) resolving_->endpoint = nullptr;
  close_idle();
  while (!connections_.empty()) discard(*connections_.back(), State::kActive);
}

// ---- Connections ----

Duration UpstreamEndpoint::limit_of(const UpstreamConnection& connection) const {
  const auto& learned = connection.has_carried() ? idle_limit_ : unused_limit_;
  return learned.limit(shared_.settings.idle, connection.keep_alive_seconds());
}

UpstreamConnection* UpstreamEndpoint::take_idle(bool unsafe) {
  for (auto at = idle_.begin(); at != idle_.end();) {
    auto& connection = *at++;
    const auto idle = shared_.loop.now() - connection.idle_since();
    const auto limit = limit_of(connection);
    if (idle >= limit || (unsafe && idle * 2 >= limit)) {
      // Those behind it have been idle for longer; only what has carried nothing may have more time.
      if (unused_count_ == 0) return nullptr;
      continue;
    }
    unlink_idle(connection);
    // The events of this turn may be older than a FIN. For what can be sent again that is no loss; for what cannot it
    // is worth a system call (tests/proxy/upstream/server_test.cc has a request that is lost without it).
    if (unsafe && !connection.is_alive_now()) {
      learned_from(connection).saw_close(idle);
      discard(connection, State::kIdle);
      continue;
    }
    if (!connection.has_carried()) pace_.was_of_use();
    connection.lease();
    shared_.moved(State::kIdle, State::kActive);
    return &connection;
  }
  return nullptr;
}

UpstreamConnection& UpstreamEndpoint::own(std::unique_ptr<UpstreamConnection> connection) {
  auto& owned = *connection;
  connections_.push_back(std::move(connection));
  owned.set_owner(*this);
  owned.index = connections_.size() - 1;
  return owned;
}

UpstreamConnection& UpstreamEndpoint::adopt(std::unique_ptr<UpstreamConnection> connection) {
  auto& adopted = own(std::move(connection));
  adopted.lease();
  shared_.moved(State::kConnecting, State::kActive);
  return adopted;
}

void UpstreamEndpoint::on_released(UpstreamConnection& connection) {
  if (is_retired_ || shared_.settings.keep_alive == 0 || !connection.is_reusable() ||
      !is_current(connection.endpoint())) {
    discard(connection, State::kActive);
    return;
  }
  put_to_rest(connection, State::kActive);
}

void UpstreamEndpoint::put_to_rest(UpstreamConnection& connection, State from) {
  if (idle_count_ >= shared_.settings.keep_alive) {
    auto& oldest = idle_.back();
    unlink_idle(oldest);
    discard(oldest, State::kIdle);
  }
  connection.rest(shared_.loop.now() + limit_of(connection));
  idle_.push_front(connection);
  ++idle_count_;
  if (!connection.has_carried()) ++unused_count_;
  shared_.moved(from, State::kIdle);
}

void UpstreamEndpoint::on_idle_ended(UpstreamConnection& connection, UpstreamConnection::IdleEnd why) {
  using IdleEnd = UpstreamConnection::IdleEnd;
  const auto idle = shared_.loop.now() - connection.idle_since();
  const bool is_unused = !connection.has_carried();
  auto& learned = learned_from(connection);
  // A server that gives up waiting for a first request may say so (408) before it closes.
  if (why == IdleEnd::kByPeer || (why == IdleEnd::kUnasked && is_unused)) learned.saw_close(idle);
  if (why == IdleEnd::kTimedOut) learned.saw_survival();
  if (is_unused) pace_.came_to_nothing(shared_.loop.now(), warm_rule());
  unlink_idle(connection);
  discard(connection, State::kIdle);
}

void UpstreamEndpoint::unlink_idle(UpstreamConnection& connection) {
  connection.unlink();
  --idle_count_;
  if (!connection.has_carried()) --unused_count_;
}

void UpstreamEndpoint::discard(UpstreamConnection& connection, State from) {
  connection.close();
  const auto index = connection.index;
  auto dead = std::move(connections_[index]);
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
  shared_.moved(from, State::kNone);
  shared_.loop.bury(std::move(dead));
}

void UpstreamEndpoint::close_idle() {
  while (!idle_.empty()) {
    auto& connection = idle_.front();
    unlink_idle(connection);
    discard(connection, State::kIdle);
  }
}

void UpstreamEndpoint::retire() {
  is_retired_ = true;
  close_idle();
}

void UpstreamEndpoint::end_all(const Error& error) {
  while (!dials_.empty()) {
    auto& dial = *dials_.back();
    dials_.pop_back();
    dial.cancel(error);
  }
  // Ending a wait may release any lease, this one's or another's.
  for (std::size_t i = 0; i < connections_.size();) {
    auto& connection = *connections_[i];
    if (!connection.failure() && !connection.is_linked()) {
      connection.abort(error);
      i = 0;
    } else {
      ++i;
    }
  }
}

// ---- Addresses ----

void UpstreamEndpoint::add(Dial& dial) {
  dials_.push_back(&dial);
}

void UpstreamEndpoint::remove(Dial& dial) {
  std::erase(dials_, &dial);
}

bool UpstreamEndpoint::resolve() {
  if (!is_name_) return true;
  const bool is_old = shared_.loop.now() - resolved_at_ >= shared_.settings.resolve_again;
  if (!resolving_ && (addresses_.empty() || is_old)) {
    resolving_ = std::make_shared<Resolving>(Resolving{this});
    shared_.resolver.ask(configured_.address, shared_.loop, [resolving = resolving_](const Resolver::Answer& answer) {
      if (resolving->endpoint) resolving->endpoint->on_resolved(answer);
    });
  }
  return !addresses_.empty();
}

void UpstreamEndpoint::on_resolved(const Resolver::Answer& answer) {
  resolving_.reset();
  resolved_at_ = shared_.loop.now();
  fault_ = answer.fault;
  if (answer.addresses) {
    std::vector<Address> addresses;
    // RFC 8305 4: the families take turns, IPv6 first.
    std::vector<Address> others;
    for (const auto& address : *answer.addresses) {
      (address.family() == AF_INET6 ? addresses : others).push_back(address.with_port(configured_.port));
    }
    for (std::size_t i = 0; i < others.size(); ++i) {
      addresses.insert(addresses.begin() + static_cast<std::ptrdiff_t>(std::min(2 * i + 1, addresses.size())),
                       others[i]);
    }
    // What worked last goes first, as long as it is there.
    if (!addresses_.empty()) {
      const auto good = std::find(addresses.begin(), addresses.end(), addresses_.front());
      if (good != addresses.end()) std::rotate(addresses.begin(), good, good + 1);
    }
    addresses_ = std::move(addresses);
    for (auto at = idle_.begin(); at != idle_.end();) {
      auto& connection = *at++;
      if (is_current(connection.endpoint())) continue;
      unlink_idle(connection);
      discard(connection, State::kIdle);
    }
  }
  const auto waiting = dials_;  // being told may end one
  for (auto* dial : waiting) {
    if (std::find(dials_.begin(), dials_.end(), dial) != dials_.end()) dial->addresses_changed();
  }
}

void UpstreamEndpoint::remember_good(const Address& address) {
  const auto at = std::find(addresses_.begin(), addresses_.end(), address);
  if (at != addresses_.end() && at != addresses_.begin()) std::rotate(addresses_.begin(), at, at + 1);
}

bool UpstreamEndpoint::is_current(const Address& address) const {
  return std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

}  // namespace hybridge
