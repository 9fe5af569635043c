// What a worker needs to be a TLS server: options, tickets, ALPN, and for each connection the certificate that its
// ClientHello asks for.
//
// One per worker, its thread only, so that no reference count or lock of OpenSSL's is shared on the hot path. Outlives
// its connections. There is no SSL_CTX per certificate: chain and keys, shared and immutable, are put on the
// connection.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/ssl_ptr.h"
#include "tls/certificate.h"
#include "tls/certificate_cache.h"
#include "tls/certificate_table.h"
#include "tls/ticket_keys.h"

namespace hybridge {

struct ServerOptions {
  bool only_tls13 = false;  // else TLS 1.2 and 1.3
  std::string ciphers;      // of TLS 1.2, an OpenSSL list; empty: Mozilla's intermediate ones without DHE
  std::string groups = "X25519:P-256:P-384";
  std::vector<std::string> alpn = {"h2", "http/1.1"};  // the preferred one first
  std::chrono::seconds ticket_lifetime{24 * 3600};     // no session is resumed by an older one
  std::size_t certificates_at_hand = 512;              // that the worker finds without the cache's lock
};

// A connection whose handshake may have to wait for its certificate (TlsEngine::Step::kNeedsCertificate).
class HandshakeListener {
 public:
  virtual void on_certificate_ready() = 0;  // on the worker's thread; call the engine's handshake() again

 protected:
  ~HandshakeListener() = default;
};

class ServerContext {
 public:
  // Runs a function on the worker's thread, later; called from any thread.
  using Post = std::function<void(std::function<void()>)>;

  // kInvalid: the options name a cipher or group that OpenSSL does not have.
  static Result<std::unique_ptr<ServerContext>> make(const ServerOptions& options, CertificateCache& cache, Post post);

  ServerContext(SslPtr<SSL_CTX> base, const ServerOptions& options, CertificateCache& cache, Post post);
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;

  // For the names of the table; null or no entry: the default.
  void set_table(std::shared_ptr<const CertificateTable> table) { table_ = std::move(table); }
  // For unknown names, for none, and where a certificate cannot be loaded. Null: these handshakes are refused.
  void set_default(std::shared_ptr<const Certificate> certificate) { default_ = std::move(certificate); }
  // Of all workers the same, or tickets are good on one of them only. Keys of its own until then.
  void set_ticket_keys(std::shared_ptr<const TicketKeys> keys) { ticket_keys_ = std::move(keys); }

  // A server's end for one connection; null only when memory is out. `listener` outlives it.
  UniqueSsl accept(HandshakeListener* listener);

  struct Counts {
    std::uint64_t waited = 0;   // handshakes that waited for a certificate
    std::uint64_t missing = 0;  // that got the default because theirs could not be loaded
    std::uint64_t refused = 0;  // without any certificate, or with too many loads under way
  };
  Counts counts() const;  // any thread
  std::size_t waiting() const;

 private:
  struct Connection;
  struct Waiting;
  struct Callbacks;

  int choose_certificate(Connection& connection, int* alert);
  int wait_for(Connection& connection, const CertificateTable::Choice& choice, int* alert);
  void keep_at_hand(std::shared_ptr<const CachedCertificate> certificate);
  int put(Connection& connection, const Certificate* certificate, int* alert);
  int refuse(int* alert, int why);

  SslPtr<SSL_CTX> base_;
  CertificateCache& cache_;
  std::string alpn_;  // as on the wire
  std::shared_ptr<const CertificateTable> table_;
  std::shared_ptr<const Certificate> default_;
  std::shared_ptr<const TicketKeys> ticket_keys_;
  // Direct-mapped by the name's hash: a collision costs a look into the cache.
  std::vector<std::shared_ptr<const CachedCertificate>> at_hand_;
  std::shared_ptr<Waiting> waiting_;
  std::atomic<std::uint64_t> waited_ = 0;  // one writer: the worker
  std::atomic<std::uint64_t> missing_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace hybridge
