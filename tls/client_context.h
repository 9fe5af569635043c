// What a worker needs to be a TLS client of its upstreams: verification, which cannot be switched off, and sessions to
// resume.
//
// One per worker, its thread only; outlives its connections.
#pragma once

#include <openssl/ssl.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/ssl_ptr.h"
#include "tls/certificate.h"
#include "tls/trust_store.h"

namespace hybridge {

struct ClientOptions {
  bool only_tls13 = false;  // else TLS 1.2 and 1.3
  std::size_t sessions = 1'024;
  std::shared_ptr<const Certificate> certificate = {};  // ours, for servers that ask for one; nullptr: none
};

struct TlsPeer {
  std::string_view name;      // what the certificate must say, and the SNI unless it is an IP address; lower-case
  std::string_view ca;        // PEM; empty: the trust store's bundle
  std::string_view endpoint;  // whom we connect to: sessions are kept for endpoint, name and CA
};

class ClientContext {
 public:
  // kInvalid: OpenSSL cannot make a client, or not with that certificate.
  static Result<std::unique_ptr<ClientContext>> make(const ClientOptions& options, std::shared_ptr<TrustStore> trust);

  ClientContext(SslPtr<SSL_CTX> base, const ClientOptions& options, std::shared_ptr<TrustStore> trust);
  ClientContext(const ClientContext&) = delete;

  // A client's end, with a session to resume if one is kept. kUpstreamTls: no name, or a CA that cannot be read.
  Result<UniqueSsl> connect(const TlsPeer& peer);

  std::size_t sessions() const { return by_key_.size(); }

 private:
  struct Connection;
  struct Callbacks;
  struct Session {
    std::string key;
    SslPtr<SSL_SESSION> session;
  };

  void keep(const std::string& key, SslPtr<SSL_SESSION> session);
  void forget(const std::string& key);

  SslPtr<SSL_CTX> base_;
  std::shared_ptr<TrustStore> trust_;
  std::size_t most_sessions_;
  std::list<Session> sessions_;  // the latest used first
  std::unordered_map<std::string_view, std::list<Session>::iterator> by_key_;
};

}  // namespace hybridge
