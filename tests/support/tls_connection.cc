#include "tests/support/tls_connection.h"

#include <fcntl.h>
#include <openssl/err.h>

#include <utility>

#include "tests/support/tls_pair.h"

namespace hybridge::test {

TlsConnection::TlsConnection(LoopRunner& runner, const Address& address, const std::string& name)
    : runner_(runner),
      wire_(connect_to(runner, address)),
      context_(any_client()),
      ssl_(client_of(context_.get(), name)) {
  fcntl(wire_->descriptor(), F_SETFL, fcntl(wire_->descriptor(), F_GETFL) | O_NONBLOCK);
  SSL_set_fd(ssl_.get(), wire_->descriptor());
}

void TlsConnection::begin() {
  ERR_clear_error();
  SSL_do_handshake(ssl_.get());
}

bool TlsConnection::shake_hands() {
  bool is_over = false;
  bool is_done = false;
  runner_.until([&] {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    is_done = result == 1;
    is_over = is_done || SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ;
    return is_over;
  });
  return is_done;
}

void TlsConnection::send(std::string_view plain) {
  runner_.until([&] {
    ERR_clear_error();
    std::size_t sent = 0;
    const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &sent);
    if (result == 1) return true;
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return false;
    ADD_FAILURE() << "the TLS client cannot send: " << error;
    return true;
  });
}

bool TlsConnection::take() {
  char buffer[16384];
  bool any = false;
  while (!at_end_) {
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count);
    if (result == 1) {
      received_.append(buffer, count);
      any = true;
      continue;
    }
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) break;
    at_end_ = true;
  }
  return any;
}

std::string TlsConnection::receive_until(std::string_view end) {
  runner_.until([&] {
    take();
    return received_.find(end) != std::string::npos || at_end_;
  });
  const auto at = received_.find(end);
  auto result = received_.substr(0, at == std::string::npos ? at : at + end.size());
  received_.erase(0, result.size());
  return result;
}

std::string TlsConnection::receive_to_end() {
  runner_.until([&] {
    take();
    return at_end_;
  });
  return std::exchange(received_, {});
}

void TlsConnection::say_goodbye() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  wire_->shutdown();
}

}  // namespace hybridge::test
