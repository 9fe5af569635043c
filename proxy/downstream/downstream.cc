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
  connection.unlink();
  loop_.bury(std::unique_ptr<Buried>(&connection));
  if (--count_ == 0 && is_draining_) tell_all_gone();
}

void Downstream::tell_all_gone() {
  if (all_gone_) loop_.post(std::exchange(all_gone_, nullptr));
}

// A connection may bury itself meanwhile, and its story may end that of another one: who waits for its turn is in a
// list of its own, which everybody leaves by himself.
template <class Act>
void Downstream::for_each_connection(Act act) {
  decltype(connections_) waiting;
  waiting.swap(connections_);
  while (!waiting.empty()) {
    auto& connection = waiting.front();
    waiting.pop_front();
    connections_.push_back(connection);
    act(connection);
  }
}

void Downstream::retire(std::function<void()> all_gone) {
  is_draining_ = true;
  all_gone_ = std::move(all_gone);
  for_each_connection([](DownstreamConnection& connection) { connection.retire(); });
  if (count_ == 0) tell_all_gone();
}

void Downstream::close_idle() {
  for_each_connection([](DownstreamConnection& connection) { connection.drain(); });
}

void Downstream::drain(std::function<void()> all_gone) {
  retire(std::move(all_gone));
  close_idle();
}

void Downstream::resume() {
  is_draining_ = false;
  all_gone_ = nullptr;
}

void Downstream::close_tunnels() {
  for_each_connection([](DownstreamConnection& connection) {
    if (connection.is_tunnel()) connection.close_now();
  });
}

void Downstream::close_all() {
  for_each_connection([](DownstreamConnection& connection) { connection.close_now(); });
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
