#include "admin/socket_client.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace hybridge {

namespace {
constexpr std::chrono::seconds kPatience{60};
}

Result<PlainAnswer> ask_admin(const std::string& socket, const std::string& target, const std::string& method,
                              const std::string& body) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof address.sun_path) {
    return make_error(Reason::kInvalid, "admin.socket is not configured, or its path is too long");
  }
  socket.copy(address.sun_path, socket.size());
  const Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return make_error(Reason::kIo, socket + ": no hybridge answers there: " + std::strerror(errno));
  }
  auto request = method + ' ' + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (method != "GET") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n" + body;
  return call_over(descriptor, socket, request, kPatience);
}

}  // namespace hybridge
