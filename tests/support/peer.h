// The other end of a connection to an edge that runs on threads of its own: blocking calls that give up, and fail the
// test, after ten seconds. Bytes as they are; responses are taken apart only where a test asks for it.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/ssl_ptr.h"
#include "io/address.h"

namespace hybridge::test {

// Waits until it has come true; false, and a failure of the test, when it does not.
bool eventually(const std::function<bool()>& condition);

struct Response {
  int status = 0;  // 0: none came
  std::string head;
  std::multimap<std::string, std::string> fields;  // names in lower case
  std::string body;
  bool is_whole = false;  // its framing says so

  std::string field(const std::string& name) const;  // the first; "": none
};

class Peer {
 public:
  explicit Peer(int descriptor);
  Peer(Peer&& other) noexcept;
  Peer& operator=(Peer&& other) noexcept;
  ~Peer() { close(); }

  static Peer connect_to(const Address& address);
  // As a client of TLS that believes everybody; false: refused. `alpn`: the protocols it offers, as they are sent.
  bool start_tls(const std::string& name, SSL_SESSION* session = nullptr, std::string_view alpn = {});
  SSL* ssl() { return ssl_.get(); }

  void send(std::string_view bytes);
  // As much as is taken within a moment without anybody reading; how many bytes.
  std::size_t send_until_blocked(std::string_view piece, std::size_t most);
  std::string receive(std::size_t bytes);  // exactly so many, or less when the connection ends before
  std::string receive_until(std::string_view end);
  std::string receive_to_end();
  // The next response: interim ones first, each as one of its own. `to_head`: of a HEAD, which has no body.
  Response response(bool to_head = false);

  bool has_input();  // now
  bool is_at_end();  // now: FIN or reset, and nothing before it
  bool await_end();  // what comes before it is thrown away
  bool was_reset() const { return was_reset_; }
  void shutdown();  // FIN
  void reset();     // RST
  void close();
  void limit_buffers(int bytes);  // of the kernel
  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  bool take();                                              // whatever is there now
  bool take_until(const std::function<bool()>& condition);  // or the end
  void take_chunks(Response& response);

  int descriptor_;
  SslPtr<SSL_CTX> context_;
  UniqueSsl ssl_;
  std::string received_;
  bool at_end_ = false;
  bool was_reset_ = false;
};

// Where the edge connects to.
class PeerServer {
 public:
  explicit PeerServer(std::string_view ip = "127.0.0.1", int backlog = 128);
  ~PeerServer() { stop(); }
  PeerServer(const PeerServer&) = delete;

  const Address& address() const { return address_; }
  Peer accept();
  bool has_caller();  // within a moment
  void stop();        // connecting is refused from now on
  void start_again();
  int descriptor() const { return descriptor_; }

 private:
  Address address_;
  int backlog_;
  int descriptor_ = -1;
};

}  // namespace hybridge::test
