#include "proxy/downstream/downstream.h"

#include <utility>

#include "proxy/downstream/http1_stream.h"

namespace hybridge {

namespace {
constexpr std::size_t kStreamsAtRest = 256;
}

Downstream::Downstream(Loop& loop, DownstreamSettings settings, ConnectionLimits& limits, DownstreamObserver& observer)
    : loop_(loop), settings_(std::move(settings)), limits_(limits), observer_(observer) {}

Downstream::~Downstream() {
  connections_.clear_and_dispose([](DownstreamConnection* connection) { delete connection; });
}

void Downstream::add(std::unique_ptr<DownstreamConnection> connection) {
  connections_.push_back(*connection.release());
  ++count_;
}

void Downstream::bury(DownstreamConnection& connection) {
  connections_.erase(connections_.iterator_to(connection));
  loop_.bury(std::unique_ptr<Buried>(&connection));
  if (--count_ == 0 && is_draining_) tell_all_gone();
}

void Downstream::tell_all_gone() {
  if (all_gone_) loop_.post(std::exchange(all_gone_, nullptr));
}

// In these walks a connection may bury itself, which unlinks it: step on first.
void Downstream::drain(std::function<void()> all_gone) {
  is_draining_ = true;
  all_gone_ = std::move(all_gone);
  for (auto at = connections_.begin(); at != connections_.end();) (at++)->drain();
  if (count_ == 0) tell_all_gone();
}

void Downstream::close_tunnels() {
  for (auto at = connections_.begin(); at != connections_.end();) {
    auto& connection = *at++;
    if (connection.is_tunnel()) connection.close_now();
  }
}

void Downstream::close_all() {
  for (auto at = connections_.begin(); at != connections_.end();) (at++)->close_now();
}

void Downstream::await_handshake(HandshakeTurn& turn) {
  if (handshakes_ < settings_.handshakes) {
    ++handshakes_;
    turn.on_turn();
  } else {
    waiting_.push_back(turn);
  }
}

void Downstream::end_handshake() {
  if (waiting_.empty()) {
    --handshakes_;
    return;
  }
  auto& next = waiting_.front();
  waiting_.pop_front();
  next.on_turn();
}

std::unique_ptr<Http1Stream> Downstream::take_stream() {
  if (streams_.empty()) return std::make_unique<Http1Stream>();
  auto stream = std::move(streams_.back());
  streams_.pop_back();
  return stream;
}

void Downstream::give_stream(std::unique_ptr<Http1Stream> stream) {
  if (streams_.size() < kStreamsAtRest) {
    streams_.push_back(std::move(stream));
  } else {
    loop_.bury(std::move(stream));  // a call on it may be on the stack
  }
}

}  // namespace hybridge
