#include "proxy/downstream/http1_connection.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/downstream/http1_stream.h"
#include "proxy/downstream/output_bound.h"

namespace hybridge {

namespace {
// After the last answer the client's remaining bytes are read and thrown away for a while, because closing on unread
// bytes sends a reset that can destroy the answer on its way (RFC 9112 9.6).
constexpr auto kLingerIdle = std::chrono::seconds(5);
constexpr auto kLingerTotal = std::chrono::seconds(30);
// Empty lines before a request line that are passed over (RFC 9112 2.2).
constexpr int kEmptyLines = 2;
}  // namespace

Http1Connection::Http1Connection(Downstream& downstream, Service& service, std::unique_ptr<Transport> transport,
                                 ClientFacts facts, std::unique_ptr<const Error> refusal)
    : downstream_(downstream),
      service_(service),
      transport_(std::move(transport)),
      timer_(downstream.loop().timers(), *this),
      facts_(std::move(facts)),
      refusal_(std::move(refusal)) {
  transport_->set_user(*this);
  output_pace_.begin(downstream_.output_demand());
  downstream_.observer().on_opened(DownstreamProtocol::kHttp1);
}

Http1Connection::~Http1Connection() {
  downstream_.observer().on_closed(was_tunnel_ ? DownstreamProtocol::kTunnel : DownstreamProtocol::kHttp1);
}

void Http1Connection::start() {
  timer_.arm(downstream_.loop().now() + downstream_.settings().request_head);
  transport_->want_input(true);
  if (!transport_->input().empty() || transport_->at_end()) transport_->deliver_again();
}

void Http1Connection::become_tunnel() {
  was_tunnel_ = true;
  downstream_.observer().on_tunnel();
}

void Http1Connection::close_tunnels() {
  if (stream_ && stream_->is_tunnel()) close_now();
}

bool Http1Connection::may_keep_alive() const {
  return !is_draining_ && !downstream_.is_draining() && requests_ < downstream_.settings().requests_per_connection &&
         !refusal_;
}

void Http1Connection::drain() {
  is_draining_ = true;
  if (is_idle()) linger();
}

// Who has only just come is no idle client: its first request may be on its way.
bool Http1Connection::is_idle() const {
  return state_ == State::kHead && requests_ > 0 && transport_->input().empty() && !transport_->has_unread_input();
}

TimePoint Http1Connection::idle_since() const {
  // While it waits for nothing else, its timer stands for the next request.
  const bool waits = is_idle() && transport_->pending_output() == 0;
  return waits ? timer_.deadline() - downstream_.settings().keep_alive : kNever;
}

void Http1Connection::close_now() {
  if (state_ != State::kServing) {
    bury();
    return;
  }
  // Half an answer must not pass for a whole one; of a tunnel nobody can tell.
  if (stream_->is_head_sent() && !stream_->is_tunnel()) {
    transport_->close_with_reset();
  } else {
    transport_->close();
  }
  stream_->on_gone(make_error(Reason::kShuttingDown, "the edge is shutting down"));
}

void Http1Connection::abort() {
  transport_->flush();  // what was received whole is still told
  transport_->close_with_reset();
}

void Http1Connection::bury() {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  timer_.disarm();
  // What the client has not taken is lost: it must not take the rest for all.
  if (transport_->pending_output() > 0) {
    transport_->close_with_reset();
  } else {
    transport_->close();
  }
  downstream_.bury(*this);
}

void Http1Connection::on_input() {
  switch (state_) {
    case State::kHead:
      advance();
      break;
    case State::kServing:
      if (stream_->is_reading()) {
        stream_->on_input();
      } else if (stream_->is_held() && transport_->at_end_of_bytes()) {
        on_peer_done();
      } else {
        transport_->want_input(false);
      }
      break;
    case State::kLingering:
      transport_->consume(transport_->input().size());
      if (transport_->at_end()) {
        if (transport_->pending_output() == 0) bury();  // else a half-closed client still reads
      } else {
        timer_.arm(std::min(linger_until_, downstream_.loop().now() + kLingerIdle));
      }
      break;
    case State::kOver:
      break;
  }
}

void Http1Connection::advance() {
  is_advancing_ = true;
  while (state_ == State::kHead && take_head()) {
  }
  is_advancing_ = false;
}

bool Http1Connection::take_head() {
  const auto& settings = downstream_.settings();
  // Also when they come in pieces: a CR alone looks like the beginning of a head.
  while (empty_lines_ < kEmptyLines && as_text(transport_->input()).starts_with("\r\n")) {
    transport_->consume(2);
    ++empty_lines_;
    scanner_.reset();
    head_began_ = kNever;
  }
  const auto input = as_text(transport_->input());
  if (input.empty()) {
    if (transport_->at_end()) {
      linger();
    } else {
      await_head();
    }
    return false;
  }
  if (head_began_ == kNever) {
    head_began_ = downstream_.loop().now();
    input_pace_.begin(downstream_.head_demand());
    head_bytes_ = 0;
  }
  const auto head_bytes = scanner_.scan(input, settings.head);
  if (!head_bytes) {
    begin(input.size(), head_bytes.error());
    return true;
  }
  if (*head_bytes > 0) {
    begin(*head_bytes, std::nullopt);
    return true;
  }
  if (transport_->at_end_of_bytes()) {
    begin(input.size(), make_error(Reason::kBadRequestLine, "the connection ended inside the head of a request"));
    return true;
  }
  const auto now = downstream_.loop().now();
  input_pace_.took(input.size() - head_bytes_, downstream_.head_demand(), now);
  head_bytes_ = static_cast<std::uint32_t>(input.size());
  timer_.arm(input_pace_.wait(now));
  transport_->want_input(true);
  return false;
}

void Http1Connection::await_head() {
  if (requests_ > 0) {
    if (is_draining_) {
      linger();
      return;
    }
    timer_.arm(downstream_.loop().now() + downstream_.settings().keep_alive);
  }
  transport_->want_input(true);
}

std::optional<Error> Http1Connection::refusal_of(const http::RequestHead& head) const {
  if (refusal_) return *refusal_;
  const auto& settings = downstream_.settings();
  if (head.framing.kind == http::Framing::Kind::kLength && is_too_large(settings, head, head.framing.length)) {
    return body_too_large(settings);
  }
  return std::nullopt;
}

void Http1Connection::begin(std::size_t head_bytes, std::optional<Error> fault) {
  stream_ = downstream_.take_stream();
  auto& head = stream_->head();
  const auto parsed =
      http::parse_request_head(head, as_text(transport_->input()).substr(0, head_bytes), downstream_.settings().head);
  if (!fault && !parsed) fault = parsed.error();
  if (!fault) fault = refusal_of(head);
  transport_->consume(head_bytes);
  stream_->begin(*this, std::exchange(head_began_, kNever), std::move(fault));
  input_pace_.begin(downstream_.body_demand());
  scanner_.reset();
  empty_lines_ = 0;
  ++requests_;
  state_ = State::kServing;
  // Not reading is what holds back a client that sends more than is asked for.
  transport_->want_input(false);
  timer_.disarm();
  // The answer before this one may still wait to be taken, and nobody says again that it is blocked.
  if (transport_->pending_output() > 0) on_blocked();
  spawn(tell());
}

Task<void> Http1Connection::tell() {
  co_await service_.serve(*stream_);
  end_story();
}

void Http1Connection::end_story() {
  const bool goes_on = transport_->is_open() && stream_->is_finished() && stream_->keeps_alive();
  const bool was_answered = stream_->is_head_sent();
  stream_->end();
  downstream_.give_stream(std::move(stream_));
  if (!transport_->is_open() || !was_answered) {
    bury();
    return;
  }
  if (!goes_on) {
    linger();
    return;
  }
  state_ = State::kHead;
  if (is_advancing_) return;  // the loop there looks for the next head
  if (!transport_->input().empty() || transport_->at_end()) {
    // Pipelined: taken up from the loop, not from the middle of somebody else's call.
    transport_->deliver_again();
  } else {
    await_head();
  }
}

void Http1Connection::linger() {
  state_ = State::kLingering;
  linger_until_ = downstream_.loop().now() + kLingerTotal;
  transport_->shutdown_output();
  transport_->consume(transport_->input().size());
  transport_->want_input(true);
  timer_.arm(downstream_.loop().now() + kLingerIdle);
}

void Http1Connection::await_body() {
  transport_->want_input(true);
  const auto deadline = input_pace_.wait(downstream_.loop().now());
  if (timer_.deadline() > deadline) timer_.arm(deadline);
}

void Http1Connection::took_body(std::size_t bytes) {
  input_pace_.took(bytes, downstream_.body_demand(), downstream_.loop().now());
}

void Http1Connection::on_writable() {
  if (stream_) stream_->on_writable();
}

void Http1Connection::on_blocked() {
  const auto deadline = output_pace_.wait(*transport_, downstream_.output_demand(), downstream_.loop().now());
  if (timer_.deadline() > deadline) timer_.arm(deadline);
  downstream_.note_waiting_output();
}

DownstreamConnection::WaitingOutput Http1Connection::waiting_output(TimePoint now) {
  return {memory_of_output(transport_->pending_output()),
          output_pace_.rested(*transport_, downstream_.output_demand(), now)};
}

std::size_t Http1Connection::end_resting(TimePoint) {
  const auto bytes = memory_of_output(transport_->pending_output());
  if (bytes > 0) end_output(downstream_.too_slow_for_a_crowd());
  return bytes;
}

void Http1Connection::end_output(const Error& error) {
  transport_->close_with_reset();
  if (state_ == State::kServing) {
    stream_->on_gone(error);
  } else {
    bury();
  }
}

void Http1Connection::on_shut_down() {
  // Both sides have said all they had to say.
  if (state_ == State::kLingering && transport_->at_end_of_bytes()) bury();
}

void Http1Connection::watch_departure(bool watched) {
  transport_->watch_end(watched);
  // A close_notify is seen only by whoever reads. Where a body is to come it stays unread, as does what is pipelined
  // behind the first bytes of it.
  const bool reads = transport_->tls() && stream_->is_body_read() && transport_->input().empty();
  if (!watched) {
    transport_->want_input(false);
  } else if (transport_->is_peer_done()) {
    on_peer_done();
  } else if (reads) {
    transport_->want_input(true);
  }
}

void Http1Connection::on_peer_done() {
  if (state_ == State::kServing && stream_->is_held()) {
    stream_->on_gone(make_error(Reason::kClientGone, "the client left while it waited"));
  }
}

void Http1Connection::on_failed(const Error& error) {
  if (state_ == State::kServing) {
    stream_->on_gone(error);
  } else {
    bury();
  }
}

void Http1Connection::on_serving_timer() {
  const auto now = downstream_.loop().now();
  if (output_pace_.is_late(*transport_, downstream_.output_demand(), now)) {
    end_output(downstream_.too_slow_to_take());
    return;
  }
  const bool awaits_body = stream_->is_reading() && !stream_->is_tunnel();
  if (awaits_body && input_pace_.wait(now) <= now) {
    stream_->fail_read(downstream_.too_slow_to_send());
    return;
  }
  const auto next = std::min(output_pace_.deadline(*transport_, now), awaits_body ? input_pace_.wait(now) : kNever);
  if (next != kNever) timer_.arm(next);
}

void Http1Connection::on_timer() {
  switch (state_) {
    case State::kHead:
      if (head_began_ == kNever) {
        linger();
      } else {
        begin(transport_->input().size(),
              make_error(Reason::kHeadTimeout, "the head was not complete within timeouts.request_head (" +
                                                   std::to_string(downstream_.settings().request_head.count()) +
                                                   " ms) and came slower than limits.min_rate"));
      }
      break;
    case State::kServing:
      on_serving_timer();
      break;
    case State::kLingering: {
      const auto now = downstream_.loop().now();
      if (transport_->pending_output() > 0 && !output_pace_.is_late(*transport_, downstream_.output_demand(), now)) {
        timer_.arm(std::min<TimePoint>(output_pace_.deadline(*transport_, now), now + kLingerIdle));
      } else {
        bury();
      }
      break;
    }
    case State::kOver:
      break;
  }
}

}  // namespace hybridge
