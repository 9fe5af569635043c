// A TLS client of OpenSSL's own over a real socket, driven by the test: waiting is turning the loop.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/ssl_ptr.h"
#include "io/address.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"

namespace hybridge::test {

class TlsConnection {
 public:
  // Connects; believes every certificate. `name`: SNI, empty: none.
  TlsConnection(LoopRunner& runner, const Address& address, const std::string& name);

  void begin();        // sends the ClientHello, without waiting for an answer
  bool shake_hands();  // false: the other side refused or went away
  void send(std::string_view plain);
  std::string receive_until(std::string_view end);
  std::string receive_to_end();
  bool is_goodbye_said() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void say_goodbye();  // close_notify and FIN

  SSL* ssl() { return ssl_.get(); }
  ScriptedConnection& wire() { return *wire_; }

 private:
  bool take();  // whatever is there now

  LoopRunner& runner_;
  std::unique_ptr<ScriptedConnection> wire_;
  SslPtr<SSL_CTX> context_;
  UniqueSsl ssl_;
  std::string received_;
  bool at_end_ = false;
};

}  // namespace hybridge::test
