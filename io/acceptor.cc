#include "io/acceptor.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/loop.h"

namespace hybridge {

namespace {
constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 16;

void set_option(int descriptor, int level, int name) {
  const int on = 1;
  setsockopt(descriptor, level, name, &on, sizeof on);
}

Error listen_error(const std::string& where, int error) {
  std::string detail = "cannot listen on " + where + ": " + std::strerror(error);
  if (error == EADDRINUSE) detail += " (another process has this port: `ss -ltnp` shows which)";
  if (error == EACCES) detail += " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
  if (error == EADDRNOTAVAIL) detail += " (it is not an address of this machine)";
  if (error == EAFNOSUPPORT) detail += " (this machine does not speak IPv6)";
  return make_error(Reason::kIo, std::move(detail));
}
}  // namespace

bool Acceptor::has_family(const Address& address) {
  const int probe = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return errno != EAFNOSUPPORT;
  ::close(probe);
  return true;
}

Result<void> Acceptor::check_free(const Address& address) {
  if (address.port() == 0) return {};
  // SO_REUSEPORT would let a second process of ours share the port in silence; without it the kernel tells.
  const int probe = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return listen_error(address.to_string(), errno);
  set_option(probe, SOL_SOCKET, SO_REUSEADDR);
  if (address.family() == AF_INET6) set_option(probe, IPPROTO_IPV6, IPV6_V6ONLY);
  const int error = bind(probe, address.data(), address.size()) < 0 ? errno : 0;
  ::close(probe);
  if (error != 0) return listen_error(address.to_string(), error);
  return {};
}

Result<int> Acceptor::listen(const Address& address) {
  const int descriptor = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return listen_error(address.to_string(), errno);
  set_option(descriptor, SOL_SOCKET, SO_REUSEADDR);
  set_option(descriptor, SOL_SOCKET, SO_REUSEPORT);
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY);  // which accepted connections inherit
  if (address.family() == AF_INET6) set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
  if (bind(descriptor, address.data(), address.size()) < 0 || ::listen(descriptor, kBacklog) < 0) {
    const int error = errno;
    ::close(descriptor);
    return listen_error(address.to_string(), error);
  }
  return descriptor;
}

Result<int> Acceptor::listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return make_error(Reason::kIo, "cannot listen on " + path + ": the path is longer than 107 bytes");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return listen_error(path, errno);
  // A socket file nobody listens on is what a killed process left behind.
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool is_live = connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  struct stat file;
  if (!is_live && lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) unlink(path.c_str());
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || chmod(path.c_str(), 0660) < 0 ||
      ::listen(descriptor, kBacklog) < 0) {
    const int error = errno;
    ::close(descriptor);
    return listen_error(path, error);
  }
  return descriptor;
}

Acceptor::Acceptor(Loop& loop, User& user, int descriptor)
    : loop_(loop), user_(user), resume_(loop.timers(), *this), descriptor_(descriptor) {}

Acceptor::~Acceptor() {
  if (is_watched_) loop_.driver().remove(*this);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Acceptor::start() {
  if (is_watched_) return;
  is_watched_ = true;
  loop_.driver().add(*this);
}

void Acceptor::pause() {
  resume_.disarm();
  if (is_watched_) loop_.driver().remove(*this);
  is_watched_ = false;
}

void Acceptor::stop() {
  pause();
  while (accept_one()) {
  }
  ::close(descriptor_);
  descriptor_ = -1;
}

Address Acceptor::local() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&storage), &length);
  return Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

void Acceptor::driver_acceptable() {
  for (int count = 0; count < kAcceptsPerTurn && is_watched_ && accept_one(); ++count) {
  }
}

bool Acceptor::accept_one() {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  const int connection =
      accept4(descriptor_, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0) {
    // A connection that was reset while it waited is no reason to stop.
    if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) return true;
    if (errno == EAGAIN) return false;
    if (is_watched_) {
      loop_.driver().remove(*this);
      is_watched_ = false;
      resume_.arm(loop_.now() + std::chrono::milliseconds(100));
    }
    user_.on_accept_failed(errno);
    return false;
  }
  if (storage.ss_family == AF_UNIX) {
    user_.on_accept(connection, Address::unix_peer());
  } else {
    user_.on_accept(connection, Address::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), length));
  }
  return true;
}

void Acceptor::on_timer() {
  if (descriptor_ >= 0 && !is_watched_) start();
}

}  // namespace hybridge
