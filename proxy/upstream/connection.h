// One HTTP/1.1 client connection: requests go out as bytes, answers come back checked, one at a time.
//
// Owned by its endpoint's pool (while it is being made: by a Dial); its loop's thread only. A lessee drives it by the
// calls below, from one or two coroutines: one that writes the request's body and one that reads the answer. Every
// wait has a deadline of its own here, but for a tunnel's idleness and a client that is slow to send. What the lessee
// does not read is not taken from the socket. Knows nothing of retries: it only says what they depend on.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/task.h"
#include "base/timer_wheel.h"
#include "io/address.h"
#include "io/loop.h"
#include "io/transport.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/message.h"
#include "proxy/upstream/settings.h"

namespace hybridge {

struct UpstreamSiteUse;

// What a request asks of its answer beyond the usual.
struct UpstreamAsks {
  bool continue_100 = false;  // Expect: 100-continue was sent: a 100 is passed on
  bool upgrade = false;       // Upgrade was sent: a 101 is accepted
};

class UpstreamConnection final
    : public Buried,
      public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
      private Transport::User,
      private Timer::Owner {
 public:
  // Why a connection without lessee ended.
  enum class IdleEnd : std::uint8_t { kByPeer, kTimedOut, kUnasked };  // kUnasked: bytes that nobody asked for

  struct Owner {
    virtual void on_connected(UpstreamConnection& connection) = 0;
    virtual void on_connect_failed(UpstreamConnection& connection, const Error& error) = 0;  // it is closed
    virtual void on_idle_ended(UpstreamConnection& connection, IdleEnd why) = 0;             // it is closed
    virtual void on_tunnel(UpstreamConnection& connection) = 0;                              // 101: no request any more
    virtual void on_released(UpstreamConnection& connection) = 0;                            // its lease has ended

   protected:
    ~Owner() = default;
  };

  // 1xx heads before the final one; more are malformed.
  static constexpr int kMaxInformational = 16;

  UpstreamConnection(Loop& loop, Owner& owner, const UpstreamSettings& settings);  // settings outlive it
  ~UpstreamConnection() override;

  // ---- For the lessee ----

  // A request begins; then its head, whole, as bytes. Both only queue.
  void begin(http::Method method, const http::Framing& body, UpstreamAsks asks = {});
  void write_head(std::string_view bytes);
  // A piece of the request's body, framed here if the request is chunked; waits while the server takes less than we
  // give. In a tunnel: raw bytes. An empty piece is passed over. Errors: as read_head(), kUpstreamIdle.
  auto write_body(Bytes piece) {
    append_body(piece);
    return WriteAwaiter{*this, {}};
  }
  void finish_body();  // the request is complete; also of a request without body

  // The next head: each 1xx (but a 100 that nobody asked for), then the final one. Valid until the next read_head().
  // Errors: kUpstreamClosed, kUpstreamMalformed, kUpstreamHeadTooLarge, kUpstreamHeadTimeout, what abort() was given.
  auto read_head() { return HeadAwaiter{*this, {nullptr}}; }
  // The next piece of the answer's body: valid until the next call or until the caller waits for anything. Empty: it
  // is complete (in a tunnel: the server has half-closed). Errors: kUpstreamTruncated, kUpstreamMalformed,
  // kUpstreamIdle, what abort() was given.
  auto read_body() { return BodyAwaiter{*this, {Bytes{}}}; }

  const http::ResponseHead& head() const { return head_; }  // the last that read_head() gave
  // The fields behind a body that is complete, as they came; most have none. Views, valid until the next read_head().
  http::Headers trailers() const;

  // After a 101: from now on read_body() and write_body() carry raw bytes, those behind the head included.
  void start_tunnel();
  void shutdown_output();  // FIN behind all that was written

  bool is_reused() const { return is_reused_; }        // it has been idle: the server may just have closed it
  bool has_carried() const { return requests_ > 0; }   // a request, ever
  bool has_received() const { return has_received_; }  // any byte of an answer to this request
  bool has_written() const;                            // any byte of this request was given to the kernel
  bool is_request_finished() const { return request_finished_; }
  bool is_response_complete() const { return answer_ == Answer::kDone; }
  // The exchange is over on both sides and the connection may carry another.
  bool is_reusable() const;
  // Closes the connection; every wait of the lessee, now and later, ends with this error. The first error stays.
  void abort(const Error& error);
  const std::optional<Error>& failure() const { return failure_; }

  const Address& endpoint() const { return address_; }
  std::string_view endpoint_text() const { return address_text_; }              // `203.0.113.7:80`
  std::uint64_t connect_microseconds() const { return connect_microseconds_; }  // TCP and TLS, when it was made
  bool is_tls() const { return transport_.tls() != nullptr; }
  bool is_tunnel() const { return answer_ == Answer::kTunnel; }
  std::uint64_t bytes_received() const { return transport_.bytes_received(); }  // on the wire, of all its requests

  // ---- For pool and dial ----

  void connect(const Address& address, UniqueSsl ssl);  // no SSL: plain; the result comes to the owner
  bool is_tcp_connected() const { return transport_.is_open() && !transport_.is_connecting(); }
  Owner& owner() const { return *owner_; }
  void set_owner(Owner& owner) { owner_ = &owner; }
  void lease();                   // leaves idleness, or is new
  void rest(TimePoint deadline);  // becomes idle until then
  void abort_waits();             // its lease ends: with whatever still waits on it, the connection ends too
  TimePoint idle_since() const { return idle_since_; }
  // Asks the kernel instead of trusting the last event: false when a FIN, a reset or bytes have come. One system call.
  bool is_alive_now() const;
  void close();  // without telling anybody
  bool is_closed() const { return state_ == State::kClosed; }
  std::uint32_t keep_alive_seconds() const { return head_.keep_alive_seconds; }  // of the last answer; 0: not said
  std::size_t index = 0;                                                         // where its pool keeps it
  UpstreamSiteUse* site_use = nullptr;                                           // on whose account it is leased
  bool counts_as_tunnel = false;

 private:
  enum class State : std::uint8_t { kNew, kConnecting, kIdle, kLeased, kClosed };
  enum class Answer : std::uint8_t { kHead, kBody, kDone, kTunnel };

  struct HeadAwaiter {
    UpstreamConnection& connection;
    Result<const http::ResponseHead*> head;
    bool await_ready() { return connection.is_head_there(head); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      connection.head_out_ = &head;
      connection.wait_for_answer(coroutine);
    }
    Result<const http::ResponseHead*> await_resume() { return std::move(head); }
  };
  struct BodyAwaiter {
    UpstreamConnection& connection;
    Result<Bytes> piece;
    bool await_ready() { return connection.is_piece_there(piece); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      connection.head_out_ = nullptr;
      connection.piece_out_ = &piece;
      connection.wait_for_answer(coroutine);
    }
    Result<Bytes> await_resume() { return std::move(piece); }
  };
  struct WriteAwaiter {
    UpstreamConnection& connection;
    Result<void> outcome;
    bool await_ready() { return connection.poll_writable(outcome); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      connection.outcome_out_ = &outcome;
      connection.writer_.wait().await_suspend(coroutine);
    }
    Result<void> await_resume() { return std::move(outcome); }
  };

  void on_connected() override;
  void on_input() override;
  void on_writable() override;
  void on_blocked() override;
  void on_shut_down() override {}
  void on_failed(const Error& error) override;
  void on_timer() override;

  // Each gives the outcome, or false: nothing yet. A fault found on the way closes the connection but resumes nobody.
  bool poll_head(Result<const http::ResponseHead*>& head);
  bool poll_body(Result<Bytes>& piece);
  bool poll_writable(Result<void>& outcome);
  bool is_head_there(Result<const http::ResponseHead*>& head);
  bool is_piece_there(Result<Bytes>& piece);
  void append_body(Bytes piece);
  void wait_for_answer(std::coroutine_handle<> coroutine);
  void resume_reader();
  void resume_writer();

  Result<bool> take_head();  // true: head_ is to be told
  Result<Bytes> take_body(bool& is_there);
  void put(Bytes bytes);
  void spoil(Error error);  // closed with this failure; nobody is resumed
  void fail(Error error);   // and those who wait are
  Error told_as(const Error& error) const;
  void end_idle(IdleEnd why);
  struct Due {
    TimePoint at = kNever;
    Reason reason = Reason::kOk;
  };
  Due next_due() const;
  void arm();

  Loop& loop_;
  Owner* owner_;
  const UpstreamSettings& settings_;
  Transport transport_;
  Timer timer_;
  State state_ = State::kNew;
  Answer answer_ = Answer::kDone;
  bool chunked_ : 1 = false;
  bool request_finished_ : 1 = true;
  bool has_received_ : 1 = false;
  bool is_reused_ : 1 = false;
  UpstreamAsks asks_;
  http::Method method_ = http::Method::kGet;
  int informational_ = 0;
  std::uint32_t requests_ = 0;
  std::uint64_t sent_mark_ = 0;  // bytes on the wire before this request

  http::HeadScanner scanner_;
  http::ResponseHead head_;
  http::BodyDecoder decoder_;
  std::string trailers_;  // the section, and its end

  Waiter reader_;
  Waiter writer_;
  Result<const http::ResponseHead*>* head_out_ = nullptr;
  Result<Bytes>* piece_out_ = nullptr;
  Result<void>* outcome_out_ = nullptr;
  std::optional<Error> failure_;

  Address address_;
  std::string address_text_;
  TimePoint connect_began_{};
  std::uint64_t connect_microseconds_ = 0;
  TimePoint request_ended_at_{};
  TimePoint waiting_since_{};  // the reader, for bytes of the answer
  TimePoint blocked_since_ = kNever;
  TimePoint idle_since_{};
  TimePoint idle_deadline_ = kNever;
};

}  // namespace hybridge
