#include "bench/load/generator/tls_client.h"

#include <openssl/evp.h>
#include <openssl/objects.h>

#include <stdexcept>

namespace hybridge::bench {

TlsClient::TlsClient(const Options& options) : options_(options), context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read takes all that has come, instead of two a record.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 64 * 1024);
  if (SSL_CTX_set_ciphersuites(context, options.ciphersuites.c_str()) != 1 ||
      SSL_CTX_set1_groups_list(context, options.groups.c_str()) != 1) {
    throw std::runtime_error("OpenSSL does not know these ciphersuites or groups");
  }
  if (options.streams > 0) {
    constexpr unsigned char kHttp2[] = {2, 'h', '2'};
    SSL_CTX_set_alpn_protos(context, kHttp2, sizeof kHttp2);
  }
  if (options.mode == Mode::idle) {
    // Ten thousand of them: the client's memory is not what is measured, but it shall fit.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_read_buffer_len(context, 0);
  }
  if (options.resumes) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context, this);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  }
}

SslPointer TlsClient::begin(int descriptor) {
  SslPointer ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), descriptor) != 1) throw std::runtime_error("SSL_new failed");
  SSL_set_tlsext_host_name(ssl.get(), options_.host.c_str());
  if (session_) {
    // A copy: OpenSSL lets nobody else resume a session whose connection was given a new ticket.
    const SessionPointer copy(SSL_SESSION_dup(session_.get()));
    SSL_set_session(ssl.get(), copy.get());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

int TlsClient::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* client = static_cast<TlsClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  client->session_.reset(SSL_SESSION_dup(session));
  return 0;  // the reference stays OpenSSL's
}

Agreed TlsClient::agreed(SSL* ssl) {
  Agreed agreed{SSL_get_version(ssl), SSL_get_cipher_name(ssl), "", ""};
  if (const char* name = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(ssl)))) agreed.group = name;
  if (X509* certificate = SSL_get0_peer_certificate(ssl)) {
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    agreed.key = std::string(EVP_PKEY_get0_type_name(key)) + "-" + std::to_string(EVP_PKEY_get_bits(key));
  }
  return agreed;
}

}  // namespace hybridge::bench
