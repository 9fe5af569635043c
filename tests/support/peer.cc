#include "tests/support/peer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <thread>
#include <utility>

#include "tests/support/sockets.h"
#include "tests/support/tls_pair.h"

namespace hybridge::test {

namespace {
using SteadyClock = std::chrono::steady_clock;
constexpr auto kLimit = std::chrono::seconds(10);
constexpr auto kMoment = std::chrono::milliseconds(100);

int milliseconds_until(SteadyClock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

bool wait_for(int descriptor, short events, SteadyClock::time_point deadline) {
  pollfd watched{.fd = descriptor, .events = events, .revents = 0};
  return ::poll(&watched, 1, milliseconds_until(deadline)) > 0;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}
}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = SteadyClock::now() + kLimit;
  while (!condition()) {
    if (SteadyClock::now() > deadline) {
      ADD_FAILURE() << "it did not come true within ten seconds";
      return false;
    }
    std::this_thread::yield();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

std::string Response::field(const std::string& name) const {
  const auto found = fields.find(lower(name));
  return found == fields.end() ? std::string() : found->second;
}

Peer::Peer(int descriptor) : descriptor_(descriptor) {
  fcntl(descriptor_, F_SETFL, fcntl(descriptor_, F_GETFL) | O_NONBLOCK);
  set_option(descriptor_, IPPROTO_TCP, TCP_NODELAY, 1);
}

Peer::Peer(Peer&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      context_(std::move(other.context_)),
      ssl_(std::move(other.ssl_)),
      received_(std::move(other.received_)),
      at_end_(other.at_end_),
      was_reset_(other.was_reset_) {}

Peer& Peer::operator=(Peer&& other) noexcept {
  if (this == &other) return *this;
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  ssl_ = std::move(other.ssl_);
  context_ = std::move(other.context_);
  received_ = std::move(other.received_);
  at_end_ = other.at_end_;
  was_reset_ = other.was_reset_;
  return *this;
}

Peer Peer::connect_to(const Address& address) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, address.data(), address.size()) < 0) {
    ADD_FAILURE() << "cannot connect to " << address.to_string() << ": errno " << errno;
  }
  return Peer(descriptor);
}

bool Peer::start_tls(const std::string& name, SSL_SESSION* session, std::string_view alpn) {
  context_ = any_client();
  ssl_ = client_of(context_.get(), name, session);
  if (!alpn.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned>(alpn.size()));
  }
  SSL_set_fd(ssl_.get(), descriptor_);
  const auto deadline = SteadyClock::now() + kLimit;
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return true;
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return false;
    if (!wait_for(descriptor_, POLLIN, deadline)) return false;
  }
}

void Peer::send(std::string_view bytes) {
  const auto deadline = SteadyClock::now() + kLimit;
  while (!bytes.empty()) {
    std::size_t sent = 0;
    bool is_blocked = false;
    if (ssl_) {
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
      is_blocked = result != 1 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE;
    } else {
      const auto count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count > 0) sent = static_cast<std::size_t>(count);
      is_blocked = count < 0 && errno == EAGAIN;
    }
    bytes.remove_prefix(sent);
    if (sent == 0 && !(is_blocked && wait_for(descriptor_, POLLOUT, deadline))) {
      ADD_FAILURE() << "the peer cannot send: " << (is_blocked ? "nobody takes it" : "the connection is gone");
      return;
    }
  }
}

std::size_t Peer::send_until_blocked(std::string_view piece, std::size_t most) {
  std::size_t total = 0;
  while (total < most) {
    const auto count = ::send(descriptor_, piece.data(), std::min(piece.size(), most - total), MSG_NOSIGNAL);
    if (count > 0) {
      total += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN || !wait_for(descriptor_, POLLOUT, SteadyClock::now() + kMoment)) {
      break;
    }
  }
  return total;
}

bool Peer::take() {
  char buffer[65536];
  bool any = false;
  while (!at_end_ && descriptor_ >= 0) {
    if (ssl_) {
      ERR_clear_error();
      std::size_t count = 0;
      const int result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &count);
      if (result != 1) {
        const int error = SSL_get_error(ssl_.get(), result);
        if (error == SSL_ERROR_WANT_READ) break;
        at_end_ = true;
        was_reset_ = error != SSL_ERROR_ZERO_RETURN;
        break;
      }
      received_.append(buffer, count);
    } else {
      const auto count = ::recv(descriptor_, buffer, sizeof buffer, 0);
      if (count <= 0) {
        if (count < 0 && errno == EAGAIN) break;
        at_end_ = true;
        was_reset_ = count < 0;
        break;
      }
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    any = true;
  }
  return any;
}

bool Peer::take_until(const std::function<bool()>& condition) {
  const auto deadline = SteadyClock::now() + kLimit;
  for (;;) {
    take();
    if (condition()) return true;
    if (at_end_) return false;
    if (!wait_for(descriptor_, POLLIN, deadline)) {
      ADD_FAILURE() << "waited in vain for more than these " << received_.size()
                    << " bytes: " << received_.substr(0, 200);
      return false;
    }
  }
}

std::string Peer::receive(std::size_t bytes) {
  take_until([&] { return received_.size() >= bytes; });
  auto result = received_.substr(0, bytes);
  received_.erase(0, result.size());
  return result;
}

std::string Peer::receive_until(std::string_view end) {
  take_until([&] { return received_.find(end) != std::string::npos; });
  const auto at = received_.find(end);
  auto result = received_.substr(0, at == std::string::npos ? at : at + end.size());
  received_.erase(0, result.size());
  return result;
}

std::string Peer::receive_to_end() {
  take_until([&] { return at_end_; });
  return std::exchange(received_, {});
}

Response Peer::response(bool to_head) {
  Response response;
  response.head = receive_until("\r\n\r\n");
  if (!response.head.ends_with("\r\n\r\n")) return response;
  std::from_chars(response.head.data() + 9, response.head.data() + 12, response.status);
  for (auto at = response.head.find("\r\n") + 2; at + 2 < response.head.size();) {
    const auto end = response.head.find("\r\n", at);
    const auto colon = response.head.find(": ", at);
    response.fields.emplace(lower(response.head.substr(at, colon - at)),
                            response.head.substr(colon + 2, end - colon - 2));
    at = end + 2;
  }
  const bool has_none = to_head || response.status < 200 || response.status == 204 || response.status == 304;
  const auto length = response.field("content-length");
  if (has_none) {
    response.is_whole = true;
  } else if (response.field("transfer-encoding") == "chunked") {
    take_chunks(response);
  } else if (!length.empty()) {
    response.body = receive(std::stoul(length));
    response.is_whole = response.body.size() == std::stoul(length);
  } else {
    response.body = receive_to_end();
    response.is_whole = !was_reset_;
  }
  return response;
}

void Peer::take_chunks(Response& response) {
  for (;;) {
    const auto line = receive_until("\r\n");
    if (!line.ends_with("\r\n")) return;
    const auto size = std::stoul(line, nullptr, 16);
    const auto data = receive(size + 2);
    if (data.size() != size + 2) return;
    response.body += data.substr(0, size);
    if (size == 0) {
      response.is_whole = true;
      return;
    }
  }
}

bool Peer::has_input() {
  take();
  return !received_.empty();
}

bool Peer::is_at_end() {
  take();
  return at_end_ && received_.empty();
}

bool Peer::await_end() {
  const bool ended = take_until([&] {
    received_.clear();
    return at_end_;
  });
  return ended;
}

void Peer::shutdown() {
  ::shutdown(descriptor_, SHUT_WR);
}

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Peer::close() {
  ssl_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void Peer::limit_buffers(int bytes) {
  test::limit_buffers(descriptor_, bytes);
}

PeerServer::PeerServer(std::string_view ip, int backlog) : address_(*Address::parse(ip, 0)), backlog_(backlog) {
  start_again();
}

void PeerServer::start_again() {
  descriptor_ = listen_on(address_, backlog_);
}

Peer PeerServer::accept() {
  if (!wait_for(descriptor_, POLLIN, SteadyClock::now() + kLimit)) ADD_FAILURE() << "nobody connects to the upstream";
  return Peer(::accept4(descriptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

bool PeerServer::has_caller() {
  return wait_for(descriptor_, POLLIN, SteadyClock::now() + kMoment);
}

void PeerServer::stop() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

}  // namespace hybridge::test
