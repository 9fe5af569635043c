// A TCP peer that does exactly what the test says, when it says so: bytes as they are, no protocol of its own.
// Its sockets never block; waiting is turning the loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/address.h"
#include "tests/support/loop_runner.h"

namespace hybridge::test {

// The peer's end of one connection.
class ScriptedConnection {
 public:
  ScriptedConnection(LoopRunner& runner, int descriptor) : runner_(runner), descriptor_(descriptor) {}
  ~ScriptedConnection() { close(); }
  ScriptedConnection(const ScriptedConnection&) = delete;

  void send(std::string_view bytes);           // all of it; the loop turns while the other side takes it
  void send_bytewise(std::string_view bytes);  // each byte in a segment and a turn of its own
  std::string receive(std::size_t bytes);      // exactly so many more
  std::string receive_until(std::string_view end);
  std::string receive_to_end();
  bool is_at_end();  // FIN or reset, and nothing before it
  bool was_reset() const { return was_reset_; }
  bool has_input();  // now, without turning the loop
  void shutdown();   // FIN
  void close();
  void reset();                   // RST
  void limit_buffers(int bytes);  // of the kernel, so that back-pressure begins soon
  int descriptor() const { return descriptor_; }

 private:
  bool take();  // whatever is there now

  LoopRunner& runner_;
  int descriptor_;
  std::string received_;
  bool at_end_ = false;
  bool was_reset_ = false;
};

class ScriptedServer {
 public:
  explicit ScriptedServer(LoopRunner& runner, std::string_view ip = "127.0.0.1", int backlog = 128);
  ~ScriptedServer() { stop(); }
  ScriptedServer(const ScriptedServer&) = delete;

  const Address& address() const { return address_; }
  std::uint16_t port() const { return address_.port(); }
  std::unique_ptr<ScriptedConnection> accept();      // the loop turns until somebody has connected
  std::unique_ptr<ScriptedConnection> accept_now();  // nullptr: nobody has
  void stop();                                       // connecting is refused from now on
  void start_again();                                // on the same port

 private:
  LoopRunner& runner_;
  int descriptor_ = -1;
  Address address_;
  int backlog_;
};

// A client of the test's own: connected when it is made.
std::unique_ptr<ScriptedConnection> connect_to(LoopRunner& runner, const Address& address);

}  // namespace hybridge::test
