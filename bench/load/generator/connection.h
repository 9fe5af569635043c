// One client connection: connects, shakes hands, sends one request at a time and checks its answer.
//
// Owned by the Load, which waits for its descriptor and decides what comes next. Throws std::runtime_error at the
// first thing that is not as it should be (Broken, where the connection ended too early): a benchmark with wrong
// answers measures nothing.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/load/generator/options.h"
#include "bench/load/generator/tls_client.h"

namespace hybridge::bench {

// The other side ended the connection while a request was under way.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What all connections send and expect.
struct Exchange {
  std::string request;  // head and body
  int status = 200;
  std::size_t length = 0;
};

class Connection {
 public:
  enum class Progress {
    none,      // waits for the other side
    opened,    // may send its first request
    answered,  // may send its next request
    ended,     // the other side closed it between two requests
  };

  Connection(const Exchange& exchange, TlsClient* tls) : exchange_(exchange), tls_(tls) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect, from 127.0.`number` (so that ports do not run out), watched by that epoll with `tag`.
  void open(const sockaddr_in& target, unsigned number, int epoll, std::uint64_t tag);
  void close();
  bool is_open() const { return descriptor_ >= 0; }

  // Sends the request, or as much of it as the socket takes.
  void send();
  // Goes on after epoll said `events`.
  Progress advance(std::uint32_t events);

  Clock::time_point due{};   // when its request should have been sent; the Load's
  int requests_done = 0;     // on this connection
  bool was_resumed() const;  // of an open TLS connection
  SSL* ssl() const { return ssl_.get(); }
  std::size_t bytes_read() const { return bytes_read_; }

 private:
  enum class State { closed, connecting, shaking_hands, idle, exchanging };

  Progress shake_hands();
  Progress receive();
  Progress take(std::string_view bytes);
  void take_head();
  // Bytes read, 0 at the end, -1 when there is nothing yet.
  long read_some(char* into, std::size_t size);
  long write_some(const char* from, std::size_t size);
  void want_write(bool wanted);

  const Exchange& exchange_;
  TlsClient* tls_;
  State state_ = State::closed;
  int descriptor_ = -1;
  int epoll_ = -1;
  std::uint64_t tag_ = 0;
  bool wants_write_ = false;
  SslPointer ssl_;
  std::size_t sent_ = 0;
  std::string head_;  // of the answer, until it is whole
  bool has_head_ = false;
  bool closes_ = false;  // the answer said so
  std::size_t body_left_ = 0;
  std::size_t bytes_read_ = 0;
};

}  // namespace hybridge::bench
