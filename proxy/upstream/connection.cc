#include "proxy/upstream/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <string>

#include "proxy/http/field_block.h"
#include "proxy/http/http1_writer.h"

namespace hybridge {

namespace {
void set_option(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

// A server that vanishes without a word (power, route, NAT) must not keep a request for as long as an answer may take:
// the kernel asks after a minute of silence, and gives up on bytes that nobody acknowledges.
void watch_peer(int descriptor, Duration write_idle) {
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 4);
  // Behind our own deadline, which knows what it waited for and says so.
  const auto kernels = write_idle + std::chrono::seconds(10);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(kernels).count();
  set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(milliseconds));
}

Error malformed(std::string detail) {
  return make_error(Reason::kUpstreamMalformed, std::move(detail));
}

// The parser speaks of requests and responses alike; here it is the server's fault.
Error as_upstream_fault(const Error& error) {
  switch (error.reason) {
    case Reason::kTargetTooLong:
    case Reason::kHeaderTooLarge:
    case Reason::kTooManyHeaders:
    case Reason::kUpstreamHeadTooLarge:
      return make_error(Reason::kUpstreamHeadTooLarge, error.detail);
    default:
      return malformed(error.detail);
  }
}
}  // namespace

UpstreamConnection::UpstreamConnection(Loop& loop, Owner& owner, const UpstreamSettings& settings)
    : loop_(loop), owner_(&owner), settings_(settings), transport_(loop, *this), timer_(loop.timers(), *this) {}

UpstreamConnection::~UpstreamConnection() {
  assert(!reader_.is_waiting() && !writer_.is_waiting());
}

// ---- The request ----

void UpstreamConnection::begin(http::Method method, const http::Framing& body, UpstreamAsks asks) {
  ++requests_;
  method_ = method;
  asks_ = asks;
  chunked_ = body.kind == http::Framing::Kind::kChunked;
  request_finished_ = false;
  has_received_ = false;
  informational_ = 0;
  sent_mark_ = transport_.bytes_sent() + transport_.pending_output();
  scanner_.reset();
  answer_ = Answer::kHead;
}

void UpstreamConnection::put(Bytes bytes) {
  if (transport_.pending_output() == 0) blocked_since_ = kNever;
  transport_.write(bytes);
}

void UpstreamConnection::write_head(std::string_view bytes) {
  put(as_bytes(bytes));
}

void UpstreamConnection::append_body(Bytes piece) {
  if (piece.empty() || failure_) return;
  if (!chunked_ || answer_ == Answer::kTunnel) {
    put(piece);
    return;
  }
  std::string frame;  // short enough for no allocation
  http::append_chunk_begin(frame, piece.size());
  put(as_bytes(frame));
  put(piece);
  put(as_bytes(http::kChunkEnd));
}

void UpstreamConnection::finish_body() {
  if (request_finished_) return;
  request_finished_ = true;
  if (chunked_ && !failure_) put(as_bytes(http::kLastChunk));
  request_ended_at_ = loop_.now();
  arm();
}

bool UpstreamConnection::poll_writable(Result<void>& outcome) {
  if (failure_) {
    outcome = *failure_;
    return true;
  }
  return transport_.pending_output() < Transport::kHighWater;
}

bool UpstreamConnection::has_written() const {
  return transport_.bytes_sent() > sent_mark_;
}

// ---- The answer ----

void UpstreamConnection::wait_for_answer(std::coroutine_handle<> coroutine) {
  reader_.wait().await_suspend(coroutine);
  waiting_since_ = loop_.now();
  transport_.want_input(true);
  arm();
}

bool UpstreamConnection::is_head_there(Result<const http::ResponseHead*>& head) {
  const bool is_there = poll_head(head);
  if (failure_) resume_writer();
  return is_there;
}

bool UpstreamConnection::is_piece_there(Result<Bytes>& piece) {
  const bool is_there = poll_body(piece);
  if (failure_) resume_writer();
  return is_there;
}

bool UpstreamConnection::poll_head(Result<const http::ResponseHead*>& head) {
  if (!failure_) {
    const auto taken = take_head();
    if (taken.has_value() && *taken) {
      head = &head_;
      return true;
    }
    if (!taken.has_value()) {
      spoil(taken.error());
    } else if (transport_.at_end_of_bytes()) {
      spoil(make_error(Reason::kUpstreamClosed, has_received_ ? "the server closed the connection within the head"
                                                              : "the server closed the connection without an answer"));
    } else {
      return false;
    }
  }
  head = *failure_;
  return true;
}

Result<bool> UpstreamConnection::take_head() {
  const http::HeadLimits limits{
      .target_bytes = settings_.head_bytes, .head_bytes = settings_.head_bytes, .headers = settings_.headers};
  for (;;) {
    const auto text = as_text(transport_.input());
    const auto length = scanner_.scan(text, limits);
    if (!length.has_value()) return as_upstream_fault(length.error());
    if (*length == 0) return false;
    const auto parsed = http::parse_response_head(head_, text.substr(0, *length), method_, limits);
    if (!parsed.has_value()) return as_upstream_fault(parsed.error());
    transport_.consume(*length);
    scanner_.reset();
    if (!head_.is_informational()) break;
    if (++informational_ > kMaxInformational) return malformed("more than 16 informational heads before the answer");
    if (head_.status == 101 && !asks_.upgrade) return malformed("a 101 though no upgrade was asked for");
    // RFC 9110 15.2: a 100 that nobody waits for says nothing.
    if (head_.status == 100 && !std::exchange(asks_.continue_100, false)) continue;
    return true;
  }
  trailers_.clear();
  decoder_.start(head_.framing, &trailers_);
  answer_ = decoder_.is_done() ? Answer::kDone : Answer::kBody;
  return true;
}

bool UpstreamConnection::poll_body(Result<Bytes>& piece) {
  assert(answer_ != Answer::kHead || failure_);
  if (answer_ == Answer::kDone) {
    piece = Bytes{};
    return true;
  }
  if (!failure_) {
    bool is_there = true;
    auto taken = take_body(is_there);
    if (!is_there) return false;
    if (taken.has_value()) {
      piece = *taken;
      return true;
    }
    spoil(taken.error());
  }
  piece = *failure_;
  return true;
}

Result<Bytes> UpstreamConnection::take_body(bool& is_there) {
  if (answer_ == Answer::kTunnel) {
    const auto bytes = transport_.input();
    is_there = !bytes.empty() || transport_.at_end_of_bytes();
    transport_.consume(bytes.size());
    return bytes;
  }
  for (;;) {
    const auto step = decoder_.next(as_text(transport_.input()));
    if (!step.has_value()) return malformed(step.error().detail);
    transport_.consume(step->consumed);
    if (decoder_.is_done()) answer_ = Answer::kDone;
    if (!step->data.empty() || decoder_.is_done()) return as_bytes(step->data);
    if (step->consumed > 0) continue;
    if (!transport_.at_end_of_bytes()) {
      is_there = false;
      return Bytes{};
    }
    // RFC 9112 8: what the close ends is whole only if the close itself can be trusted.
    if (decoder_.is_complete_at_close() && !transport_.is_truncated()) {
      answer_ = Answer::kDone;
      return Bytes{};
    }
    return make_error(Reason::kUpstreamTruncated, "the server closed the connection within the body");
  }
}

http::Headers UpstreamConnection::trailers() const {
  http::Headers fields;
  if (answer_ != Answer::kDone || trailers_.size() <= http::kChunkEnd.size()) return fields;
  // The decoder has seen to it that each is a field, and to how many bytes they are.
  http::FieldFacts facts;
  const http::FieldRules rules{Reason::kUpstreamMalformed, Reason::kUpstreamMalformed, trailers_.size()};
  if (!http::parse_fields(fields, facts, trailers_, rules)) fields.clear();
  return fields;
}

void UpstreamConnection::start_tunnel() {
  answer_ = Answer::kTunnel;
  request_finished_ = true;
  owner_->on_tunnel(*this);
}

void UpstreamConnection::shutdown_output() {
  transport_.shutdown_output();
}

bool UpstreamConnection::is_reusable() const {
  return state_ == State::kLeased && !failure_ && answer_ == Answer::kDone && request_finished_ && head_.keep_alive &&
         transport_.is_open() && !transport_.at_end_of_bytes() && transport_.input().empty() &&
         transport_.pending_output() == 0 && !reader_.is_waiting() && !writer_.is_waiting();
}

// ---- Ends ----

void UpstreamConnection::spoil(Error error) {
  if (failure_) return;
  failure_ = std::move(error);
  close();
}

void UpstreamConnection::fail(Error error) {
  spoil(std::move(error));
  resume_reader();
  resume_writer();
}

void UpstreamConnection::abort(const Error& error) {
  fail(error);
}

void UpstreamConnection::abort_waits() {
  if (reader_.is_waiting() || writer_.is_waiting()) {
    fail(make_error(Reason::kUpstreamClosed, "the exchange was ended by its other half"));
  }
}

void UpstreamConnection::close() {
  state_ = State::kClosed;
  timer_.disarm();
  transport_.close();
}

void UpstreamConnection::resume_reader() {
  if (!reader_.is_waiting()) return;
  const bool is_there = head_out_ ? poll_head(*head_out_) : poll_body(*piece_out_);
  if (is_there) reader_.resume();
}

void UpstreamConnection::resume_writer() {
  if (writer_.is_waiting() && poll_writable(*outcome_out_)) writer_.resume();
}

// ---- Pool and dial ----

void UpstreamConnection::connect(const Address& address, UniqueSsl ssl) {
  state_ = State::kConnecting;
  address_ = address;
  address_text_ = address.to_string();
  connect_began_ = Clock::now();
  transport_.connect(address);
  if (transport_.is_open()) watch_peer(transport_.descriptor(), settings_.write_idle);
  if (ssl) transport_.start_tls(std::move(ssl));
}

void UpstreamConnection::lease() {
  is_reused_ = state_ == State::kIdle;
  state_ = State::kLeased;
  if (is_linked()) unlink();
}

void UpstreamConnection::rest(TimePoint deadline) {
  state_ = State::kIdle;
  idle_since_ = loop_.now();
  idle_deadline_ = deadline;
  transport_.want_input(true);
  arm();
}

bool UpstreamConnection::is_alive_now() const {
  if (!transport_.is_open() || transport_.at_end_of_bytes()) return false;
  char byte = 0;
  const auto count = ::recv(transport_.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EINTR);
}

void UpstreamConnection::end_idle(IdleEnd why) {
  close();
  owner_->on_idle_ended(*this, why);
}

// ---- From the transport and the timer ----

void UpstreamConnection::on_connected() {
  connect_microseconds_ = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - connect_began_).count());
  owner_->on_connected(*this);
}

void UpstreamConnection::on_input() {
  if (state_ == State::kIdle) {
    end_idle(transport_.at_end() ? IdleEnd::kByPeer : IdleEnd::kUnasked);
    return;
  }
  if (state_ != State::kLeased) return;
  waiting_since_ = loop_.now();
  if (!transport_.input().empty()) {
    if (answer_ == Answer::kHead && !has_received_ && !has_written()) {
      // They were sent before this request, for whatever was before it: nobody must take them for its answer.
      fail(make_error(Reason::kUpstreamClosed, "the server sent bytes that no request had asked for"));
      return;
    }
    has_received_ = true;
  }
  resume_reader();
  if (failure_) resume_writer();
  if (transport_.is_open() && !reader_.is_waiting() && !transport_.input().empty()) transport_.want_input(false);
}

void UpstreamConnection::on_writable() {
  // A queue that has fallen low is not empty yet, and nobody says again that the rest of it is blocked.
  if (transport_.pending_output() == 0) blocked_since_ = kNever;
  resume_writer();
}

void UpstreamConnection::on_blocked() {
  blocked_since_ = loop_.now();
  // What was not taken is queued only after this call: next_due() would not see it yet.
  const auto due = blocked_since_ + settings_.write_idle;
  if (due < timer_.deadline()) timer_.arm(due);
}

void UpstreamConnection::on_failed(const Error& error) {
  switch (state_) {
    case State::kConnecting:
      close();
      owner_->on_connect_failed(
          *this, error.reason == Reason::kBadHandshake ? make_error(Reason::kUpstreamTls, error.detail) : error);
      return;
    case State::kIdle:
      end_idle(IdleEnd::kByPeer);
      return;
    case State::kLeased:
      fail(told_as(error));
      return;
    default:
      return;
  }
}

Error UpstreamConnection::told_as(const Error& error) const {
  if (answer_ == Answer::kBody) return make_error(Reason::kUpstreamTruncated, "within the body: " + error.detail);
  return make_error(Reason::kUpstreamClosed, error.detail);
}

UpstreamConnection::Due UpstreamConnection::next_due() const {
  if (state_ == State::kIdle) return {idle_deadline_, Reason::kOk};
  Due due;
  if (state_ != State::kLeased) return due;
  const auto consider = [&](TimePoint at, Reason reason) {
    if (at < due.at) due = {at, reason};
  };
  const auto progress = transport_.last_progress();
  // A server that answers without taking the rest of the request may do so.
  if (blocked_since_ != kNever && transport_.pending_output() > 0 && answer_ != Answer::kBody) {
    consider(std::max(blocked_since_, progress) + settings_.write_idle, Reason::kClientTooSlow);
  }
  // While the request is still coming it is the client who sets the pace, and has a deadline of its own.
  if (answer_ == Answer::kHead && request_finished_) {
    consider(std::max(request_ended_at_, progress) + settings_.response_head, Reason::kUpstreamHeadTimeout);
  }
  if (answer_ == Answer::kBody && reader_.is_waiting()) {
    consider(waiting_since_ + settings_.response_idle, Reason::kUpstreamIdle);
  }
  return due;
}

// The timer is only ever moved nearer: when it fires too early it looks again, so a kept-alive request re-arms nothing.
void UpstreamConnection::arm() {
  const auto due = next_due();
  if (due.at < timer_.deadline()) timer_.arm(due.at);
}

void UpstreamConnection::on_timer() {
  const auto due = next_due();
  if (due.at > loop_.now()) {
    if (due.at != kNever) timer_.arm(due.at);
    return;
  }
  const auto waited = [](Duration time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
  };
  switch (due.reason) {
    case Reason::kOk:
      end_idle(IdleEnd::kTimedOut);
      return;
    case Reason::kUpstreamHeadTimeout:
      fail(make_error(due.reason, "no answer within " + waited(settings_.response_head) + " (timeouts.response_head)"));
      return;
    case Reason::kUpstreamIdle:
      fail(make_error(due.reason,
                      "nothing of the body for " + waited(settings_.response_idle) + " (timeouts.response_idle)"));
      return;
    default:
      fail(make_error(Reason::kUpstreamIdle, "the server took nothing of the request for " +
                                                 waited(settings_.write_idle) + " (timeouts.write_idle)"));
      return;
  }
}

}  // namespace hybridge
