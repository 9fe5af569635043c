#include "tls/server_context.h"

#include <openssl/err.h>
#include <openssl/tls1.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "base/shard_map.h"

namespace hybridge {

namespace {

// Mozilla's "intermediate" of 2024 (5.7), without its DHE suites.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCiphersTls13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

void count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

Error invalid(const std::string& what) {
  ERR_clear_error();
  return make_error(Reason::kInvalid, what);
}

// RFC 6066 3. Empty: there is none, or it is malformed, which OpenSSL will find out itself and answer with an alert.
std::string_view server_name_of(SSL* ssl) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1) return {};
  constexpr std::size_t kHead = 5;  // length of the list, type of the entry, its length
  if (size < kHead || bytes[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = (std::size_t{bytes[3]} << 8) | bytes[4];
  if (length != size - kHead) return {};
  return {reinterpret_cast<const char*>(bytes + kHead), length};
}

}  // namespace

// What is known of a connection until it has its certificate. Owned by the SSL (as its extra data), which may die at
// any time.
struct ServerContext::Connection {
  SSL* ssl = nullptr;
  ServerContext* context = nullptr;
  HandshakeListener* listener = nullptr;
  std::uint64_t ticket = 0;  // under which it waits for a certificate; 0: it does not
  bool is_loaded = false;    // what it waited for has come: `loaded`, or nothing
  std::shared_ptr<const CachedCertificate> loaded;
};

// Shared with the loads under way, which may end after the connections that wait, or after the context.
struct ServerContext::Waiting {
  explicit Waiting(Post to_worker) : post(std::move(to_worker)) {}

  const Post post;
  std::unordered_map<std::uint64_t, Connection*> connections;  // the worker's thread only
  std::uint64_t last_ticket = 0;
};

struct ServerContext::Callbacks {
  static ServerContext& context_of(SSL* ssl) {
    return *static_cast<ServerContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  }

  static int index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_connection);
    return index;
  }

  static void free_connection(void*, void* value, CRYPTO_EX_DATA*, int, long, void*) {
    const std::unique_ptr<Connection> connection(static_cast<Connection*>(value));
    if (connection && connection->ticket != 0) {
      connection->context->waiting_->connections.erase(connection->ticket);
    }
  }

  static int client_hello(SSL* ssl, int* alert, void*) {
    auto* connection = static_cast<Connection*>(SSL_get_ex_data(ssl, index()));
    // Again, for the second ClientHello that a HelloRetryRequest brings (RFC 8446 4.1.2: it names the same server).
    if (!connection) return SSL_CLIENT_HELLO_SUCCESS;
    const int result = connection->context->choose_certificate(*connection, alert);
    if (result == SSL_CLIENT_HELLO_SUCCESS) {
      const std::unique_ptr<Connection> done(connection);
      SSL_set_ex_data(ssl, index(), nullptr);
    }
    return result;
  }

  // That there is a callback makes OpenSSL confirm the name and keep it in TLS 1.2 sessions.
  static int server_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

  static int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                             unsigned in_size, void*) {
    const auto& ours = context_of(ssl).alpn_;
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), in, in_size) != OPENSSL_NPN_NEGOTIATED) {
      return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 3.2: no_application_protocol
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                        int sealing) {
    const auto& keys = *context_of(ssl).ticket_keys_;
    if (sealing != 0) return keys.seal(name, iv, cipher, mac);
    const int opened = keys.open(name, iv, cipher, mac);
    // Clients use a ticket of TLS 1.3 once (RFC 8446 C.4): they get a new one each time.
    return opened == 1 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : opened;
  }
};

Result<std::unique_ptr<ServerContext>> ServerContext::make(const ServerOptions& options, CertificateCache& cache,
                                                           Post post) {
  SslPtr<SSL_CTX> base(SSL_CTX_new(TLS_server_method()));
  if (!base) return invalid("OpenSSL cannot make a TLS server");
  auto* context = base.get();
  const auto& ciphers = options.ciphers.empty() ? kCiphers : options.ciphers;
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return invalid("OpenSSL knows no cipher of \"" + ciphers + "\" (its own names for TLS 1.2, joined by colons)");
  }
  if (SSL_CTX_set1_groups_list(context, options.groups.c_str()) != 1) {
    return invalid("OpenSSL does not know all groups of \"" + options.groups + "\"");
  }
  for (const auto& protocol : options.alpn) {
    if (protocol.empty() || protocol.size() > 255) return invalid("an ALPN protocol has 1 to 255 bytes");
  }
  return std::make_unique<ServerContext>(std::move(base), options, cache, std::move(post));
}

ServerContext::ServerContext(SslPtr<SSL_CTX> base, const ServerOptions& options, CertificateCache& cache, Post post)
    : base_(std::move(base)),
      cache_(cache),
      ticket_keys_(std::make_shared<const TicketKeys>(std::vector{TicketKey::random()})),
      at_hand_(std::bit_ceil(std::max<std::size_t>(1, options.certificates_at_hand))),
      waiting_(std::make_shared<Waiting>(std::move(post))) {
  for (const auto& protocol : options.alpn) {
    alpn_ += static_cast<char>(protocol.size());
    alpn_ += protocol;
  }
  auto* context = base_.get();
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_min_proto_version(context, options.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, kCiphersTls13);
  // Our order, not the client's: it makes the EC key win wherever the client can use it (a tenth of RSA's cost). Who
  // asks for ChaCha20 first (phones without AES in hardware) still gets it.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  // Sessions live in tickets alone.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, options.ticket_lifetime.count());
  // No 0-RTT: what can be sent twice by anybody who listens must never reach a site.
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_recv_max_early_data(context, 0);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, Callbacks::ticket_key);
  SSL_CTX_set_client_hello_cb(context, Callbacks::client_hello, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, Callbacks::server_name);
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context, Callbacks::choose_protocol, nullptr);
}

ServerContext::~ServerContext() {
  waiting_->connections.clear();  // loads that end later find nobody
}

UniqueSsl ServerContext::accept(HandshakeListener* listener) {
  UniqueSsl ssl(SSL_new(base_.get()));
  if (!ssl) return ssl;
  auto connection = std::make_unique<Connection>();
  connection->ssl = ssl.get();
  connection->context = this;
  connection->listener = listener;
  if (SSL_set_ex_data(ssl.get(), Callbacks::index(), connection.get()) != 1) return nullptr;
  static_cast<void>(connection.release());  // Callbacks::free_connection takes it back
  SSL_set_accept_state(ssl.get());
  return ssl;
}

ServerContext::Counts ServerContext::counts() const {
  return {waited_.load(std::memory_order_relaxed), missing_.load(std::memory_order_relaxed),
          refused_.load(std::memory_order_relaxed)};
}

std::size_t ServerContext::waiting() const {
  return waiting_->connections.size();
}

// Runs again after a wait, and whenever somebody asks while it waits.
int ServerContext::choose_certificate(Connection& connection, int* alert) {
  if (connection.ticket != 0) return SSL_CLIENT_HELLO_RETRY;
  if (connection.is_loaded) {
    const auto loaded = std::move(connection.loaded);
    if (loaded) return put(connection, &**loaded, alert);
    count(missing_);
    return put(connection, default_.get(), alert);
  }
  const auto choice = table_ ? table_->find(server_name_of(connection.ssl)) : std::nullopt;
  if (!choice) return put(connection, default_.get(), alert);
  auto& at_hand = at_hand_[hash_name(choice->name) & (at_hand_.size() - 1)];
  if (!at_hand || !at_hand->is(choice->name, choice->version)) return wait_for(connection, *choice, alert);
  at_hand->used();
  return put(connection, &**at_hand, alert);
}

int ServerContext::wait_for(Connection& connection, const CertificateTable::Choice& choice, int* alert) {
  const auto ticket = ++waiting_->last_ticket;
  auto ready = [waiting = waiting_, ticket](std::shared_ptr<const CachedCertificate> certificate) {
    waiting->post([waiting, ticket, certificate = std::move(certificate)] {
      const auto found = waiting->connections.find(ticket);
      if (found == waiting->connections.end()) return;  // the client did not wait
      auto& waited = *found->second;
      waiting->connections.erase(found);
      waited.ticket = 0;
      waited.is_loaded = true;
      waited.loaded = certificate;
      if (certificate) waited.context->keep_at_hand(certificate);
      waited.listener->on_certificate_ready();  // last: it may end the connection
    });
  };
  // Before the load begins: `post` may bring its end while we are still here.
  connection.ticket = ticket;
  waiting_->connections.emplace(ticket, &connection);
  bool begun = false;
  if (auto cached = cache_.find_or_load(choice.name, choice.version, std::move(ready), begun)) {
    waiting_->connections.erase(ticket);
    connection.ticket = 0;
    keep_at_hand(cached);
    return put(connection, &**cached, alert);
  }
  if (begun) {
    count(waited_);
    return SSL_CLIENT_HELLO_RETRY;
  }
  waiting_->connections.erase(ticket);
  connection.ticket = 0;
  return refuse(alert, SSL_AD_INTERNAL_ERROR);
}

void ServerContext::keep_at_hand(std::shared_ptr<const CachedCertificate> certificate) {
  auto& place = at_hand_[hash_name(certificate->name()) & (at_hand_.size() - 1)];
  place = std::move(certificate);
}

int ServerContext::put(Connection& connection, const Certificate* certificate, int* alert) {
  if (!certificate) return refuse(alert, SSL_AD_UNRECOGNIZED_NAME);
  auto* ssl = connection.ssl;
  for (const auto& pair : certificate->pairs()) {
    // Takes references, copies nothing.
    if (SSL_use_cert_and_key(ssl, pair.leaf.get(), pair.key.get(), pair.intermediates.get(), 1) != 1) {
      return refuse(alert, SSL_AD_INTERNAL_ERROR);
    }
  }
  // Without it a ticket of one certificate's site would resume, unverified, for another's: on TLS 1.2 and 1.3.
  const auto session_context = certificate->session_context();
  SSL_set_session_id_context(ssl, session_context.data(), static_cast<unsigned>(session_context.size()));
  return SSL_CLIENT_HELLO_SUCCESS;
}

int ServerContext::refuse(int* alert, int why) {
  count(refused_);
  *alert = why;
  return SSL_CLIENT_HELLO_ERROR;
}

}  // namespace hybridge
