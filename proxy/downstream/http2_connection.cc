#include "proxy/downstream/http2_connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/downstream/output_bound.h"

namespace hybridge {

namespace {
// After the last answer the client's remaining bytes are read and thrown away for a while, because closing on unread
// bytes sends a reset that can destroy the answer on its way.
constexpr auto kLinger = std::chrono::seconds(5);
// Who was cut off is not listened to; the time is for GOAWAY to arrive.
constexpr auto kCutLinger = std::chrono::seconds(1);
// Within which a client that was told of the end has heard it (it answers a PING) or is taken to have.
constexpr auto kDrainNotice = std::chrono::seconds(1);
// Bytes of request bodies that may wait for their readers before the connection's window stays shut: so that one
// upload that nobody reads stalls no other, and a hundred of them do not take all memory.
constexpr std::size_t kKeptBytes = 1 << 20;

// Bytes of responses that may wait for the client's windows: a client that opens a hundred streams and reads none of
// them shall not have a hundred pieces kept for it.
constexpr std::size_t kQueuedBytes = 1 << 20;

http::Http2Settings session_settings(const DownstreamSettings& settings) {
  return {.head = settings.head, .streams = settings.http2_streams};
}
}  // namespace

Http2Connection::Http2Connection(Downstream& downstream, Service& service, std::unique_ptr<Transport> transport,
                                 ClientFacts facts, std::unique_ptr<const Error> refusal)
    : downstream_(downstream),
      service_(service),
      transport_(std::move(transport)),
      timer_(downstream.loop().timers(), *this),
      facts_(std::move(facts)),
      refusal_(std::move(refusal)),
      began_(downstream.loop().now()),
      idle_since_(began_),
      session_(*this, session_settings(downstream.settings()), began_) {
  transport_->set_user(*this);
  output_pace_.begin(downstream_.output_demand());
  window_pace_.begin(downstream_.output_demand());
  downstream_.observer().on_opened(DownstreamProtocol::kHttp2);
}

Http2Connection::~Http2Connection() {
  downstream_.observer().on_closed(DownstreamProtocol::kHttp2);
  while (!streams_.empty()) {
    const std::unique_ptr<Http2Stream> stream(&streams_.front());  // its hook leaves the list
  }
}

void Http2Connection::start() {
  timer_.arm(began_ + downstream_.settings().request_head);
  transport_->want_input(true);
  touch();  // the server speaks first: SETTINGS
  if (!transport_->input().empty() || transport_->at_end()) transport_->deliver_again();
}

void Http2Connection::due(TimePoint deadline) {
  if (timer_.deadline() > deadline) timer_.arm(deadline);
}

TimePoint Http2Connection::due_after(std::chrono::milliseconds time) {
  const auto deadline = now() + time;
  due(deadline);
  return deadline;
}

// ---- Input ----

void Http2Connection::on_input() {
  switch (state_) {
    case State::kOpen:
      take_input();
      break;
    case State::kLingering:
      transport_->consume(transport_->input().size());
      if (transport_->at_end() && transport_->pending_output() == 0) bury();
      break;
    case State::kOver:
      break;
  }
}

void Http2Connection::take_input() {
  const auto input = transport_->input();
  const auto received = session_.receive(input, now());
  if (!received) {
    end_for(received.error());
    return;
  }
  settle();  // its pieces of bodies are views into the input
  transport_->consume(input.size());
  touch();
  if (drain_ == Drain::kAnnounced && drain_deadline_ == kNever && session_.is_greeted()) {
    drain_deadline_ = due_after(kDrainNotice);
  }
  const bool was_in_block = std::exchange(is_in_block_, session_.is_in_header_block());
  if (is_in_block_) {
    if (was_in_block) {
      block_pace_.took(input.size(), downstream_.head_demand(), now());
    } else {
      block_pace_.begin(downstream_.head_demand());
    }
    due(block_pace_.wait(now()));
  }
  // A client that takes no answers is not asked for more questions.
  if (transport_->pending_output() >= Transport::kHighWater) transport_->want_input(false);
  if (transport_->at_end()) on_client_done();
}

// A half-close: what was asked for whole is still answered, unless it would have to wait for a hold to end.
void Http2Connection::on_client_done() {
  if (std::exchange(is_client_done_, true)) return;
  const auto error = make_error(Reason::kClientGone, "the client closed the connection");
  for_each_stream([&error](Http2Stream& stream) {
    if (!stream.is_ended() || stream.is_held()) stream.leave(error);
  });
  if (stream_count_ == 0) linger(kLinger, true);
}

http::Http2SessionStream* Http2Connection::on_stream() {
  // Those whose client has left may still keep a server busy: they count too.
  if (stream_count_ >= 2 * std::size_t{downstream_.settings().http2_streams}) return nullptr;
  auto* stream = downstream_.take_http2_stream().release();
  streams_.push_back(*stream);
  ++stream_count_;
  stream->begin(*this, now());
  return stream;
}

void Http2Connection::keep(std::size_t bytes) {
  kept_ += bytes;
  if (kept_ <= kKeptBytes) {
    session_.open_connection_window(bytes);
  } else {
    owed_ += bytes;
  }
}

void Http2Connection::let_go(std::size_t bytes) {
  kept_ -= bytes;
  if (owed_ == 0) return;
  const auto paid = std::min(owed_, bytes);
  owed_ -= paid;
  session_.open_connection_window(paid);
  touch();
}

bool Http2Connection::is_crowded() {
  is_crowded_ = queued_ >= (is_crowded_ ? kQueuedBytes / 2 : kQueuedBytes);
  return is_crowded_;
}

// ---- Stories ----

// Tells streams what the session has seen. One of them may write, and with that bring about more of it: whoever is
// further out on the stack tells that too.
void Http2Connection::settle() {
  is_settling_ = true;
  http::Http2Session::Event event{};
  for (;;) {
    while (session_.take_event(event)) tell_event(event);
    if (is_crowded_ && !is_crowded()) for_each_stream([](Http2Stream& each) { each.on_drained(); });
    if (drained_.empty()) break;
    auto* stream = drained_.back();
    drained_.pop_back();
    stream->on_drained();
  }
  is_settling_ = false;
}

void Http2Connection::tell_event(const http::Http2Session::Event& event) {
  using Kind = http::Http2Session::Event::Kind;
  auto* stream = static_cast<Http2Stream*>(event.stream);
  switch (event.kind) {
    case Kind::kRequest:
      // Sent and taken back in one breath: nobody shall work for it.
      if (!stream->is_closed()) begin_story(*stream, event);
      break;
    case Kind::kData:
      stream->on_data(event.data);
      break;
    case Kind::kEnd:
      stream->on_end();
      break;
    case Kind::kBroken:
      stream->on_gone(*event.error);
      break;
    case Kind::kClosed:
      stream->leave_session();
      if (stream->has_story()) {
        stream->on_lost(make_error(Reason::kClientGone, "the client reset the stream"));  // its end releases it
      } else {
        release(*stream);
      }
      break;
    case Kind::kPong:
      if (drain_ == Drain::kAnnounced) end_drain();
      break;
  }
}

std::optional<Error> Http2Connection::refusal_of(const http::RequestHead& head) const {
  if (refusal_) return *refusal_;
  const auto& settings = downstream_.settings();
  if (head.framing.kind == http::Framing::Kind::kLength && is_too_large(settings, head, head.framing.length)) {
    return body_too_large(settings);
  }
  return std::nullopt;
}

void Http2Connection::begin_story(Http2Stream& stream, const http::Http2Session::Event& event) {
  stream.start(event.error ? event.error : refusal_of(stream.request()), !event.ends);
  if (++requests_ >= downstream_.settings().requests_per_connection || refusal_) begin_drain();
  spawn(tell(stream));
}

Task<void> Http2Connection::tell(Http2Stream& stream) {
  co_await service_.serve(stream);
  end_story(stream);
}

void Http2Connection::end_story(Http2Stream& stream) {
  if (!stream.is_finished()) {
    stream.reset(Reason::kInternal);
  } else if (stream.is_tunnel() && !stream.is_ended()) {
    stream.reset(Reason::kOk);
  }
  stream.abandon_body();
  stream.end_story();
  if (stream.has_left_session()) release(stream);
}

void Http2Connection::release(Http2Stream& stream) {
  std::erase(drained_, &stream);
  stream.end();
  stream.unlink();
  downstream_.give_stream(std::unique_ptr<Http2Stream>(&stream));
  if (--stream_count_ > 0) return;
  idle_since_ = now();
  if (state_ == State::kOver) {
    bury();
  } else {
    due_after(downstream_.settings().keep_alive);
    touch();  // it may be the end of the connection
  }
}

// An act may end stories, and with them streams, also others than its own: who waits for his turn is in a list of its
// own, which everybody leaves by himself.
template <class Act>
void Http2Connection::for_each_stream(Act act) {
  Streams waiting;
  waiting.swap(streams_);
  while (!waiting.empty()) {
    auto& stream = waiting.front();
    waiting.pop_front();
    streams_.push_back(stream);
    act(stream);
  }
}

// ---- Output ----

void Http2Connection::touch() {
  if (state_ != State::kOpen) return;
  is_touched_ = true;
  transport_->flush_later();
}

bool Http2Connection::takes_output() const {
  return transport_->is_open() && transport_->pending_output() < Transport::kHighWater;
}

void Http2Connection::pump() {
  if (state_ != State::kOpen) return;
  do {
    is_touched_ = false;
    session_.send();
    if (is_settling_) return;  // whoever settles goes on to the rest
    settle();
    // Windows that opened let stories go on, whose small pieces only wait for the turn's end: it may be this one.
  } while (is_touched_ && state_ == State::kOpen && takes_output());
  check_end();
}

void Http2Connection::on_blocked() {
  due(output_pace_.wait(*transport_, downstream_.output_demand(), now()));
  downstream_.note_waiting_output();
}

void Http2Connection::on_writable() {
  if (state_ != State::kOpen) return;
  transport_->want_input(true);
  pump();
}

// ---- The end ----

void Http2Connection::begin_drain() {
  if (state_ != State::kOpen || drain_ != Drain::kNo) return;
  drain_ = Drain::kAnnounced;
  // RFC 9113 6.8: requests that are on their way are still served; a PING tells when no more can be.
  session_.announce_end();
  drain_deadline_ = due_after(kDrainNotice);
  touch();
}

void Http2Connection::end_drain() {
  drain_ = Drain::kFinal;
  drain_deadline_ = kNever;
  session_.end_gracefully();
  touch();
}

void Http2Connection::check_end() {
  if (state_ != State::kOpen) return;
  if (session_.violation()) {
    end_for(*session_.violation());
  } else if (stream_count_ == 0 && (session_.is_over() || is_client_done_)) {
    linger(kLinger, true);
  }
}

// The client is told by GOAWAY and heard no more.
void Http2Connection::end_for(const Error& error) {
  downstream_.observer().on_refused(facts_.peer, error);
  session_.cut(error);
  session_.send();
  linger(kCutLinger, false);
  lose_streams(error);
}

void Http2Connection::linger(std::chrono::milliseconds time, bool reads) {
  state_ = State::kLingering;
  transport_->shutdown_output();
  transport_->consume(transport_->input().size());
  transport_->want_input(reads);
  timer_.arm(now() + time);
}

void Http2Connection::lose_streams(const Error& error) {
  for_each_stream([&](Http2Stream& stream) {
    stream.leave_session();
    if (stream.has_story()) {
      stream.on_lost(error);
    } else {
      release(stream);
    }
  });
}

void Http2Connection::close_tunnels() {
  for_each_stream([](Http2Stream& stream) {
    if (stream.is_tunnel()) stream.reset(Reason::kShuttingDown);
  });
}

void Http2Connection::close_now() {
  if (state_ == State::kOver) return;
  bool is_cut = false;
  for (const auto& stream : streams_) is_cut = is_cut || (stream.is_head_sent() && !stream.is_tunnel());
  if (is_cut) {
    transport_->close_with_reset();
  } else {
    transport_->close();
  }
  on_failed(make_error(Reason::kShuttingDown, "the edge is shutting down"));
}

void Http2Connection::on_shut_down() {
  if (state_ == State::kLingering && transport_->at_end_of_bytes()) bury();
}

void Http2Connection::on_failed(const Error& error) {
  state_ = State::kOver;
  timer_.disarm();
  lose_streams(error);
  bury();
}

void Http2Connection::bury() {
  if (state_ != State::kOver) {
    // What the client has not taken is lost: it must not take the rest for all.
    if (transport_->pending_output() > 0) {
      transport_->close_with_reset();
    } else {
      transport_->close();
    }
    state_ = State::kOver;
    timer_.disarm();
  }
  if (stream_count_ == 0 && DownstreamConnection::is_linked()) downstream_.bury(*this);
}

// ---- Time ----

// How long the client has rested on the connection's window in all, as looked at now and then: it is asked for only
// while too much waits.
Duration Http2Connection::window_rested(TimePoint now) {
  window_pace_.took(std::exchange(unseen_data_, 0), downstream_.output_demand(), now);
  if (session_.is_window_shut()) window_pace_.wait(now);
  return window_pace_.rested(downstream_.output_demand(), now);
}

// One that waits only because others of its connection are more urgent rests for no fault of its client's: its own
// window must be shut, or everybody's, and for as long.
template <class Act>
void Http2Connection::for_each_resting(TimePoint now, Act act) {
  const auto rest = downstream_.settings().crowded_rest;
  const bool all_rest = window_rested(now) >= rest;
  for_each_stream([&](Http2Stream& stream) {
    const auto rested = stream.rested(now);
    if (rested >= rest && (all_rest || session_.is_window_shut(stream))) act(stream, rested);
  });
}

std::size_t Http2Connection::output_memory() const {
  auto bytes = memory_of_output(transport_->pending_output());
  for (const auto& stream : streams_) bytes += memory_of_output(stream.waiting_output());
  return bytes;
}

DownstreamConnection::WaitingOutput Http2Connection::waiting_output(TimePoint now) {
  WaitingOutput output{output_memory(), transport_rested(now)};
  for_each_resting(now, [&](Http2Stream&, Duration rested) { output.rested = std::max(output.rested, rested); });
  return output;
}

std::size_t Http2Connection::end_resting(TimePoint now) {
  if (state_ == State::kOver) return 0;
  const auto before = output_memory();
  const auto error = downstream_.too_slow_for_a_crowd();
  if (transport_rested(now) >= downstream_.settings().crowded_rest) {
    transport_->close_with_reset();
    on_failed(error);
    return before;
  }
  for_each_resting(now, [&](Http2Stream& stream, Duration) { stream.end_output(error); });
  return before - std::min(before, output_memory());
}

bool Http2Connection::is_late(TimePoint now) {
  const auto& settings = downstream_.settings();
  if (output_pace_.is_late(*transport_, downstream_.output_demand(), now)) {
    transport_->close_with_reset();
    on_failed(downstream_.too_slow_to_take());
    return true;
  }
  const bool is_greeting_late = !session_.is_greeted() && began_ + settings.request_head <= now;
  const bool is_block_late = is_in_block_ && block_pace_.wait(now) <= now;
  if (is_greeting_late || is_block_late) {
    end_for(make_error(Reason::kHeadTimeout, "a head was not complete within timeouts.request_head (" +
                                                 std::to_string(settings.request_head.count()) + " ms)"));
    return true;
  }
  return false;
}

void Http2Connection::on_timer() {
  const auto now = this->now();
  if (state_ == State::kLingering) bury();
  if (state_ != State::kOpen || is_late(now)) return;
  if (drain_ == Drain::kAnnounced && drain_deadline_ <= now) {
    // Who has only just come is given the time for a first request.
    if (session_.is_greeted()) {
      end_drain();
    } else {
      drain_deadline_ = kNever;
    }
  }
  for_each_stream([now](Http2Stream& stream) { stream.check_deadlines(now); });
  if (state_ != State::kOpen) return;
  if (stream_count_ == 0 && drain_ != Drain::kFinal && session_.is_greeted() &&
      idle_since_ + downstream_.settings().keep_alive <= now) {
    end_drain();
  }
  if (const auto next = next_deadline(); next != kNever) timer_.arm(next);
}

TimePoint Http2Connection::next_deadline() {
  const auto& settings = downstream_.settings();
  auto next = drain_deadline_;
  const auto sooner = [&next](TimePoint deadline) { next = std::min(next, deadline); };
  sooner(output_pace_.deadline(*transport_, now()));
  if (!session_.is_greeted()) sooner(began_ + settings.request_head);
  if (is_in_block_) sooner(block_pace_.wait(now()));
  if (stream_count_ == 0) sooner(idle_since_ + settings.keep_alive);
  for (auto& stream : streams_) sooner(stream.next_deadline());
  return next;
}

}  // namespace hybridge
