// TLS without sockets: ciphertext in and out as bytes, over a BIO of our own. Knows no certificates: it is given an
// SSL that a server or client context has prepared.
//
// Owned by a Transport; its worker's thread only. Ciphertext to send goes straight to the queue given at
// construction; ciphertext received is read from where the driver put it, without a copy of ours.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "base/chunk.h"
#include "base/error.h"
#include "base/ssl_ptr.h"

namespace hybridge {

class TlsEngine {
 public:
  enum class Step : std::uint8_t {
    kDone,
    kNeedsInput,        // feed() more and call again
    kNeedsCertificate,  // the client-hello callback waits for a certificate; call again when it is there
    kClosed,            // the peer said close_notify: nothing more will come
    kFailed,            // fatal; error() says why, and an alert may be in the output
  };

  TlsEngine(UniqueSsl ssl, ChunkQueue& output);
  ~TlsEngine();

  // `bytes` must stay valid until all of it is consumed or until input() was saved elsewhere and fed again.
  void feed(std::span<const std::uint8_t> bytes) { input_ = bytes; }
  std::span<const std::uint8_t> input() const { return input_; }  // not yet consumed

  Step handshake();  // kDone: complete
  bool is_handshake_complete() const { return complete_; }

  struct Read {
    Step step = Step::kNeedsInput;
    std::size_t bytes = 0;  // kDone: this many were decrypted
  };
  Read read(std::span<std::uint8_t> plain);  // at most one record a call

  // Encrypts all of it into the output, in records of at most 16 KiB. False: fatal.
  bool write(std::span<const std::uint8_t> plain);
  void close_notify();  // queues it; at most once

  const Error& error() const { return error_; }
  SSL* ssl() const { return ssl_.get(); }
  std::string_view version() const { return SSL_get_version(ssl_.get()); }
  std::string_view server_name() const;  // SNI of the peer (server side) ; "" none
  std::string_view alpn() const;         // negotiated; "" none
  bool is_resumed() const { return SSL_session_reused(ssl_.get()) != 0; }

 private:
  friend struct TlsEngineBio;
  Step fail(int ssl_error);

  UniqueSsl ssl_;
  ChunkQueue& output_;
  std::span<const std::uint8_t> input_;
  Error error_;
  bool complete_ = false;
  bool said_goodbye_ = false;
  bool failed_ = false;
};

}  // namespace hybridge
