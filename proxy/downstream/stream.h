// One request and its response as the client sees them, whatever the protocol: **the one interface** between
// connections (HTTP/1, HTTP/2) and the story of a request (serve, forward, tunnel, the admin API).
//
// Owned by its connection; its worker's thread only. One coroutine reads the body while another (or the same) writes
// the response. When the client is gone every pending and later call fails with kClientGone: the story ends itself.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/task.h"
#include "io/address.h"
#include "proxy/http/message.h"

namespace hybridge {

using Bytes = std::span<const std::uint8_t>;
inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What is known of the connection a request came by. Views are valid as long as the connection.
struct ClientFacts {
  Address peer;                   // who connected (after PROXY protocol, if believed)
  bool is_tls = false;
  bool tls_resumed = false;
  std::string_view tls_version;   // "TLSv1.3"; "": not TLS
  std::string_view server_name;   // SNI
  Address local;                  // the address the client connected to
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual const http::RequestHead& request() const = 0;
  virtual const ClientFacts& client() const = 0;

  // The next piece of the request's body: a view that is valid until the next call of read_body() or until the
  // calling coroutine waits for something else of this stream. Empty: the body has ended. Errors: kClientGone,
  // kBadChunk, kBodyTooLarge, kBodyTimeout. Reading is what lets more arrive (back-pressure). A client that waits
  // for 100-continue is sent it by the first read, unless send_continue() already did or a final head went out.
  auto read_body() { return BodyAwaiter{*this}; }

  // Sends an informational head now: 100 (once, HTTP/1.1) or 103. Never waits.
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

  // The response is complete (in a tunnel: the upstream has half-closed).
  virtual void finish() = 0;

  // Ends the stream as broken, so that the client can tell the response from a complete one: HTTP/1 closes the
  // connection, HTTP/2 resets the stream.
  virtual void reset(Reason reason) = 0;

  virtual bool is_head_sent() const = 0;
  virtual bool is_gone() const = 0;      // the client has left (reset, hang-up); a half-close is not leaving
  virtual std::uint64_t bytes_in() const = 0;   // of the request's body so far, without framing
  virtual std::uint64_t bytes_out() const = 0;  // of the response's body so far, without framing

  // Called (once, on the worker's thread) when the client leaves while the story waits for something that is not
  // this stream, so that it can end that wait. nullptr: nobody listens.
  struct GoneListener {
    virtual void on_client_gone() = 0;

   protected:
    ~GoneListener() = default;
  };
  void set_gone_listener(GoneListener* listener) { gone_listener_ = listener; }

 protected:
  // For connections: read and write in two steps, so that a call that can go on at once costs no suspension.
  virtual bool poll_body(Result<Bytes>& piece) = 0;  // false: nothing yet; body_waiter_ is resumed when there is
  virtual void append_body(Bytes piece) = 0;
  virtual bool poll_writable(Result<void>& outcome) = 0;  // false: too much queued; write_waiter_ is resumed later

  Waiter body_waiter_;
  Waiter write_waiter_;
  GoneListener* gone_listener_ = nullptr;

 private:
  struct BodyAwaiter {
    Stream& stream;
    Result<Bytes> piece{Bytes{}};
    bool await_ready() { return stream.poll_body(piece); }
    void await_suspend(std::coroutine_handle<> coroutine) { stream.body_waiter_.wait().await_suspend(coroutine); }
    Result<Bytes> await_resume();
    bool polled = false;
  };
  struct WriteAwaiter {
    Stream& stream;
    Result<void> outcome{};
    bool await_ready() { return stream.poll_writable(outcome); }
    void await_suspend(std::coroutine_handle<> coroutine) { stream.write_waiter_.wait().await_suspend(coroutine); }
    Result<void> await_resume();
  };
};

}  // namespace hybridge
