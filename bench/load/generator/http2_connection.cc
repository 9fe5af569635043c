#include "bench/load/generator/http2_connection.h"

#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace hybridge::bench {
namespace {

// Wide open, so that windows are no part of what is measured.
constexpr std::int32_t kWindow = (1 << 30) - 1;
// Output is gathered up to this much before it is written: one record.
constexpr std::size_t kOutput = 16 * 1024;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

// Exceptions cannot pass through nghttp2: what is wrong is noted and thrown when it has returned.
struct Http2Connection::Callbacks {
  static Http2Connection& of(void* user) { return *static_cast<Http2Connection*>(user); }
  static Stream* stream_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void*) {
    auto* stream = stream_of(session, frame->hd.stream_id);
    if (!stream || std::string_view(reinterpret_cast<const char*>(name), size) != ":status") return 0;
    const auto* text = reinterpret_cast<const char*>(value);
    std::from_chars(text, text + value_size, stream->status);
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t*, std::size_t size,
                  void*) {
    if (auto* stream = stream_of(session, id)) stream->length += size;
    return 0;
  }

  static int closed(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    auto& self = of(user);
    auto* stream = stream_of(session, id);
    if (!stream) return 0;
    if (code != NGHTTP2_NO_ERROR || stream->status != self.exchange_.status ||
        stream->length != self.exchange_.length) {
      self.fault_ = "a stream ended with " + std::to_string(code) + ", status " + std::to_string(stream->status) +
                    " and " + std::to_string(stream->length) + " bytes";
    }
    self.answered_.push_back(stream->due);
    self.free_.push_back(stream);
    --self.under_way_;
    ++self.requests_done;
    return 0;
  }

  static const nghttp2_session_callbacks* all() {
    static const auto* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_header_callback(made, header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, closed);
      return made;
    }();
    return callbacks;
  }
};

void Http2Connection::begin_again() {
  is_begun_ = false;
  under_way_ = 0;
  output_.clear();
  sent_ = 0;
  free_.clear();
  for (const auto& stream : streams_) free_.push_back(stream.get());
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new(&session, Callbacks::all(), this);
  session_.reset(session);
  const std::array<nghttp2_settings_entry, 2> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow);
}

void Http2Connection::ask(Clock::time_point due) {
  if (!is_begun_) {
    waiting_.push_back(due);
    return;
  }
  submit(due);
  if (answered_.empty()) send();  // else with the others that are asked now
}

void Http2Connection::begin() {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl(), &protocol, &size);
  if (std::string_view(reinterpret_cast<const char*>(protocol), size) != "h2") fail("HTTP/2 was not agreed on");
  is_begun_ = true;
  for (const auto due : std::exchange(waiting_, {})) submit(due);
  send();
}

void Http2Connection::submit(Clock::time_point due) {
  if (free_.empty()) {
    streams_.push_back(std::make_unique<Stream>());
    free_.push_back(streams_.back().get());
  }
  auto* stream = free_.back();
  free_.pop_back();
  *stream = {.due = due};
  const std::array<nghttp2_nv, 6> fields{field(":method", "GET"),
                                         field(":scheme", "https"),
                                         field(":authority", exchange_.host),
                                         field(":path", exchange_.path),
                                         field("user-agent", "hybridge-bench/1"),
                                         field("accept", "*/*")};
  if (nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(), nullptr, stream) < 0) {
    fail("no further request can be sent on this connection");
  }
  ++under_way_;
}

void Http2Connection::send() {
  for (;;) {
    while (output_.size() < kOutput) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
      if (size < 0) fail("nghttp2 cannot send");
      if (size == 0) break;
      output_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    if (output_.empty()) break;
    while (sent_ < output_.size()) {
      const long wrote = write_some(output_.data() + sent_, output_.size() - sent_);
      if (wrote < 0) {
        want_write(true);
        return;
      }
      sent_ += static_cast<std::size_t>(wrote);
    }
    output_.clear();
    sent_ = 0;
  }
  want_write(false);
}

void Http2Connection::take(std::string_view bytes) {
  const auto taken =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (!fault_.empty()) fail(fault_);
  if (taken < 0) fail(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken)));
  if (answered_.empty()) send();  // SETTINGS and PINGs are answered
}

bool Http2Connection::next_answer(Clock::time_point& due) {
  if (answered_.empty()) {
    send();  // what was asked while there were answers
    return false;
  }
  due = answered_.front();
  answered_.pop_front();
  return true;
}

}  // namespace hybridge::bench
