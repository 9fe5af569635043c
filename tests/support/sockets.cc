#include "tests/support/sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace hybridge::test {

void set_option(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

void limit_buffers(int descriptor, int bytes) {
  set_option(descriptor, SOL_SOCKET, SO_RCVBUF, bytes);
  set_option(descriptor, SOL_SOCKET, SO_SNDBUF, bytes);
}

int listen_on(Address& address, int backlog) {
  const int descriptor = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(descriptor, address.data(), address.size()) < 0 || ::listen(descriptor, backlog) < 0) {
    ADD_FAILURE() << "cannot listen on " << address.to_string() << ": errno " << errno;
    ::close(descriptor);
    return -1;
  }
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &length);
  address = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length);
  return descriptor;
}

}  // namespace hybridge::test
