#include "proxy/downstream/http1_stream.h"

#include <charconv>
#include <string>

#include "proxy/downstream/http1_connection.h"

namespace hybridge {

namespace {
// A body that nobody wanted and that is here already is swallowed up to this size, so that the connection can go on.
constexpr std::size_t kSwallowed = 64 * 1024;
}  // namespace

void Http1Stream::begin(Http1Connection& connection, TimePoint began, std::optional<Error> fault) {
  connection_ = &connection;
  began_ = began;
  fault_ = std::move(fault);
  // What follows a refused head cannot be told from the next request: it is not looked at.
  decoder_.start(fault_ ? http::Framing{} : head_.framing);
}

void Http1Stream::end() {
  connection_ = nullptr;
  head_.clear();
  fault_.reset();
  gone_.reset();
  read_failure_.reset();
  set_gone_listener(nullptr);
  bytes_in_ = bytes_out_ = 0;
  status_ = 0;
  finished_ = keep_alive_ = is_tunnel_ = is_held_ = continue_sent_ = reading_ = sends_body_ = has_trailers_ = false;
}

const ClientFacts& Http1Stream::client() const {
  return connection_->facts();
}

void Http1Stream::abandon_body() {
  if (!read_failure_) fail_read(make_error(Reason::kClientGone, "the rest of the body is not wanted"));
}

void Http1Stream::fail_read(const Error& error) {
  read_failure_ = error;
  resume_reader();
}

void Http1Stream::on_gone(const Error& error) {
  gone_ = error;
  resume_reader();
  resume_writer();
  tell_gone();
}

bool Http1Stream::poll_body(Result<Bytes>& piece) {
  reading_ = false;
  if (gone_ || read_failure_) {
    piece = gone_ ? *gone_ : *read_failure_;
    return true;
  }
  if (is_tunnel_) return poll_tunnel(piece);
  if (decode(piece)) {
    if (piece) connection_->took_body(piece->size());
    return true;
  }
  if (connection_->transport().at_end()) {
    piece = make_error(Reason::kClientGone, "the client closed the connection inside the body");
    return true;
  }
  send_continue_if_awaited();
  reading_ = true;
  connection_->await_body();
  return false;
}

bool Http1Stream::decode(Result<Bytes>& piece) {
  auto& transport = connection_->transport();
  while (!decoder_.is_done()) {
    const auto step = decoder_.next(as_text(transport.input()));
    if (!step) {
      piece = read_failure_.emplace(step.error());
      return true;
    }
    transport.consume(step->consumed);
    if (!step->data.empty()) {
      bytes_in_ += step->data.size();
      const auto& settings = connection_->downstream().settings();
      if (is_too_large(settings, request(), bytes_in_)) {
        piece = read_failure_.emplace(body_too_large(settings));
      } else {
        piece = hybridge::as_bytes(step->data);
      }
      return true;
    }
    if (step->consumed == 0) return false;
  }
  piece = Bytes{};
  return true;
}

bool Http1Stream::poll_tunnel(Result<Bytes>& piece) {
  auto& transport = connection_->transport();
  const auto input = transport.input();
  if (!input.empty() || transport.at_end()) {
    transport.consume(input.size());
    bytes_in_ += input.size();
    piece = input;
    return true;
  }
  reading_ = true;
  transport.want_input(true);
  return false;
}

void Http1Stream::send_continue_if_awaited() {
  if (!head_.expects_continue || continue_sent_ || is_head_sent()) return;
  continue_sent_ = true;
  connection_->transport().write(hybridge::as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
}

void Http1Stream::set_held(bool held) {
  if (gone_ || is_held_ == held) return;
  is_held_ = held;
  connection_->watch_departure(held);
}

void Http1Stream::write_informational(const http::ResponseHead& head) {
  if (gone_ || is_head_sent() || head_.version == http::Version::kHttp10) return;
  if (head.status == 100) {
    send_continue_if_awaited();
    return;
  }
  auto& out = connection_->downstream().scratch();
  out.clear();
  http::append_response_head(
      out, head, {.framing = {}, .keep_alive = true, .is_http10 = false, .upgrade = {}, .has_framing_header = false});
  connection_->transport().write(hybridge::as_bytes(out));
}

void Http1Stream::write_head(const http::ResponseHead& head) {
  if (gone_ || is_head_sent()) return;
  status_ = head.status;
  is_tunnel_ = head.status == 101;
  if (is_tunnel_) connection_->become_tunnel();
  const bool is_head_request = head_.method == http::Method::kHead;
  const bool has_no_body = is_head_request || head.status == 204 || head.status == 304 || is_tunnel_;
  const bool is_http10 = head_.version == http::Version::kHttp10;

  http::Framing framing = head.framing;
  if (framing.kind == http::Framing::Kind::kNone) framing = {http::Framing::Kind::kLength, 0};
  if (framing.kind != http::Framing::Kind::kLength) {
    framing.kind = is_http10 ? http::Framing::Kind::kUntilClose : http::Framing::Kind::kChunked;
  }
  sends_body_ = !has_no_body && framing.has_body();
  response_framing_ = framing;
  keep_alive_ = !is_tunnel_ && !fault_ && connection_->may_keep_alive() && head_.keep_alive &&
                !(sends_body_ && framing.kind == http::Framing::Kind::kUntilClose) &&
                (is_body_read() || discard_body_at_hand());

  // RFC 9110 8.6: of a HEAD or 304 the length is told when it is known, of a 204 never.
  const bool has_framing_header =
      has_no_body ? (is_head_request || head.status == 304) && head.framing.kind == http::Framing::Kind::kLength : true;
  auto& out = connection_->downstream().scratch();
  out.clear();
  http::append_response_head(out, head,
                             {.framing = framing,
                              .keep_alive = keep_alive_,
                              .is_http10 = is_http10,
                              .upgrade = is_tunnel_ ? head_.upgrade : std::string_view{},
                              .has_framing_header = has_framing_header});
  connection_->transport().write(hybridge::as_bytes(out));
}

bool Http1Stream::discard_body_at_hand() {
  // Somebody who began to read may read on while the answer goes out; nobody else's bytes are taken.
  if (bytes_in_ > 0 || reading_ || read_failure_ || head_.expects_continue) return false;
  std::uint64_t swallowed = 0;
  auto& transport = connection_->transport();
  while (!decoder_.is_done() && swallowed < kSwallowed) {
    const auto step = decoder_.next(as_text(transport.input()));
    if (!step || step->consumed == 0) return false;
    transport.consume(step->consumed);
    swallowed += step->consumed;
  }
  return decoder_.is_done();
}

void Http1Stream::append_body(Bytes piece) {
  if (gone_ || piece.empty()) return;
  bytes_out_ += piece.size();
  auto& transport = connection_->transport();
  if (is_tunnel_) {
    transport.write(piece);
    return;
  }
  if (!sends_body_) {
    bytes_out_ -= piece.size();
    return;
  }
  if (response_framing_.kind != http::Framing::Kind::kChunked) {
    transport.write(piece);
    return;
  }
  auto& out = connection_->downstream().scratch();
  out.clear();
  http::append_chunk_begin(out, piece.size());
  transport.write(hybridge::as_bytes(out));
  transport.write(piece);
  transport.write(hybridge::as_bytes(http::kChunkEnd));
}

bool Http1Stream::poll_writable(Result<void>& outcome) {
  if (gone_) {
    outcome = *gone_;
    return true;
  }
  if (connection_->transport().pending_output() >= Transport::kHighWater) return false;
  outcome = Result<void>{};
  return true;
}

void Http1Stream::write_trailers(const http::Headers& fields) {
  if (gone_ || finished_ || has_trailers_ || !sends_chunks()) return;
  has_trailers_ = true;
  auto& out = connection_->downstream().scratch();
  out.clear();
  http::append_last_chunk(out, fields);
  connection_->transport().write(hybridge::as_bytes(out));
}

void Http1Stream::finish() {
  if (gone_ || finished_) return;
  finished_ = true;
  auto& transport = connection_->transport();
  if (is_tunnel_) {
    transport.shutdown_output();
  } else if (sends_chunks()) {
    if (!has_trailers_) transport.write(hybridge::as_bytes(http::kLastChunk));
  } else if (sends_body_ && response_framing_.kind == http::Framing::Kind::kLength &&
             bytes_out_ != response_framing_.length) {
    reset(Reason::kInternal);
  }
}

void Http1Stream::reset(Reason reason) {
  keep_alive_ = false;
  if (gone_) return;
  connection_->abort();
  gone_ = make_error(reason, "the stream was reset");
  resume_reader();
  resume_writer();
}

}  // namespace hybridge
