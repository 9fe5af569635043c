// HTTP/2 (RFC 9113) as a server speaks it: bytes in, requests and pieces of bodies out; answers in, bytes out. Frames,
// HPACK, windows and the order of what is sent (RFC 9218) are nghttp2's; what a request may look like is
// Http2HeadReader's, because nghttp2 would reset without a word what we refuse with one.
//
// Owned by a connection; its thread only. Knows no sockets and no deadlines. What happened is told as events after
// receive() or send() has returned, never from within, so that whoever handles them may call anything here.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/http2_budget.h"
#include "proxy/http/http2_head.h"
#include "proxy/http/message.h"

struct nghttp2_session;

namespace hybridge::http {

class Http2Session;

struct Http2Settings {
  HeadLimits head{};
  std::uint32_t streams = 128;  // under way at once
};

// A stream as its session knows it; whoever tells its story derives from it. Lives from Session::User::on_stream() to
// the handling of its kClosed event.
class Http2SessionStream {
 public:
  std::int32_t id() const { return id_; }
  RequestHead& head() { return head_; }
  const RequestHead& head() const { return head_; }
  bool is_ended() const { return is_ended_; }              // by the client: all of the request has come
  bool is_answer_over() const { return is_answer_over_; }  // its last frame is in the output
  bool is_closed() const { return is_closed_; }            // nothing can be sent or received; kClosed comes, or came

 protected:
  Http2SessionStream() = default;
  virtual ~Http2SessionStream() = default;
  void begin_again();  // for the next stream of the same memory

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  // What of the answer's body waits to be sent, and whether nothing will follow it. From within send() only.
  virtual std::size_t body_at_hand() const = 0;
  virtual bool is_body_complete() const = 0;
  // Writes exactly so many bytes of it to the session's output.
  virtual void send_piece(std::size_t bytes) = 0;

  RequestHead head_;
  Http2HeadReader reader_;
  std::unique_ptr<ResponseHead> trailers_;  // fields to follow the body, and their bytes; most answers have none
  std::int32_t id_ = 0;
  std::uint64_t body_received_ = 0;
  bool is_head_complete_ = false;
  bool is_ended_ = false;
  bool is_malformed_ = false;  // its answer ends with PROTOCOL_ERROR
  bool is_answered_ = false;   // a final head went out
  bool is_tunnel_ = false;
  bool is_answer_over_ = false;  // and nothing of it is left
  bool awaits_body_ = false;     // nghttp2 asks for no body until it is told that there is some
  bool is_reset_here_ = false;
  bool is_reset_there_ = false;
  bool is_broken_ = false;  // kBroken has been told
  bool is_closed_ = false;
};

class Http2Session {
 public:
  struct User {
    virtual Http2SessionStream* on_stream() = 0;  // a request begins; nullptr: it is refused, and may be sent again
    virtual void write(Bytes bytes) = 0;          // output, in order; from within send() only
    virtual bool takes_output() const = 0;        // false: send() stops

   protected:
    ~User() = default;
  };

  struct Event {
    enum class Kind : std::uint8_t {
      kRequest,  // the head is complete (`error`: it must be refused with it)
      kData,     // a piece of the request's body, a view into what receive() was given
      kEnd,      // the request's body has ended
      kBroken,   // the request broke its own word (`error`): the stream was reset
      kClosed,   // the stream is over; its last event
      kPong,     // the client has heard announce_end()
    };
    Kind kind;
    Http2SessionStream* stream = nullptr;
    Bytes data{};
    std::optional<Error> error{};
    bool ends = false;  // kRequest: no body follows
  };

  Http2Session(User& user, const Http2Settings& settings, TimePoint now);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;

  // Takes all of `input`, which must stay until the events that came of it have been handled. Errors: kHttp2Protocol,
  // kHttp2Resets, kHttp2Frames, kHttp2Headers: the connection is to be ended; a GOAWAY that says why waits to be sent.
  Result<void> receive(Bytes input, TimePoint now);
  // Writes what is due to the user, as far as windows and the user allow.
  void send();
  // What happened since it was asked last.
  bool take_event(Event& event);

  // Does the client's window let nothing more of this answer through, or of any?
  bool is_window_shut(const Http2SessionStream& stream) const;
  bool is_window_shut() const;
  // A body's piece has been read (by_reader), or thrown away: its bytes may be sent again.
  void open_stream_window(const Http2SessionStream& stream, std::size_t bytes);
  void open_connection_window(std::size_t bytes);
  // Lets the client send so many bytes of this stream ahead of its reader.
  void widen_window(const Http2SessionStream& stream, std::uint32_t bytes);

  // RFC 9113 8.1: each only queues. Of `head` connection fields are passed over; `framing`: what is known of the body,
  // of which a length is told; `has_body`: what body_at_hand() says is sent behind it.
  void write_informational(Http2SessionStream& stream, const ResponseHead& head);
  void write_head(Http2SessionStream& stream, const ResponseHead& head, const Framing& framing, bool has_body);
  void write_trailers(Http2SessionStream& stream, const Headers& fields);  // to follow the body that is complete next
  void begin_tunnel(Http2SessionStream& stream) { stream.is_tunnel_ = true; }
  void body_grew(Http2SessionStream& stream);  // or is complete now
  void reset(Http2SessionStream& stream, Reason reason);

  // RFC 9113 6.8: first the word that it will end, with a PING behind it; when the client has answered that (kPong),
  // the end of new streams.
  void announce_end();
  void end_gracefully();
  // At once, with a GOAWAY: ENHANCE_YOUR_CALM.
  void cut(Error error);

  bool is_over() const;  // nothing more is to be read or written
  bool is_in_header_block() const { return is_in_block_; }
  bool is_greeted() const { return is_greeted_; }  // the preface and the first SETTINGS have come
  // Why the connection is to be ended, or was by nghttp2.
  const std::optional<Error>& violation() const { return violation_; }
  const Http2Budget& budget() const { return budget_; }

 private:
  friend struct Http2Callbacks;
  struct SessionFree {
    void operator()(nghttp2_session* session) const;
  };

  void spend(std::int32_t points, Reason reason, std::string_view what);
  void ignored(std::size_t bytes);
  void terminate(Error error, std::uint32_t code);
  void malformed(Http2SessionStream& stream, Error error);
  void throw_on();
  void push(Event event) { events_.push_back(std::move(event)); }
  // Streams that we ended while the client might still send: it cannot know at once.
  void remember(std::int32_t id);
  bool may_be_unknown(std::int32_t id) const;

  User& user_;
  const Http2Settings settings_;
  Http2Budget budget_;
  TimePoint now_;
  std::vector<Event> events_;
  std::size_t next_event_ = 0;
  std::optional<Error> violation_;
  std::exception_ptr thrown_;    // by what a callback did; nghttp2's caller throws it on
  std::string last_words_;       // of nghttp2, on what was wrong
  std::size_t block_bytes_ = 0;  // that the block now coming decodes to
  std::int32_t highest_stream_ = 0;
  std::int32_t stream_before_ = 0;
  std::array<std::int32_t, 16> ended_here_{};
  std::uint32_t next_ended_ = 0;
  std::int32_t forgotten_ = 0;  // of these, the highest that has no place any more
  std::size_t ignored_ = 0;     // bytes that were not charged yet
  bool was_told_ = false;       // nghttp2 told something of what came last
  bool is_in_block_ = false;
  bool is_greeted_ = false;
  std::unique_ptr<nghttp2_session, SessionFree> session_;
};

}  // namespace hybridge::http
