// A TLS client and server in one thread, without sockets: what one writes the other is fed, in pieces of any size.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chunk.h"
#include "base/ssl_ptr.h"
#include "io/tls_engine.h"

namespace hybridge::test {

// One engine with its output, and the input it has not taken yet.
class TlsEnd {
 public:
  TlsEnd(UniqueSsl ssl, ChunkPool& pool) : output_(pool), engine_(std::move(ssl), output_) {}

  TlsEngine& engine() { return engine_; }
  std::vector<std::uint8_t> take_output();
  std::size_t output_size() const { return output_.size(); }

  // Runs the handshake with these bytes behind those that were left.
  TlsEngine::Step handshake(std::span<const std::uint8_t> bytes);
  // Reads all plaintext that these bytes give; `step` is the last one.
  std::string read(std::span<const std::uint8_t> bytes, TlsEngine::Step& step);

 private:
  ChunkQueue output_;
  TlsEngine engine_;
  std::vector<std::uint8_t> rest_;
};

class TlsPair {
 public:
  TlsPair(UniqueSsl clients, UniqueSsl servers)
      : client(std::move(clients), pool_), server(std::move(servers), pool_) {}

  // Both handshakes to their end (or to where they stop), `piece` bytes at a time; true: both are complete.
  bool shake_hands(std::size_t piece = SIZE_MAX);
  bool finish(std::size_t piece = SIZE_MAX);  // goes on after somebody called an end's handshake() himself
  // Carries what is written; returns what the other end reads.
  std::string to_server(std::string_view plain, std::size_t piece = SIZE_MAX);
  std::string to_client(std::string_view plain, std::size_t piece = SIZE_MAX);

  TlsEngine::Step client_step = TlsEngine::Step::kNeedsInput;
  TlsEngine::Step server_step = TlsEngine::Step::kNeedsInput;

 private:
  ChunkPool pool_;

 public:
  TlsEnd client;
  TlsEnd server;

 private:
  static std::string carry(TlsEnd& from, TlsEnd& to, TlsEngine::Step& step, std::string_view plain, std::size_t piece);
};

// A client of OpenSSL's defaults that believes everybody: for tests of the server.
SslPtr<SSL_CTX> any_client();
// `name`: SNI; empty: none.
UniqueSsl client_of(SSL_CTX* context, const std::string& name, SSL_SESSION* session = nullptr);
// The common name of the certificate that the client was shown.
std::string peer_of(SSL* client);

}  // namespace hybridge::test
