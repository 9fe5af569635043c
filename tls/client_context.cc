#include "tls/client_context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "base/host_name.h"

namespace hybridge {

namespace {

// As wide as nginx's of today, so that customers' servers are reached; narrower than OpenSSL's default: forward secrecy
// and authenticated encryption always.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL";
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

}  // namespace

// Owned by the SSL as its extra data.
struct ClientContext::Connection {
  ClientContext* context = nullptr;
  std::string key;
};

struct ClientContext::Callbacks {
  static int index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_connection);
    return index;
  }

  static void free_connection(void* owner, void* value, CRYPTO_EX_DATA*, int, long, void*) {
    const std::unique_ptr<Connection> connection(static_cast<Connection*>(value));
    if (!connection) return;
    // A handshake that began and did not end may have failed for the session it offered: the next one is a full one.
    const auto* ssl = static_cast<SSL*>(owner);
    if (SSL_get_state(ssl) != TLS_ST_BEFORE && SSL_in_init(ssl)) connection->context->forget(connection->key);
  }

  static int new_session(SSL* ssl, SSL_SESSION* session) {
    const auto& connection = *static_cast<Connection*>(SSL_get_ex_data(ssl, index()));
    connection.context->keep(connection.key, SslPtr<SSL_SESSION>(session));
    return 1;  // the reference is ours now
  }
};

Result<std::unique_ptr<ClientContext>> ClientContext::make(const ClientOptions& options,
                                                           std::shared_ptr<TrustStore> trust) {
  SslPtr<SSL_CTX> base(SSL_CTX_new(TLS_client_method()));
  if (!base || SSL_CTX_set_cipher_list(base.get(), kCiphers) != 1) {
    ERR_clear_error();
    return make_error(Reason::kInvalid, "OpenSSL cannot make a TLS client");
  }
  if (options.certificate) {
    const auto& own = options.certificate->pairs().front();
    if (SSL_CTX_use_cert_and_key(base.get(), own.leaf.get(), own.key.get(), own.intermediates.get(), 1) != 1) {
      ERR_clear_error();
      return make_error(Reason::kInvalid, "OpenSSL cannot use the certificate for servers");
    }
  }
  return std::make_unique<ClientContext>(std::move(base), options, std::move(trust));
}

ClientContext::ClientContext(SslPtr<SSL_CTX> base, const ClientOptions& options, std::shared_ptr<TrustStore> trust)
    : base_(std::move(base)), trust_(std::move(trust)), most_sessions_(options.sessions) {
  auto* context = base_.get();
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_min_proto_version(context, options.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_alpn_protos(context, kHttp11, sizeof kHttp11);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, Callbacks::new_session);
}

Result<UniqueSsl> ClientContext::connect(const TlsPeer& peer) {
  if (peer.name.empty()) return make_error(Reason::kUpstreamTls, "there is no name to verify the certificate for");
  auto anchors = trust_->find(peer.ca);
  if (!anchors) return make_error(Reason::kUpstreamTls, "the server's CA: " + anchors.error().detail);
  UniqueSsl ssl(SSL_new(base_.get()));
  if (!ssl) return make_error(Reason::kInternal, "OpenSSL has no memory for a connection");
  const std::string name(peer.name);
  const bool is_address = is_ipv4_literal(name) || is_ipv6_literal(name);
  bool is_set = SSL_set1_verify_cert_store(ssl.get(), anchors->store.get()) == 1;
  if (is_address) {
    is_set = is_set && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    is_set =
        is_set && SSL_set1_host(ssl.get(), name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1;
  }
  auto connection = std::make_unique<Connection>();
  connection->context = this;
  connection->key.append(peer.endpoint).append(1, '\n').append(name).append(1, '\n');
  connection->key.append(std::to_string(anchors->id));
  if (const auto found = by_key_.find(connection->key); found != by_key_.end()) {
    sessions_.splice(sessions_.begin(), sessions_, found->second);
    // A copy: OpenSSL spoils the session it resumes, and the server may not give a new one, or several connections may
    // be made at once.
    const SslPtr<SSL_SESSION> copy(SSL_SESSION_dup(found->second->session.get()));
    if (copy) SSL_set_session(ssl.get(), copy.get());
  }
  is_set = is_set && SSL_set_ex_data(ssl.get(), Callbacks::index(), connection.get()) == 1;
  if (!is_set) {
    // Verification that is not all set up must never become a connection.
    ERR_clear_error();
    return make_error(Reason::kUpstreamTls, "OpenSSL does not take " + in_quotes(name) + " as a name to verify");
  }
  static_cast<void>(connection.release());  // Callbacks::free_connection takes it back
  SSL_set_connect_state(ssl.get());
  return ssl;
}

void ClientContext::keep(const std::string& key, SslPtr<SSL_SESSION> session) {
  if (most_sessions_ == 0) return;
  forget(key);
  if (sessions_.size() >= most_sessions_) {
    by_key_.erase(sessions_.back().key);
    sessions_.pop_back();
  }
  sessions_.push_front({key, std::move(session)});
  by_key_.emplace(sessions_.front().key, sessions_.begin());
}

void ClientContext::forget(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  const auto session = found->second;
  by_key_.erase(found);
  sessions_.erase(session);
}

}  // namespace hybridge
