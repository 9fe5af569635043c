// A site's server for load: a thread that answers every GET of every connection with the same bytes, and touches no
// heap while it does.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "base/ssl_ptr.h"
#include "io/address.h"
#include "tests/support/peer.h"

namespace hybridge::test {

class Origin {
 public:
  // `end`: four different bytes, or an empty line: behind them a request is whole.
  explicit Origin(std::string answer, std::string_view end = "\r\n\r\n");
  ~Origin();
  Origin(const Origin&) = delete;

  const Address& address() const { return server_.address(); }
  std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kConnections = 256;

  void run();
  bool serve(std::size_t at);  // false: the connection has ended

  PeerServer server_;
  const std::string answer_;
  const std::string end_;
  std::array<int, kConnections> descriptors_{};
  std::array<int, kConnections> matched_{};  // bytes of what ends a request
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<bool> stops_{false};
  std::thread thread_;
};

// A client for load: one request after the other on one connection, without a heap (with TLS: but for OpenSSL's own).
class LoadClient {
 public:
  LoadClient(const Address& address, std::string request, bool with_tls = false);
  ~LoadClient();
  LoadClient(const LoadClient&) = delete;

  // One request; the answer's status, 0 when the connection broke. Answers must be as long as the first was.
  int get();
  // So many pipelined; false when anything but as many bytes came as so many answers have.
  bool get_pipelined(int requests);
  std::string_view last() const { return {buffer_.data(), answer_bytes_}; }
  // Until the other side has said something (with TLS 1.3 that is its tickets: it has seen the handshake's end).
  void await_bytes() const;
  // Ends the connection, and returns when the other side has ended it, too.
  void say_goodbye();

 private:
  bool receive(std::size_t bytes);
  bool send(std::string_view bytes);
  std::size_t receive_some(char* to, std::size_t bytes);  // 0: the end

  const std::string request_;
  int descriptor_;
  SslPtr<SSL_CTX> context_;
  UniqueSsl ssl_;
  std::size_t answer_bytes_ = 0;  // of each; found out with the first
  std::string pipelined_;
  std::array<char, 256 * 1024> buffer_{};
};

}  // namespace hybridge::test
