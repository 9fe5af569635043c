#include "io/tls_engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace hybridge {

// The two ends of OpenSSL's pipe: it reads what feed() was given and writes to the output queue. Neither end ever
// fails; a read without input says "later".
struct TlsEngineBio {
  static int read(BIO* bio, char* to, std::size_t size, std::size_t* done) {
    auto& input = of(bio).input_;
    BIO_clear_retry_flags(bio);
    if (input.empty()) {
      BIO_set_retry_read(bio);
      *done = 0;
      return -1;
    }
    *done = std::min(size, input.size());
    std::memcpy(to, input.data(), *done);
    input = input.subspan(*done);
    return 1;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
    BIO_clear_retry_flags(bio);
    of(bio).output_.append({reinterpret_cast<const std::uint8_t*>(from), size});
    *done = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) {
    // Everything else (end of file, kernel TLS, buffer sizes) does not exist here, which is what 0 says.
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static const BIO_METHOD* method() {
    static const SslPtr<BIO_METHOD> method = [] {
      SslPtr<BIO_METHOD> made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hybridge chunks"));
      BIO_meth_set_read_ex(made.get(), read);
      BIO_meth_set_write_ex(made.get(), write);
      BIO_meth_set_ctrl(made.get(), control);
      return made;
    }();
    return method.get();
  }

 private:
  static TlsEngine& of(BIO* bio) { return *static_cast<TlsEngine*>(BIO_get_data(bio)); }
};

namespace {

// SSL_get_error reads the thread's queue of errors: what another call left there must not be taken for this one's.
void forget_old_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// From OpenSSL 3.2 on the last word on a bad record is that there was one.
bool says_nothing([[maybe_unused]] unsigned long code) {
#ifdef SSL_R_RECORD_LAYER_FAILURE
  return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_RECORD_LAYER_FAILURE;
#else
  return false;
#endif
}

// Takes what the thread's queue of errors has.
std::string reason_of(SSL* ssl, int ssl_error) {
  unsigned long code = 0;  // TLS's own word, the last; those before it are of the ciphers and parsers below
  while (const auto next = ERR_get_error()) {
    if (!says_nothing(next)) code = next;
  }
  std::string text;
  if (code == 0) {
    text = "OpenSSL error " + std::to_string(ssl_error) + " without a reason";
  } else if (const char* reason = ERR_reason_error_string(code)) {
    text = reason;
  } else {
    text = "OpenSSL error code " + std::to_string(code);
  }
  if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    text += std::string(": ") + X509_verify_cert_error_string(SSL_get_verify_result(ssl));
  }
  return text;
}

}  // namespace

TlsEngine::TlsEngine(UniqueSsl ssl, ChunkQueue& output) : ssl_(std::move(ssl)), output_(output) {
  auto* bio = BIO_new(TlsEngineBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  // An idle connection keeps no record buffers.
  SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_set_read_ahead(ssl_.get(), 1);
}

TlsEngine::~TlsEngine() {
  // Without a word of goodbye OpenSSL would forbid its session to be resumed, which TLS 1.1 (RFC 4346 7.2.1) gave up.
  if (complete_ && !failed_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

TlsEngine::Step TlsEngine::handshake() {
  if (complete_) return Step::kDone;
  if (failed_) return Step::kFailed;
  forget_old_errors();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    complete_ = true;
    return Step::kDone;
  }
  return fail(SSL_get_error(ssl_.get(), result));
}

TlsEngine::Read TlsEngine::read(std::span<std::uint8_t> plain) {
  if (failed_) return {Step::kFailed, 0};
  // The commonest end of a turn, told without a walk through the state machine.
  if (plain.empty() || (input_.empty() && SSL_has_pending(ssl_.get()) == 0)) {
    const bool closed = (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    return {closed ? Step::kClosed : Step::kNeedsInput, 0};
  }
  forget_old_errors();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), plain.data(), plain.size(), &bytes);
  if (result == 1) return {Step::kDone, bytes};
  return {fail(SSL_get_error(ssl_.get(), result)), 0};
}

bool TlsEngine::write(std::span<const std::uint8_t> plain) {
  if (failed_ || said_goodbye_) return false;
  if (plain.empty()) return true;
  forget_old_errors();
  std::size_t bytes = 0;
  const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &bytes);
  if (result == 1) return true;  // all of it: partial writes are off and the queue takes everything
  const auto error = SSL_get_error(ssl_.get(), result);
  if (fail(error) != Step::kFailed) {
    failed_ = true;
    error_ = make_error(Reason::kInternal, "TLS output before the end of the handshake");
  }
  return false;
}

void TlsEngine::close_notify() {
  if (said_goodbye_ || failed_ || !complete_) return;
  said_goodbye_ = true;
  forget_old_errors();
  SSL_shutdown(ssl_.get());  // 0 or 1: the alert is in the queue; the peer's is not waited for
  ERR_clear_error();
}

std::string_view TlsEngine::server_name() const {
  const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name ? std::string_view(name) : std::string_view();
}

std::string_view TlsEngine::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

TlsEngine::Step TlsEngine::fail(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
      return Step::kNeedsInput;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return Step::kNeedsCertificate;
    case SSL_ERROR_ZERO_RETURN:
      return Step::kClosed;
    default:
      break;
  }
  failed_ = true;
  error_ = make_error(SSL_is_server(ssl_.get()) ? Reason::kBadHandshake : Reason::kUpstreamTls,
                      reason_of(ssl_.get(), ssl_error));
  ERR_clear_error();
  return Step::kFailed;
}

}  // namespace hybridge
