// One request and its response as the client sees them, whatever the protocol: **the one interface** between
// connections (HTTP/1, HTTP/2) and the story of a request (serve, forward, tunnel, the admin API).
//
// Owned by its connection; its loop's thread only. One coroutine reads the body while another (or the same) writes
// the response. When the client is gone every pending and later call fails with kClientGone: the story ends itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/ssl_ptr.h"
#include "base/task.h"
#include "io/address.h"
#include "proxy/downstream/client_limits.h"
#include "proxy/http/message.h"

namespace hybridge {

// What is known of the connection that a request came by. Lives as long as the connection, and keeps its place among
// those of its address.
struct ClientFacts {
  ClientLimits::Place place;
  Address peer;         // who connected (after the PROXY protocol, where it is believed)
  Address direct_peer;  // who is at the other end of the socket
  std::string peer_ip;  // textual; made once a connection
  bool is_tls = false;
  bool tls_resumed = false;
  std::string_view tls_version;   // "TLSv1.3"; "": not TLS
  std::string_view server_name;   // SNI
  bool is_trusted_proxy = false;  // what it says of its own clients is believed
  // Of HTTP/2, whose clients reuse a connection for whatever host they think it is good for: the certificate they were
  // shown.
  SslPtr<X509> certificate;

  // May a request for this host come by the connection? RFC 9110 7.4, RFC 9113 9.1.1. `host`: lower-case, without port.
  bool is_good_for(std::string_view host) const;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual const http::RequestHead& request() const = 0;
  virtual const ClientFacts& client() const = 0;
  // Set when the request must be refused (malformed, too large, too slow, one too many): the story answers with it
  // and looks no further. request() holds what was understood.
  virtual const std::optional<Error>& fault() const = 0;
  virtual TimePoint began() const = 0;  // when the head's first byte was taken

  // The next piece of the request's body: a view that is valid until the next call of read_body() or until the
  // calling coroutine waits for something else of this stream. Empty: the body has ended. Errors: kClientGone,
  // kBadChunk, kBodyTooLarge, kBodyTimeout. Reading is what lets more arrive (back-pressure). A client that waits
  // for 100-continue is sent it by the first read, unless write_informational() already did or a final head went out.
  auto read_body() { return BodyAwaiter{*this}; }

  // What is left of the request's body is not wanted: a pending read ends with an error, later ones too.
  virtual void abandon_body() = 0;

  // Sends an informational head now: 100 (at most once) or 103; HTTP/1.0 clients get none. Never waits.
  virtual void write_informational(const http::ResponseHead& head) = 0;

  // Queues the final head; `head` holds end-to-end fields, `head.framing` says what is known of the body (the
  // connection chooses its own framing). Never waits. A 101 turns the stream into a tunnel: read_body() and
  // write_body() then carry raw bytes until either side ends.
  virtual void write_head(const http::ResponseHead& head) = 0;

  // Queues a piece of the body; waits while the client takes less than we give. Errors: kClientGone, kClientTooSlow.
  auto write_body(Bytes piece) {
    append_body(piece);
    return WriteAwaiter{*this};
  }

  // The body is complete, and finish() comes next: fields to follow it. Whoever frames the body by its length or by the
  // connection's end has no place for them, and drops them.
  virtual void write_trailers(const http::Headers&) {}

  // The response is complete (in a tunnel: the upstream has half-closed).
  virtual void finish() = 0;

  // Ends the stream as broken, so that the client can tell the response from a complete one: HTTP/1 resets the
  // connection, HTTP/2 the stream.
  virtual void reset(Reason reason) = 0;

  // The request waits because its site is held: meanwhile a client that has said it sends no more (FIN, close_notify)
  // has left, too, which may be so at once: ask is_gone(). Nothing of the request's body is taken.
  virtual void set_held(bool) {}
  // Of the request's body, received but not read: what waiting costs beyond the head. Bytes.
  virtual std::size_t buffered_bytes() const { return 0; }

  virtual int status() const = 0;  // of the final head that was written; 0: none yet
  bool is_head_sent() const { return status() != 0; }
  virtual bool is_gone() const = 0;             // the client has left (reset, hang-up); a half-close is not leaving
  virtual bool is_body_read() const = 0;        // the request's body has been read to its end
  virtual std::uint64_t bytes_in() const = 0;   // of the request's body so far, without framing
  virtual std::uint64_t bytes_out() const = 0;  // of the response's body so far, without framing

  // Told once, on the loop's thread, when the client leaves, so that the story can end a wait that is not on this
  // stream. Waits on the stream itself end by themselves.
  struct GoneListener {
    virtual void on_client_gone() = 0;

   protected:
    ~GoneListener() = default;
  };
  void set_gone_listener(GoneListener* listener) { gone_listener_ = listener; }

 protected:
  // For connections: a call that can go on at once costs no suspension; a suspended one is resumed by these two, and
  // only when its poll has an outcome.
  virtual bool poll_body(Result<Bytes>& piece) = 0;  // false: nothing yet
  virtual void append_body(Bytes piece) = 0;
  virtual bool poll_writable(Result<void>& outcome) = 0;  // false: too much is queued
  void resume_reader() {
    if (reader_.is_waiting() && poll_body(*piece_)) reader_.resume();
  }
  void resume_writer() {
    if (writer_.is_waiting() && poll_writable(*outcome_)) writer_.resume();
  }
  void tell_gone() {
    if (auto* listener = std::exchange(gone_listener_, nullptr)) listener->on_client_gone();
  }

 private:
  struct BodyAwaiter {
    Stream& stream;
    Result<Bytes> piece{Bytes{}};
    bool await_ready() { return stream.poll_body(piece); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      stream.piece_ = &piece;
      stream.reader_.wait().await_suspend(coroutine);
    }
    Result<Bytes> await_resume() { return std::move(piece); }
  };
  struct WriteAwaiter {
    Stream& stream;
    Result<void> outcome{};
    bool await_ready() { return stream.poll_writable(outcome); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      stream.outcome_ = &outcome;
      stream.writer_.wait().await_suspend(coroutine);
    }
    Result<void> await_resume() { return std::move(outcome); }
  };

  Waiter reader_;
  Waiter writer_;
  Result<Bytes>* piece_ = nullptr;
  Result<void>* outcome_ = nullptr;
  GoneListener* gone_listener_ = nullptr;
};

// Whoever answers requests: the edge's serve(), or the admin API. One a listener; on its loop's thread.
class Service {
 public:
  // Must answer the stream (head and finish, or reset) before it returns; the stream lives that long.
  virtual Task<void> serve(Stream& stream) = 0;

 protected:
  ~Service() = default;
};

}  // namespace hybridge
