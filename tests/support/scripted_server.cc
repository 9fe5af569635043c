#include "tests/support/scripted_server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/sockets.h"

namespace hybridge::test {

bool ScriptedConnection::take() {
  char buffer[65536];
  bool any = false;
  while (!at_end_ && descriptor_ >= 0) {
    const auto count = ::recv(descriptor_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) {
      received_.append(buffer, static_cast<std::size_t>(count));
      any = true;
    } else if (count == 0 || errno != EAGAIN) {
      at_end_ = true;
      was_reset_ = count < 0;
    } else {
      break;
    }
  }
  return any;
}

void ScriptedConnection::send(std::string_view bytes) {
  runner_.until([&] {
    while (!bytes.empty()) {
      const auto count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EAGAIN) return false;
      if (count < 0) {
        ADD_FAILURE() << "the peer cannot send: errno " << errno;
        return true;
      }
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  });
}

void ScriptedConnection::send_bytewise(std::string_view bytes) {
  for (const char byte : bytes) {
    send({&byte, 1});
    runner_.turns(2);
  }
}

std::string ScriptedConnection::receive(std::size_t bytes) {
  runner_.until([&] {
    take();
    return received_.size() >= bytes || at_end_;
  });
  auto result = received_.substr(0, bytes);
  received_.erase(0, result.size());
  return result;
}

std::string ScriptedConnection::receive_until(std::string_view end) {
  runner_.until([&] {
    take();
    return received_.find(end) != std::string::npos || at_end_;
  });
  const auto at = received_.find(end);
  auto result = received_.substr(0, at == std::string::npos ? at : at + end.size());
  received_.erase(0, result.size());
  return result;
}

std::string ScriptedConnection::receive_to_end() {
  runner_.until([&] {
    take();
    return at_end_;
  });
  return std::exchange(received_, {});
}

bool ScriptedConnection::is_at_end() {
  take();
  return at_end_ && received_.empty();
}

bool ScriptedConnection::has_input() {
  take();
  return !received_.empty();
}

void ScriptedConnection::shutdown() {
  ::shutdown(descriptor_, SHUT_WR);
}

void ScriptedConnection::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void ScriptedConnection::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void ScriptedConnection::limit_buffers(int bytes) {
  test::limit_buffers(descriptor_, bytes);
}

ScriptedServer::ScriptedServer(LoopRunner& runner, std::string_view ip, int backlog)
    : runner_(runner), address_(*Address::parse(ip, 0)), backlog_(backlog) {
  start_again();
}

void ScriptedServer::start_again() {
  descriptor_ = listen_on(address_, backlog_);
}

std::unique_ptr<ScriptedConnection> ScriptedServer::accept_now() {
  const int descriptor = ::accept4(descriptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return nullptr;
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  return std::make_unique<ScriptedConnection>(runner_, descriptor);
}

std::unique_ptr<ScriptedConnection> ScriptedServer::accept() {
  std::unique_ptr<ScriptedConnection> connection;
  runner_.until([&] {
    connection = accept_now();
    return connection != nullptr;
  });
  return connection;
}

void ScriptedServer::stop() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::unique_ptr<ScriptedConnection> connect_to(LoopRunner& runner, const Address& address) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, address.data(), address.size()) < 0) {
    ADD_FAILURE() << "cannot connect to " << address.to_string() << ": errno " << errno;
  }
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  return std::make_unique<ScriptedConnection>(runner, descriptor);
}

}  // namespace hybridge::test
