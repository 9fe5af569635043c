#include "proxy/downstream/downstream.h"

#include <algorithm>
#include <utility>

#include "proxy/downstream/http1_stream.h"
#include "proxy/downstream/http2_stream.h"
#include "proxy/downstream/output_bound.h"

namespace hybridge {

namespace {
constexpr std::size_t kStreamsAtRest = 256;
// A handshake takes a round trip or two. Who needs longer may go on as long as nobody waits for the place.
constexpr auto kUndisturbed = std::chrono::seconds(1);
// Idle connections close in parts, and not at each accept: to look at all of them takes a while.
constexpr std::size_t kIdleParts = 16;
constexpr auto kIdleLook = std::chrono::milliseconds(100);

// A head is no upload: without a rate it has its time and no more.
Pace::Demand head_demand_of(const DownstreamSettings& settings) {
  if (settings.min_rate == 0) return Pace::Demand::once(settings.request_head);
  return {settings.request_head, settings.min_rate};
}
}  // namespace

Downstream::Downstream(Loop& loop, DownstreamSettings settings, ClientLimits& limits, DownstreamObserver& observer)
    : loop_(loop),
      settings_(std::move(settings)),
      head_demand_(head_demand_of(settings_)),
      body_demand_(settings_.body_idle, settings_.min_rate),
      output_demand_(settings_.write_idle, settings_.min_rate),
      limits_(limits),
      observer_(observer),
      room_(loop.timers(), *this),
      output_bound_(std::make_unique<OutputBound>(*this)) {}

void Downstream::update(DownstreamSettings settings) {
  settings_ = std::move(settings);
  head_demand_ = head_demand_of(settings_);
  body_demand_ = {settings_.body_idle, settings_.min_rate};
  output_demand_ = {settings_.write_idle, settings_.min_rate};
}

Downstream::~Downstream() {
  connections_.clear_and_dispose([](DownstreamConnection* connection) { delete connection; });
}

Error Downstream::too_slow_to_send() const {
  return make_error(Reason::kBodyTimeout, "the body came slower than limits.min_rate (" +
                                              std::to_string(settings_.min_rate) +
                                              " bytes a second) and rested for timeouts.body_idle (" +
                                              std::to_string(settings_.body_idle.count()) + " ms)");
}

Error Downstream::too_slow_to_take() const {
  return make_error(Reason::kClientTooSlow, "the client took less than limits.min_rate (" +
                                                std::to_string(settings_.min_rate) +
                                                " bytes a second) and rested for timeouts.write_idle (" +
                                                std::to_string(settings_.write_idle.count()) + " ms)");
}

Error Downstream::too_slow_for_a_crowd() const {
  return make_error(Reason::kClientTooSlow, "answers that wait for clients exceed limits.waiting_output (" +
                                                std::to_string(settings_.waiting_output) +
                                                " bytes), and the client took nothing of its own for " +
                                                std::to_string(settings_.crowded_rest.count()) + " ms");
}

void Downstream::note_waiting_output() {
  output_bound_->note();
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

void Downstream::close_longest_idle(Reason scarce) {
  if (loop_.now() < idle_closing_) return;
  idle_closing_ = loop_.now() + kIdleLook;
  using Idle = std::pair<TimePoint, DownstreamConnection*>;
  std::vector<Idle> idle;
  for (auto& connection : connections_) {
    const auto since = connection.idle_since();
    if (since != kNever && loop_.now() - since >= settings_.spared_idle) idle.emplace_back(since, &connection);
  }
  const auto closed = (idle.size() + kIdleParts - 1) / kIdleParts;
  const auto last = idle.begin() + static_cast<std::ptrdiff_t>(closed);
  std::nth_element(idle.begin(), last, idle.end(), [](const Idle& a, const Idle& b) { return a.first < b.first; });
  std::for_each(idle.begin(), last, [](const Idle& each) { each.second->drain(); });
  observer_.on_idle_closed(scarce, closed);
}

void Downstream::close_tunnels() {
  for_each_connection([](DownstreamConnection& connection) { connection.close_tunnels(); });
}

void Downstream::close_all() {
  for_each_connection([](DownstreamConnection& connection) { connection.close_now(); });
}

void Downstream::await_handshake(HandshakeTurn& turn) {
  waiting_.push_back(turn);
  give_turns();
}

void Downstream::end_handshake(HandshakeTurn& turn) {
  turn.unlink();
  --handshakes_;
  give_turns();
}

void Downstream::give_turns() {
  if (std::exchange(is_giving_turns_, true)) return;  // a turn that ended at once: the loop below goes on
  while (!waiting_.empty() && (handshakes_ < settings_.handshakes || make_room())) {
    auto& next = waiting_.front();
    waiting_.pop_front();
    shaking_.push_back(next);
    ++handshakes_;
    next.turn_came = loop_.now();
    next.on_turn();
  }
  if (!waiting_.empty() && !shaking_.empty()) room_.arm(shaking_.front().turn_came + kUndisturbed);
  is_giving_turns_ = false;
}

bool Downstream::make_room() {
  if (shaking_.empty() || shaking_.front().turn_came + kUndisturbed > loop_.now()) return false;
  shaking_.front().on_crowded_out();
  return true;
}

template <class T>
void Downstream::rest(AtRest<T>& at_rest, std::unique_ptr<T> stream) {
  if (at_rest.size() < kStreamsAtRest) {
    at_rest.push_back(std::move(stream));
  } else {
    loop_.bury(std::move(stream));  // a call on it may be on the stack
  }
}

std::unique_ptr<Http1Stream> Downstream::take_stream() {
  if (streams_.empty()) return std::make_unique<Http1Stream>();
  auto stream = std::move(streams_.back());
  streams_.pop_back();
  return stream;
}

void Downstream::give_stream(std::unique_ptr<Http1Stream> stream) {
  rest(streams_, std::move(stream));
}

std::unique_ptr<Http2Stream> Downstream::take_http2_stream() {
  if (http2_streams_.empty()) return std::make_unique<Http2Stream>(loop_.chunks());
  auto stream = std::move(http2_streams_.back());
  http2_streams_.pop_back();
  return stream;
}

void Downstream::give_stream(std::unique_ptr<Http2Stream> stream) {
  rest(http2_streams_, std::move(stream));
}

}  // namespace hybridge
