// A client connection as the Load sees it: connects, shakes hands, and then speaks the HTTP of whoever derives from it.
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
  std::string request;  // of HTTP/1.1: head and body
  std::string host;     // of HTTP/2, which has no uploads here
  std::string path;
  int status = 200;
  std::size_t length = 0;
};

class Connection {
 public:
  enum class Progress {
    none,      // waits for the other side
    opened,    // may send its first requests
    answered,  // one answer, or more: next_answer() tells
    ended,     // the other side closed it while nothing was asked
  };

  Connection(const Exchange& exchange, TlsClient* tls) : exchange_(exchange), tls_(tls) {}
  virtual ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to connect, from 127.0.`number` (so that ports do not run out), watched by that epoll with `tag`.
  void open(const sockaddr_in& target, unsigned number, int epoll, std::uint64_t tag);
  void close();
  bool is_open() const { return descriptor_ >= 0; }

  // A request that was due then: sent now, or as soon as the connection can.
  virtual void ask(Clock::time_point due) = 0;
  virtual void begin() = 0;  // it is open: sends what waits
  // Goes on after epoll said `events`.
  Progress advance(std::uint32_t events);
  // When the request of the next answer was due; false: the last advance() has brought no more.
  virtual bool next_answer(Clock::time_point& due) = 0;

  int requests_done = 0;     // on this connection
  bool was_resumed() const;  // of an open TLS connection
  SSL* ssl() const { return ssl_.get(); }
  std::size_t bytes_read() const { return bytes_read_; }

 protected:
  virtual void send() = 0;                              // what waits, or as much of it as the socket takes
  virtual void take(std::string_view bytes) = 0;        // what was received
  virtual bool is_asking() const = 0;                   // a request is under way
  virtual bool has_answers() const = 0;                 // that next_answer() would tell
  virtual void begin_again() = 0;                       // a new connection in the same memory
  long write_some(const char* from, std::size_t size);  // -1: nothing for now
  void want_write(bool wanted);
  void close_after_answer() { closes_ = true; }

  const Exchange& exchange_;

 private:
  enum class State { closed, connecting, shaking_hands, open };

  Progress shake_hands();
  Progress receive();
  // Bytes read, 0 at the end, -1 when there is nothing yet.
  long read_some(char* into, std::size_t size);

  TlsClient* tls_;
  State state_ = State::closed;
  int descriptor_ = -1;
  int epoll_ = -1;
  std::uint64_t tag_ = 0;
  bool wants_write_ = false;
  bool closes_ = false;  // the last answer said so
  SslPointer ssl_;
  std::size_t bytes_read_ = 0;
};

}  // namespace hybridge::bench
