// The client side of TLS for all connections: what is offered, and the session that the next connection resumes.
//
// Owned by main(), outlives the Load; one thread. Verifies no certificate: what is measured is the other side.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "bench/load/generator/options.h"

namespace hybridge::bench {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SslPointer = std::unique_ptr<SSL, SslFree>;
using SessionPointer = std::unique_ptr<SSL_SESSION, SslFree>;

// What a connection agreed on; the report shows that peers did the same work.
struct Agreed {
  std::string version, cipher, group, key;
};

class TlsClient {
 public:
  explicit TlsClient(const Options& options);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // For a connection on this descriptor; resumes the newest session where the options want that and there is one.
  SslPointer begin(int descriptor);
  static Agreed agreed(SSL* ssl);

 private:
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  const Options& options_;
  std::unique_ptr<SSL_CTX, SslFree> context_;
  SessionPointer session_;
};

}  // namespace hybridge::bench
