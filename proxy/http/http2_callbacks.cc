#include "proxy/http/http2_callbacks.h"

#include <algorithm>
#include <exception>
#include <string>
#include <tuple>
#include <utility>

#include "proxy/http/characters.h"
#include "proxy/http/http2_fields.h"

namespace hybridge::http {

namespace {

// Whoever sends more of a body in smaller pieces than this, frame by frame, makes work.
constexpr std::size_t kCrumbBytes = 64;
// Whoever opens windows for less than this at a time makes work, too.
constexpr std::size_t kFullBytes = 1024;
constexpr std::size_t kLargestHead = 2 << 20;    // more than limits.upstream_header_bytes can be, with what we add
constexpr unsigned kFirstUnknownFrame = 0x0a;    // the first type that RFC 9113 does not define
constexpr std::int32_t kAnyStream = 0x7fffffff;  // RFC 9113 6.8: of the first of two GOAWAYs

std::string_view text_of(nghttp2_rcbuf* buffer) {
  const auto bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

}  // namespace

struct Http2Callbacks {
  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }
  static Http2SessionStream* stream_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2SessionStream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static int verdict(const Http2Session& self) { return self.violation_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }

  // nghttp2 is C, and an exception must not travel through its frames: the session keeps it, and throws it again where
  // nghttp2 was called from. `user` is the last argument of each callback.
  template <auto kCall>
  struct Contained;
  template <class Outcome, class... Arguments, Outcome (*kCall)(Arguments...)>
  struct Contained<kCall> {
    static Outcome call(Arguments... arguments) {
      try {
        return kCall(arguments...);
      } catch (...) {
        of(std::get<sizeof...(arguments) - 1>(std::tuple(arguments...))).thrown_ = std::current_exception();
        return NGHTTP2_ERR_CALLBACK_FAILURE;
      }
    }
  };

  // Every frame, also those that nghttp2 answers or passes over by itself.
  static int begin_frame(nghttp2_session* session, const nghttp2_frame_hd* frame, void* user) {
    auto& self = of(user);
    self.was_told_ = true;
    using Budget = Http2Budget;
    switch (frame->type) {
      case NGHTTP2_DATA:
        break;                  // judged by what they bring
      case NGHTTP2_RST_STREAM:  // the same; but the stream may have ended
        if (!nghttp2_session_find_stream(session, frame->stream_id)) {
          self.spend(Budget::kSignal, Reason::kHttp2Frames, kOfEnded);
        }
        break;
      case NGHTTP2_HEADERS:
        check_stream(self, session, frame->stream_id);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->flags & NGHTTP2_FLAG_ACK) == 0) self.spend(Budget::kSettings, Reason::kHttp2Frames, "SETTINGS");
        break;
      case NGHTTP2_PING:
        self.spend(Budget::kPing, Reason::kHttp2Frames, "PING");
        break;
      case NGHTTP2_CONTINUATION:
        self.spend(frame->length == 0 ? Budget::kEmptyFrame : Budget::kContinuation, Reason::kHttp2Headers,
                   "CONTINUATION");
        break;
      case NGHTTP2_WINDOW_UPDATE:
        self.spend(Budget::kSignal, Reason::kHttp2Frames, "WINDOW_UPDATE");
        break;
      case NGHTTP2_PRIORITY:
        if (frame->stream_id == 0) {  // RFC 9113 6.3: also where priorities are passed over
          self.terminate(make_error(Reason::kHttp2Protocol, "PRIORITY of no stream"), NGHTTP2_PROTOCOL_ERROR);
        }
        [[fallthrough]];
      case NGHTTP2_PRIORITY_UPDATE:
        self.spend(Budget::kSignal, Reason::kHttp2Frames, "priorities");
        break;
      default:
        self.spend(Budget::kSignal, Reason::kHttp2Frames, "frames of unknown types");
        break;
    }
    return verdict(self);
  }

  // RFC 9113 5.1, 5.1.1: no stream begins below another, or twice. nghttp2 forgets streams that have ended and passes
  // over what comes for them; that is right only where the client could not know that we had ended it.
  static void check_stream(Http2Session& self, nghttp2_session* session, std::int32_t id) {
    if (id > self.highest_stream_) {
      self.stream_before_ = std::exchange(self.highest_stream_, id);
    } else if (!nghttp2_session_find_stream(session, id) && !self.may_be_unknown(id)) {
      const bool was_never = id > self.stream_before_ && id < self.highest_stream_;
      self.terminate(make_error(Reason::kHttp2Protocol, "HEADERS of a stream that has ended or was passed over"),
                     was_never ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED);
    }
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = of(user);
    self.is_in_block_ = true;
    self.block_bytes_ = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const auto id = frame->hd.stream_id;
    auto* stream = self.user_.on_stream();
    if (!stream) {
      // RFC 9113 8.7: nothing of it was looked at.
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
      self.spend(Http2Budget::kAbortedRequest, Reason::kHttp2Resets, "refused streams");
      return verdict(self);
    }
    stream->id_ = id;
    nghttp2_session_set_stream_user_data(session, id, stream);
    stream->reader_.begin(stream->head_, self.settings_.head);
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                    std::uint8_t, void* user) {
    auto& self = of(user);
    const auto name_text = text_of(name);
    const auto value_text = text_of(value);
    const auto limit = self.settings_.head.head_bytes;
    const auto before = self.block_bytes_ / limit;
    self.block_bytes_ += name_text.size() + value_text.size() + 1;
    if (const auto over = self.block_bytes_ / limit - before; over > 0) {
      self.spend(Http2Budget::kLargeBlock * static_cast<std::int32_t>(std::min<std::size_t>(over, 1000)),
                 Reason::kHttp2Headers, "header blocks larger than limits.header_bytes");
    }
    auto* stream = stream_of(session, frame->hd.stream_id);
    if (!stream) return verdict(self);
    if (!stream->is_head_complete_) {
      stream->reader_.add(name_text, value_text);
    } else if (name_text.starts_with(':')) {
      self.malformed(*stream, make_error(Reason::kBadHeader, "the trailers have a pseudo-header field"));
    }
    return verdict(self);
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = of(user);
    auto* stream = frame->hd.stream_id == 0 ? nullptr : stream_of(session, frame->hd.stream_id);
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        self.is_in_block_ = false;
        if (stream) stream->is_head_complete_ ? take_trailers(self, *stream, ends) : take_head(self, *stream, ends);
        break;
      case NGHTTP2_DATA: {
        const auto bytes = frame->hd.length - frame->data.padlen;
        if (bytes == 0 && !ends) self.spend(Http2Budget::kEmptyFrame, Reason::kHttp2Frames, "DATA without data");
        if (!stream) break;
        if (bytes > 0 && bytes < kCrumbBytes && !ends && !stream->is_tunnel_) {
          self.spend(Http2Budget::kCrumb, Reason::kHttp2Frames, "DATA in crumbs");
        }
        if (ends) take_end(self, *stream);
        break;
      }
      case NGHTTP2_RST_STREAM:
        if (stream) stream->is_reset_there_ = true;
        break;
      case NGHTTP2_SETTINGS:
        self.is_greeted_ = true;
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.push({.kind = Http2Session::Event::Kind::kPong});
        break;
      default:
        break;
    }
    return verdict(self);
  }

  static void take_head(Http2Session& self, Http2SessionStream& stream, bool ends) {
    stream.is_head_complete_ = true;
    stream.is_ended_ = ends;
    const auto read = stream.reader_.finish(ends);
    Http2Session::Event event{.kind = Http2Session::Event::Kind::kRequest, .stream = &stream, .ends = ends};
    if (!read) {
      event.error = read.error();
      stream.is_malformed_ = Http2HeadReader::is_malformed(event.error->reason);
      if (stream.is_malformed_) self.spend(Http2Budget::kMalformed, Reason::kHttp2Resets, "malformed requests");
    }
    if (const auto& priority = stream.reader_.priority(); priority != Http2Priority{}) {
      const nghttp2_extpri wanted{priority.urgency, priority.is_incremental ? 1 : 0};
      nghttp2_session_change_extpri_stream_priority(self.session_.get(), stream.id_, &wanted, 0);
    }
    self.push(std::move(event));
  }

  // RFC 9113 8.1: the second block ends the stream. Nothing of it is passed on.
  static void take_trailers(Http2Session& self, Http2SessionStream& stream, bool ends) {
    if (ends) {
      take_end(self, stream);
    } else {
      self.malformed(stream, make_error(Reason::kBadFraming, "a second block of fields does not end the stream"));
    }
  }

  static void take_end(Http2Session& self, Http2SessionStream& stream) {
    if (stream.is_ended_ || stream.is_broken_) return;
    const auto& framing = stream.head_.framing;
    if (framing.kind == Framing::Kind::kLength && framing.length != stream.body_received_) {
      return self.malformed(stream, make_error(Reason::kBadFraming,
                                               "the body has " + std::to_string(stream.body_received_) +
                                                   " bytes, but content-length is " + std::to_string(framing.length)));
    }
    stream.is_ended_ = true;
    self.push({.kind = Http2Session::Event::Kind::kEnd, .stream = &stream});
  }

  static int data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                        std::size_t size, void* user) {
    auto& self = of(user);
    self.was_told_ = true;
    auto* stream = stream_of(session, id);
    if (!stream || stream->is_broken_) {
      nghttp2_session_consume_connection(session, size);
      return 0;
    }
    stream->body_received_ += size;
    const auto& framing = stream->head_.framing;
    if (framing.kind == Framing::Kind::kLength && stream->body_received_ > framing.length) {
      nghttp2_session_consume_connection(session, size);
      self.malformed(*stream, make_error(Reason::kBadFraming, "the body is longer than content-length (" +
                                                                  std::to_string(framing.length) + ")"));
      return 0;
    }
    self.push({.kind = Http2Session::Event::Kind::kData, .stream = stream, .data = {bytes, size}});
    return 0;
  }

  static int stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    auto& self = of(user);
    auto* stream = stream_of(session, id);
    if (!stream || (!stream->is_ended_ && !stream->is_reset_there_)) self.remember(id);
    if (!stream) return 0;
    const bool is_clean = code == NGHTTP2_NO_ERROR && !stream->is_reset_there_ && !stream->is_reset_here_;
    if (is_clean) {
      self.budget_.earn(Http2Budget::kAnswered);
    } else if (!stream->is_reset_here_ && !stream->is_malformed_) {
      self.spend(stream->is_answered_ ? Http2Budget::kAbortedAnswer : Http2Budget::kAbortedRequest,
                 Reason::kHttp2Resets, stream->is_reset_there_ ? "resets" : "streams that had to be reset");
    }
    stream->is_closed_ = true;
    self.push({.kind = Http2Session::Event::Kind::kClosed, .stream = stream});
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& self = of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) goaway_sent(self, frame->goaway);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    auto* stream = stream_of(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.type == NGHTTP2_DATA && frame->hd.length >= kFullBytes) self.budget_.earn(Http2Budget::kDataFrame);
    const bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 || stream->is_answer_over_;
    stream->is_answer_over_ = is_last;
    // RFC 9113 8.1: the answer is complete, and the rest of the request is not wanted.
    if (is_last && (stream->is_malformed_ || (!stream->is_ended_ && !stream->is_tunnel_))) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                stream->is_malformed_ ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  // A head that cannot be sent (it is larger than a client may be sent) must not leave its stream open for ever.
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int why, void*) {
    if (frame->hd.type == NGHTTP2_HEADERS && why == NGHTTP2_ERR_FRAME_SIZE_ERROR) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
  }

  static void goaway_sent(Http2Session& self, const nghttp2_goaway& goaway) {
    if (goaway.error_code != NGHTTP2_NO_ERROR) {
      if (!self.violation_) self.violation_ = make_error(Reason::kHttp2Protocol, self.last_words_);
    } else if (goaway.last_stream_id == kAnyStream) {
      nghttp2_submit_ping(self.session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    }
  }

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t most,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Http2SessionStream*>(source->ptr);
    const auto at_hand = stream.body_at_hand();
    const bool is_all = stream.is_body_complete() && at_hand <= most;
    if (at_hand == 0 && !is_all) {
      stream.awaits_body_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (is_all) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      // Something follows that ends the stream: its reset, or fields.
      const auto trailers = std::exchange(stream.trailers_, nullptr);
      if (stream.is_malformed_ || trailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (!stream.is_malformed_ && trailers) {
        const Http2Fields fields(trailers->headers);
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      } else {
        stream.is_answer_over_ = true;
      }
    }
    return static_cast<ssize_t>(std::min(at_hand, most));
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head, std::size_t size,
                       nghttp2_data_source* source, void* user) {
    constexpr std::size_t kHeadBytes = 9;  // RFC 9113 4.1
    of(user).user_.write({head, kHeadBytes});
    static_cast<Http2SessionStream*>(source->ptr)->send_piece(size);
    return 0;
  }

  static int remark(nghttp2_session*, int, const char* words, std::size_t size, void* user) {
    of(user).last_words_ = excerpt({words, size});
    return 0;
  }

  static int skip_extension(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) { return NGHTTP2_ERR_CANCEL; }

  static const nghttp2_session_callbacks* all() {
    static const auto* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, Contained<begin_frame>::call);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, Contained<begin_headers>::call);
      nghttp2_session_callbacks_set_on_header_callback2(made, Contained<header>::call);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, Contained<frame_received>::call);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Contained<data_chunk>::call);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, Contained<stream_closed>::call);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, Contained<frame_sent>::call);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(made, Contained<frame_not_sent>::call);
      nghttp2_session_callbacks_set_send_data_callback(made, Contained<send_data>::call);
      nghttp2_session_callbacks_set_unpack_extension_callback(made, Contained<skip_extension>::call);
      nghttp2_session_callbacks_set_error_callback2(made, Contained<remark>::call);
      return made;
    }();
    return callbacks;
  }

  static const nghttp2_option* options() {
    static const auto* const options = [] {
      nghttp2_option* made = nullptr;
      nghttp2_option_new(&made);
      nghttp2_option_set_no_auto_window_update(made, 1);
      nghttp2_option_set_no_http_messaging(made, 1);  // Http2HeadReader is stricter, and says why
      nghttp2_option_set_no_closed_streams(made, 1);
      nghttp2_option_set_max_send_header_block_length(made, kLargestHead);
      nghttp2_option_set_builtin_recv_extension_type(made, NGHTTP2_PRIORITY_UPDATE);
      // Frames of other types than nghttp2's are told too, though nobody looks into them.
      for (unsigned type = kFirstUnknownFrame; type <= 0xff; ++type) {
        if (type != NGHTTP2_PRIORITY_UPDATE) {
          nghttp2_option_set_user_recv_extension_type(made, static_cast<std::uint8_t>(type));
        }
      }
      nghttp2_option_set_stream_reset_rate_limit(made, 1'000'000, 1'000'000);  // the budget's affair
      return made;
    }();
    return options;
  }
};

const nghttp2_session_callbacks* http2_callbacks() {
  return Http2Callbacks::all();
}

const nghttp2_option* http2_options() {
  return Http2Callbacks::options();
}

nghttp2_data_provider http2_body(Http2SessionStream& stream) {
  nghttp2_data_provider body{};
  body.source.ptr = &stream;
  body.read_callback = Http2Callbacks::Contained<Http2Callbacks::read_body>::call;
  return body;
}

}  // namespace hybridge::http
