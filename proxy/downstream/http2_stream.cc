#include "proxy/downstream/http2_stream.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "proxy/downstream/http2_connection.h"

namespace hybridge {

namespace {
// More than this of a response waits for the client: its writer waits until it has fallen below half of it.
constexpr std::size_t kOutbox = 32 * 1024;
// A piece of at least this size is framed from where it is; smaller ones are gathered until the turn ends.
constexpr std::size_t kPassDirectly = 4 * 1024;
// A reader that has taken this much is worth a wider window, for clients that are far away.
constexpr std::uint64_t kGoodReader = 128 * 1024;
constexpr std::uint32_t kWideWindow = 512 * 1024;
}  // namespace

void Http2Stream::begin(Http2Connection& connection, TimePoint began) {
  connection_ = &connection;
  began_ = began;
  body_pace_.begin(connection.downstream().body_demand());
  output_pace_.begin(connection.downstream().output_demand());
}

void Http2Stream::start(std::optional<Error> fault, bool has_body) {
  has_story_ = true;
  is_body_whole_ = !has_body;  // what else has come of it already is told behind this
  fault_ = std::move(fault);
  // Whatever follows a refused head is not looked at.
  if (fault_) read_failure_ = make_error(Reason::kClientGone, "the request was refused");
}

void Http2Stream::end() {
  drop_inbox();
  drop_outbox();
  set_gone_listener(nullptr);
  connection_ = nullptr;
  fault_.reset();
  gone_.reset();
  read_failure_.reset();
  arriving_ = passing_ = {};
  bytes_in_ = bytes_out_ = length_ = 0;
  status_ = 0;
  is_held_ = has_left_session_ = has_story_ = is_finished_ = is_tunnel_ = is_length_told_ = is_body_whole_ = false;
  is_window_wide_ = continue_sent_ = is_reading_ = is_blocked_ = sends_body_ = false;
  begin_again();
}

const ClientFacts& Http2Stream::client() const {
  return connection_->facts();
}

// ---- The request's body ----

void Http2Stream::on_data(Bytes data) {
  if (gone_ || read_failure_ || !has_story_) {
    connection_->discard(data.size());
    return;
  }
  if (!is_reading_ || is_last_of_told(data.size())) {
    inbox_.append(data);
    connection_->keep(data.size());
    return;
  }
  // Who waits for it takes it from where it is.
  arriving_ = data;
  resume_reader();
  if (const auto rest = std::exchange(arriving_, {}); !rest.empty()) connection_->discard(rest.size());
}

void Http2Stream::on_end() {
  is_body_whole_ = true;
  resume_reader();
}

bool Http2Stream::poll_body(Result<Bytes>& piece) {
  is_reading_ = false;
  if (const auto read = std::exchange(handed_, 0); read > 0) {
    inbox_.consume(read);
    connection_->let_go(read);
  }
  if (gone_ || read_failure_) {
    piece = gone_ ? *gone_ : *read_failure_;
    return true;
  }
  if (!arriving_.empty()) {
    const auto arrived = std::exchange(arriving_, {});
    connection_->discard(arrived.size());  // it is not kept here
    piece = hand_out(arrived);
    return true;
  }
  if (!inbox_.empty()) {
    iovec front{};
    inbox_.peek(&front, 1);
    if (is_last_of_told(front.iov_len)) return wait_for_body();
    handed_ = front.iov_len;
    piece = hand_out({static_cast<const std::uint8_t*>(front.iov_base), front.iov_len});
    return true;
  }
  if (is_body_whole_) {
    piece = Bytes{};
    return true;
  }
  return wait_for_body();
}

bool Http2Stream::wait_for_body() {
  send_continue_if_awaited();
  is_reading_ = true;
  if (!is_tunnel_) connection_->due(body_pace_.wait(connection_->now()));
  return false;
}

// RFC 9113 8.1.1: a malformed request is not sent on. One whose body may yet be longer than it said is not made whole.
bool Http2Stream::is_last_of_told(std::size_t size) const {
  const auto& framing = request().framing;
  return !is_body_whole_ && framing.kind == http::Framing::Kind::kLength && bytes_in_ + size >= framing.length;
}

Result<Bytes> Http2Stream::hand_out(Bytes piece) {
  bytes_in_ += piece.size();
  const auto& settings = connection_->downstream().settings();
  body_pace_.took(piece.size(), connection_->downstream().body_demand(), connection_->now());
  if (!is_tunnel_ && is_too_large(settings, request(), bytes_in_)) {
    return read_failure_.emplace(body_too_large(settings));
  }
  auto& session = connection_->session();
  if (bytes_in_ >= kGoodReader && !is_window_wide_ && !is_body_whole_) {
    is_window_wide_ = true;
    session.widen_window(*this, kWideWindow);
  }
  session.open_stream_window(*this, piece.size());
  connection_->touch();
  return piece;
}

void Http2Stream::abandon_body() {
  if (is_body_whole_ && inbox_.empty()) return;  // nothing is left to be abandoned
  if (!read_failure_) fail_read(make_error(Reason::kClientGone, "the rest of the body is not wanted"));
}

void Http2Stream::fail_read(const Error& error) {
  read_failure_ = error;
  drop_inbox();
  resume_reader();
}

void Http2Stream::drop_inbox() {
  if (inbox_.empty()) return;
  connection_->let_go(inbox_.size());
  inbox_.clear();
  handed_ = 0;
}

void Http2Stream::send_continue_if_awaited() {
  if (!request().expects_continue || continue_sent_ || is_head_sent()) return;
  continue_sent_ = true;
  http::ResponseHead head;
  head.status = 100;
  connection_->session().write_informational(*this, head);
  connection_->touch();
}

// ---- The response ----

void Http2Stream::write_informational(const http::ResponseHead& head) {
  if (gone_ || is_closed() || is_head_sent()) return;
  if (head.status == 100) {
    send_continue_if_awaited();
    return;
  }
  connection_->session().write_informational(*this, head);
  connection_->touch();
}

void Http2Stream::write_head(const http::ResponseHead& head) {
  if (gone_ || is_head_sent()) return;
  status_ = head.status;
  is_tunnel_ = head.status == 101;
  const bool has_no_body = request().method == http::Method::kHead || head.status == 204 || head.status == 304;
  auto framing = head.framing;
  if (framing.kind == http::Framing::Kind::kNone && !has_no_body && !is_tunnel_) {
    framing = {http::Framing::Kind::kLength, 0};
  }
  sends_body_ = is_tunnel_ || (!has_no_body && framing.has_body());
  is_length_told_ = sends_body_ && !is_tunnel_ && framing.kind == http::Framing::Kind::kLength;
  length_ = framing.length;
  if (is_tunnel_ || head.status == 204) framing = {};  // RFC 9110 8.6
  if (is_closed()) return;
  auto& session = connection_->session();
  if (is_tunnel_) session.begin_tunnel(*this);
  session.write_head(*this, head, framing, sends_body_);
  connection_->touch();
}

void Http2Stream::append_body(Bytes piece) {
  if (gone_ || is_finished_ || is_closed() || piece.empty() || !sends_body_) return;
  bytes_out_ += piece.size();
  auto& session = connection_->session();
  if (outbox_.empty() && piece.size() >= kPassDirectly) {
    passing_ = piece;
    session.body_grew(*this);
    connection_->pump();
    piece = std::exchange(passing_, {});
    if (piece.empty() || gone_) return;
  }
  if (outbox_.empty()) connection_->due(output_pace_.wait(connection_->now()));
  outbox_.append(piece);
  connection_->queue(piece.size());
  session.body_grew(*this);
  connection_->touch();
}

void Http2Stream::drop_outbox() {
  if (outbox_.empty()) return;
  connection_->unqueue(outbox_.size());
  outbox_.clear();
}

bool Http2Stream::poll_writable(Result<void>& outcome) {
  if (gone_) {
    outcome = *gone_;
    return true;
  }
  // Whoever's client takes all that it is given is not held up by what others of its connection are not given.
  is_blocked_ = outbox_.size() >= kOutbox || (!outbox_.empty() && connection_->is_crowded());
  if (is_blocked_) return false;
  outcome = Result<void>{};
  return true;
}

void Http2Stream::send_piece(std::size_t bytes) {
  output_pace_.took(bytes, connection_->downstream().output_demand(), connection_->now());
  connection_->note_data(bytes);
  while (bytes > 0 && !outbox_.empty()) {
    iovec front{};
    outbox_.peek(&front, 1);
    const auto size = std::min(bytes, front.iov_len);
    connection_->write({static_cast<const std::uint8_t*>(front.iov_base), size});
    outbox_.consume(size);
    connection_->unqueue(size);
    bytes -= size;
  }
  if (bytes > 0) {
    connection_->write(passing_.first(bytes));
    passing_ = passing_.subspan(bytes);
  }
  if (!outbox_.empty()) output_pace_.wait(connection_->now());
  if (is_blocked_ && outbox_.size() < kOutbox / 2) {
    is_blocked_ = false;
    connection_->note_drained(*this);
  }
}

void Http2Stream::write_trailers(const http::Headers& fields) {
  if (gone_ || is_finished_ || is_closed() || is_tunnel_ || !sends_body_ || is_length_told_) return;
  connection_->session().write_trailers(*this, fields);
}

void Http2Stream::finish() {
  if (gone_ || is_finished_) return;
  is_finished_ = true;
  if (!sends_body_ || is_closed()) return;
  if (is_length_told_ && bytes_out_ != length_) {
    reset(Reason::kInternal);
    return;
  }
  connection_->session().body_grew(*this);
  connection_->touch();
}

void Http2Stream::reset(Reason reason) {
  if (gone_) return;
  if (is_head_sent()) connection_->pump();  // what was received whole is still told
  if (gone_) return;
  connection_->session().reset(*this, reason);
  connection_->touch();
  gone_ = make_error(reason, "the stream was reset");
  drop_outbox();
  resume_reader();
  resume_writer();
}

// ---- Its end ----

// The connection is read from all the time: its end is seen as soon as it comes.
void Http2Stream::set_held(bool held) {
  is_held_ = held;
  if (held && !gone_ && connection_->is_client_done()) {
    leave(make_error(Reason::kClientGone, "the client closed the connection"));
  }
}

void Http2Stream::on_gone(const Error& error) {
  if (gone_) return;
  gone_ = error;
  drop_outbox();
  resume_reader();
  resume_writer();
  tell_gone();
}

void Http2Stream::leave(const Error& error) {
  connection_->session().reset(*this, error.reason);
  connection_->touch();
  on_lost(error);
}

void Http2Stream::on_lost(const Error& error) {
  if (!is_answer_over()) {
    on_gone(error);
  } else if (is_tunnel_) {
    on_end();  // both sides have said all they had to say
  } else if (!is_body_whole_ && !read_failure_) {
    fail_read(make_error(Reason::kClientGone, "the answer was complete before the body"));
  }
}

void Http2Stream::check_deadlines(TimePoint now) {
  auto& downstream = connection_->downstream();
  if (awaits_body() && body_pace_.wait(now) <= now) {
    fail_read(downstream.too_slow_to_send());
    return;
  }
  if (outbox_.empty() || output_pace_.wait(now) > now) return;
  end_output(downstream.too_slow_to_take());
}

void Http2Stream::end_output(const Error& error) {
  connection_->session().reset(*this, error.reason);
  connection_->touch();
  on_gone(error);
}

Duration Http2Stream::rested(TimePoint now) const {
  return outbox_.empty() ? Duration{} : output_pace_.rested(connection_->downstream().output_demand(), now);
}

TimePoint Http2Stream::next_deadline() {
  const auto now = connection_->now();
  return std::min(awaits_body() ? body_pace_.wait(now) : kNever, outbox_.empty() ? kNever : output_pace_.wait(now));
}

}  // namespace hybridge
