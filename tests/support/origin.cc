#include "tests/support/origin.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

#include "tests/support/tls_pair.h"

namespace hybridge::test {

namespace {
constexpr std::string_view kEnd = "\r\n\r\n";
}

Origin::Origin(std::string answer, std::string_view end) : answer_(std::move(answer)), end_(end) {
  descriptors_.fill(-1);
  thread_ = std::thread([this] { run(); });
}

Origin::~Origin() {
  stops_ = true;
  thread_.join();
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

void Origin::run() {
  std::array<pollfd, kConnections + 1> watched{};
  while (!stops_) {
    for (std::size_t i = 0; i < kConnections; ++i) watched[i] = {descriptors_[i], POLLIN, 0};
    watched[kConnections] = {server_.descriptor(), POLLIN, 0};
    if (::poll(watched.data(), watched.size(), 20) <= 0) continue;
    for (std::size_t i = 0; i < kConnections; ++i) {
      if (watched[i].revents == 0 || serve(i)) continue;
      ::close(std::exchange(descriptors_[i], -1));
    }
    if (watched[kConnections].revents == 0) continue;
    const auto free = std::find(descriptors_.begin(), descriptors_.end(), -1);
    if (free == descriptors_.end()) continue;
    *free = ::accept4(server_.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    matched_[static_cast<std::size_t>(free - descriptors_.begin())] = 0;
    const int on = 1;
    setsockopt(*free, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

bool Origin::serve(std::size_t at) {
  std::array<char, 64 * 1024> buffer;
  const auto count = ::recv(descriptors_[at], buffer.data(), buffer.size(), 0);
  if (count <= 0) return count < 0 && errno == EAGAIN;
  for (const char byte : std::string_view(buffer.data(), static_cast<std::size_t>(count))) {
    auto& matched = matched_[at];
    matched = byte == end_[static_cast<std::size_t>(matched)] ? matched + 1 : (byte == end_[0] ? 1 : 0);
    if (matched < 4) continue;
    matched = 0;
    answered_.fetch_add(1, std::memory_order_relaxed);
    if (::send(descriptors_[at], answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) return false;
  }
  return true;
}

LoadClient::LoadClient(const Address& address, std::string request, bool with_tls)
    : request_(std::move(request)), descriptor_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (::connect(descriptor_, address.data(), address.size()) < 0) ADD_FAILURE() << "cannot connect: errno " << errno;
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (!with_tls) return;
  context_ = any_client();
  ssl_ = client_of(context_.get(), "a.test");
  SSL_set_fd(ssl_.get(), descriptor_);
  int done = 0;
  do {
    errno = 0;
    done = SSL_do_handshake(ssl_.get());
  } while (done != 1 && errno == EINTR);  // what has a time limit (above) is not begun again by the kernel
  EXPECT_EQ(done, 1);
}

void LoadClient::await_bytes() const {
  pollfd descriptor{.fd = descriptor_, .events = POLLIN, .revents = 0};
  while (::poll(&descriptor, 1, 20'000) < 0 && errno == EINTR) {
  }
}

void LoadClient::say_goodbye() {
  ::shutdown(descriptor_, SHUT_WR);
  while (receive_some(buffer_.data(), buffer_.size()) > 0) {
  }
}

LoadClient::~LoadClient() {
  ::close(descriptor_);
}

std::size_t LoadClient::receive_some(char* to, std::size_t bytes) {
  for (;;) {
    std::size_t count = 0;
    if (ssl_) {
      if (SSL_read_ex(ssl_.get(), to, bytes, &count) == 1) return count;
    } else if (const auto received = ::recv(descriptor_, to, bytes, 0); received >= 0) {
      return static_cast<std::size_t>(received);
    }
    if (errno != EINTR) return 0;  // a ring that ends interrupts the thread that made it
  }
}

bool LoadClient::send(std::string_view bytes) {
  if (ssl_) {
    std::size_t count = 0;
    return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count) == 1;
  }
  return ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
}

bool LoadClient::receive(std::size_t bytes) {
  for (std::size_t got = 0; got < bytes;) {
    const auto count = receive_some(buffer_.data() + got, bytes - got);
    if (count == 0) return false;
    got += count;
  }
  return true;
}

int LoadClient::get() {
  if (!send(request_)) return 0;
  if (answer_bytes_ == 0) {
    // The first tells how long all of them are.
    std::string_view seen;
    std::size_t body = 0;
    for (std::size_t got = 0;;) {
      const auto count = receive_some(buffer_.data() + got, buffer_.size() - got);
      if (count == 0) return 0;
      got += count;
      seen = {buffer_.data(), got};
      const auto end = seen.find(kEnd);
      if (end == std::string_view::npos) continue;
      const auto length = seen.find("Content-Length: ");
      std::from_chars(seen.data() + length + 16, seen.data() + end, body);
      if (got >= end + 4 + body) break;
    }
    answer_bytes_ = seen.size();
  } else if (!receive(answer_bytes_)) {
    return 0;
  }
  int status = 0;
  std::from_chars(buffer_.data() + 9, buffer_.data() + 12, status);
  return status;
}

bool LoadClient::get_pipelined(int requests) {
  if (answer_bytes_ == 0 && get() == 0) return false;
  if (pipelined_.size() != request_.size() * static_cast<std::size_t>(requests)) {
    pipelined_.clear();
    for (int i = 0; i < requests; ++i) pipelined_ += request_;
  }
  if (!send(pipelined_)) return false;
  return receive(answer_bytes_ * static_cast<std::size_t>(requests));
}

}  // namespace hybridge::test
