#include "proxy/http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "proxy/http/http2_callbacks.h"
#include "proxy/http/http2_fields.h"
#include "proxy/http/http2_memory.h"

namespace hybridge::http {

namespace {

// What all streams of a connection may be sent ahead of their readers; that of one stream begins with HTTP/2's own
// 64 KiB. It is opened as soon as bytes have come, so that an upload nobody reads stalls no other one.
constexpr std::int32_t kConnectionWindow = 1 << 20;

std::uint32_t code_for(Reason reason) {
  switch (reason) {
    case Reason::kOk:
    case Reason::kUpgraded:
      return NGHTTP2_NO_ERROR;
    case Reason::kClientGone:
    case Reason::kClientTooSlow:
    case Reason::kTunnelIdle:
    case Reason::kShuttingDown:
      return NGHTTP2_CANCEL;
    default:
      return NGHTTP2_INTERNAL_ERROR;
  }
}

}  // namespace

void Http2SessionStream::begin_again() {
  head_.clear();
  trailers_.reset();
  id_ = 0;
  body_received_ = 0;
  is_head_complete_ = is_ended_ = is_malformed_ = is_answered_ = is_answer_over_ = is_tunnel_ = awaits_body_ = false;
  is_reset_here_ = is_reset_there_ = is_broken_ = is_closed_ = false;
}

void Http2Session::SessionFree::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

Http2Session::Http2Session(User& user, const Http2Settings& settings, TimePoint now)
    : user_(user), settings_(settings), budget_(now), now_(now) {
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new3(&session, http2_callbacks(), this, http2_options(), http2_memory());
  session_.reset(session);
  const std::array<nghttp2_settings_entry, 4> ours{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings_.streams},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(settings_.head.head_bytes)},
       {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
       {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, ours.data(), ours.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Session::~Http2Session() = default;

Result<void> Http2Session::receive(Bytes input, TimePoint now) {
  now_ = now;
  if (violation_) return *violation_;
  was_told_ = false;
  const auto taken = nghttp2_session_mem_recv(session_.get(), input.data(), input.size());
  throw_on();
  if (!was_told_ && taken > 0) ignored(input.size());
  if (violation_) return *violation_;
  if (taken >= 0) return {};
  switch (taken) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      terminate(make_error(Reason::kHttp2Protocol, "the connection does not begin with the preface of HTTP/2"),
                NGHTTP2_PROTOCOL_ERROR);
      break;
    case NGHTTP2_ERR_FLOODED:
      terminate(make_error(Reason::kHttp2Frames, "the client takes no answers to its frames"),
                NGHTTP2_ENHANCE_YOUR_CALM);
      break;
    case NGHTTP2_ERR_NOMEM:
      terminate(make_error(Reason::kInternal, "memory is out"), NGHTTP2_INTERNAL_ERROR);
      break;
    default:  // of the errors that end a session only too many CONTINUATION frames are left
      terminate(make_error(Reason::kHttp2Headers, nghttp2_strerror(static_cast<int>(taken))),
                NGHTTP2_ENHANCE_YOUR_CALM);
      break;
  }
  return *violation_;
}

void Http2Session::throw_on() {
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void Http2Session::send() {
  while (user_.takes_output()) {
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
    throw_on();
    if (size < 0 && !violation_) violation_ = make_error(Reason::kInternal, nghttp2_strerror(static_cast<int>(size)));
    if (size <= 0) return;
    user_.write({bytes, static_cast<std::size_t>(size)});
  }
}

bool Http2Session::take_event(Event& event) {
  if (next_event_ == events_.size()) {
    events_.clear();
    next_event_ = 0;
    return false;
  }
  event = std::move(events_[next_event_++]);
  return true;
}

bool Http2Session::is_window_shut(const Http2SessionStream& stream) const {
  return nghttp2_session_get_stream_remote_window_size(session_.get(), stream.id_) <= 0;
}

bool Http2Session::is_window_shut() const {
  return nghttp2_session_get_remote_window_size(session_.get()) <= 0;
}

void Http2Session::open_stream_window(const Http2SessionStream& stream, std::size_t bytes) {
  if (!stream.is_ended_) nghttp2_session_consume_stream(session_.get(), stream.id_, bytes);
}

void Http2Session::open_connection_window(std::size_t bytes) {
  nghttp2_session_consume_connection(session_.get(), bytes);
}

void Http2Session::widen_window(const Http2SessionStream& stream, std::uint32_t bytes) {
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, stream.id_,
                                        static_cast<std::int32_t>(bytes));
}

void Http2Session::write_informational(Http2SessionStream& stream, const ResponseHead& head) {
  const Http2Fields fields(head);
  nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream.id_, nullptr, fields.data(), fields.size(), nullptr);
}

void Http2Session::write_head(Http2SessionStream& stream, const ResponseHead& head, const Framing& framing,
                              bool has_body) {
  Http2Fields fields(head);
  if (framing.kind == Framing::Kind::kLength) fields.add_length(framing.length);
  stream.is_answered_ = true;
  const auto body = http2_body(stream);
  if (!has_body && stream.is_malformed_) {
    stream.is_answer_over_ = true;
    nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, stream.id_, nullptr, fields.data(), fields.size(),
                           nullptr);
  } else {
    nghttp2_submit_response(session_.get(), stream.id_, fields.data(), fields.size(), has_body ? &body : nullptr);
  }
}

void Http2Session::write_trailers(Http2SessionStream& stream, const Headers& fields) {
  stream.trailers_ = std::make_unique<ResponseHead>();
  auto& bytes = stream.trailers_->bytes;
  std::size_t size = 0;
  for (const auto& field : fields) size += field.name.size() + field.value.size();
  bytes.reserve(size);  // the views stay good
  for (const auto& field : fields) {
    const auto* const name = bytes.data() + bytes.size();
    bytes.append(field.name).append(field.value);
    stream.trailers_->headers.add(
        {{name, field.name.size()}, {name + field.name.size(), field.value.size()}, field.id});
  }
}

void Http2Session::body_grew(Http2SessionStream& stream) {
  if (std::exchange(stream.awaits_body_, false)) nghttp2_session_resume_data(session_.get(), stream.id_);
}

void Http2Session::reset(Http2SessionStream& stream, Reason reason) {
  if (stream.is_closed_) return;
  stream.is_reset_here_ = true;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id_, code_for(reason));
}

void Http2Session::announce_end() {
  nghttp2_submit_shutdown_notice(session_.get());
}

void Http2Session::end_gracefully() {
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_.get()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Session::cut(Error error) {
  if (!violation_) terminate(std::move(error), NGHTTP2_ENHANCE_YOUR_CALM);
}

bool Http2Session::is_over() const {
  return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0;
}

void Http2Session::remember(std::int32_t id) {
  auto& place = ended_here_[next_ended_++ % ended_here_.size()];
  forgotten_ = std::max(forgotten_, place);
  place = id;
}

bool Http2Session::may_be_unknown(std::int32_t id) const {
  return id <= forgotten_ || std::find(ended_here_.begin(), ended_here_.end(), id) != ended_here_.end();
}

void Http2Session::spend(std::int32_t points, Reason reason, std::string_view what) {
  if (budget_.spend(points, now_)) return;
  cut(make_error(reason, "too many " + std::string(what) + " for what else the client did"));
}

// Of DATA for streams that have ended nghttp2 tells nothing. Some of it may have been on its way when they ended.
void Http2Session::ignored(std::size_t bytes) {
  ignored_ += bytes;
  const auto points = ignored_ / Http2Budget::kIgnoredBytes;
  ignored_ %= Http2Budget::kIgnoredBytes;
  spend(static_cast<std::int32_t>(points), Reason::kHttp2Frames, kOfEnded);
}

void Http2Session::terminate(Error error, std::uint32_t code) {
  violation_ = std::move(error);
  nghttp2_session_terminate_session(session_.get(), code);
}

void Http2Session::malformed(Http2SessionStream& stream, Error error) {
  if (std::exchange(stream.is_broken_, true)) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_PROTOCOL_ERROR);
  push({.kind = Event::Kind::kBroken, .stream = &stream, .error = std::move(error)});
}

}  // namespace hybridge::http
