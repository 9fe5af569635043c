#include "bench/load/generator/connection.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hybridge::bench {
namespace {

constexpr std::size_t kReadSize = 256 * 1024;
constexpr unsigned kSources = 64;  // 127.0.1.1 to 127.0.1.64

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}
[[noreturn]] void fail_system(const char* what) {
  fail(std::string(what) + ": " + std::strerror(errno));
}

[[noreturn]] void fail_tls(const char* what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    throw Broken(std::string(what) + ": the connection ended");
  }
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  fail(std::string(what) + ": " + text.data());
}

}  // namespace

void Connection::open(const sockaddr_in& target, unsigned number, int epoll, std::uint64_t tag) {
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) fail_system("socket");
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000101U + number % kSources);
  if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) fail_system("bind");
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 && errno != EINPROGRESS) {
    fail_system("connect");
  }
  epoll_ = epoll;
  tag_ = tag;
  wants_write_ = true;
  epoll_event event{EPOLLIN | EPOLLOUT, {.u64 = tag}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor_, &event) != 0) fail_system("epoll_ctl");
  state_ = State::connecting;
  requests_done = 0;
  begin_again();
}

void Connection::close() {
  if (descriptor_ < 0) return;
  if (ssl_) {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ssl_.reset();
  }
  ::close(descriptor_);
  descriptor_ = -1;
  state_ = State::closed;
  closes_ = false;
}

bool Connection::was_resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

Connection::Progress Connection::advance(std::uint32_t events) {
  switch (state_) {
    case State::connecting: {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) fail(std::string("connect: ") + std::strerror(error));
      if ((events & EPOLLOUT) == 0) return Progress::none;
      want_write(false);
      if (tls_ == nullptr) {
        state_ = State::open;
        return Progress::opened;
      }
      ssl_ = tls_->begin(descriptor_);
      state_ = State::shaking_hands;
      return shake_hands();
    }
    case State::shaking_hands:
      return shake_hands();
    case State::open:
      try {
        if ((events & EPOLLOUT) != 0) send();
        return (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 ? receive() : Progress::none;
      } catch (const Broken&) {
        if (is_asking()) throw;
        return Progress::ended;  // nobody waited for anything
      }
    case State::closed:
      break;
  }
  return Progress::none;
}

Connection::Progress Connection::shake_hands() {
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    state_ = State::open;
    return Progress::opened;
  }
  const int why = SSL_get_error(ssl_.get(), done);
  if (why != SSL_ERROR_WANT_READ) fail_tls("TLS handshake");  // its messages are small: the socket takes them
  return Progress::none;
}

Connection::Progress Connection::receive() {
  static std::array<char, kReadSize> buffer;  // one thread, and nothing stays in it
  for (;;) {
    const long size = read_some(buffer.data(), buffer.size());
    if (size < 0) break;
    if (size == 0) {
      if (is_asking()) throw Broken("the connection ended before its answer did");
      return has_answers() ? Progress::answered : Progress::ended;
    }
    bytes_read_ += static_cast<std::size_t>(size);
    take({buffer.data(), static_cast<std::size_t>(size)});
    if (closes_) {
      close();
      return Progress::answered;
    }
    // A short read took all there was; epoll tells when there is more. OpenSSL gives a record at a time, and what it
    // has read ahead nobody else would tell of.
    if (ssl_ ? SSL_has_pending(ssl_.get()) == 0 : static_cast<std::size_t>(size) < buffer.size()) break;
  }
  return has_answers() ? Progress::answered : Progress::none;
}

long Connection::read_some(char* into, std::size_t size) {
  if (!ssl_) {
    const long got = ::recv(descriptor_, into, size, 0);
    if (got < 0 && errno != EAGAIN) fail_system("recv");
    return got;
  }
  const int got = SSL_read(ssl_.get(), into, static_cast<int>(size));
  if (got > 0) return got;
  const int why = SSL_get_error(ssl_.get(), got);
  if (why == SSL_ERROR_WANT_READ) return -1;
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  fail_tls("TLS read");
}

long Connection::write_some(const char* from, std::size_t size) {
  if (!ssl_) {
    const long wrote = ::send(descriptor_, from, size, MSG_NOSIGNAL);
    if (wrote < 0 && errno != EAGAIN) fail_system("send");
    return wrote;
  }
  const int wrote = SSL_write(ssl_.get(), from, static_cast<int>(size));
  if (wrote > 0) return wrote;
  if (SSL_get_error(ssl_.get(), wrote) == SSL_ERROR_WANT_WRITE) return -1;
  fail_tls("TLS write");
}

void Connection::want_write(bool wanted) {
  if (wanted == wants_write_) return;
  wants_write_ = wanted;
  epoll_event event{static_cast<std::uint32_t>(wanted ? EPOLLIN | EPOLLOUT : EPOLLIN), {.u64 = tag_}};
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor_, &event) != 0) fail_system("epoll_ctl");
}

}  // namespace hybridge::bench
