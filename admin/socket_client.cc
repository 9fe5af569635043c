#include "admin/socket_client.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/descriptor.h"
#include "proxy/http/http1_parser.h"

namespace hybridge {

namespace {
constexpr std::string_view kEndOfHead = "\r\n\r\n";

Error failed(const std::string& socket, const char* what) {
  return make_error(Reason::kIo, socket + ": " + what + ": " + std::strerror(errno));
}
}  // namespace

Result<SocketAnswer> ask_admin(const std::string& socket, const std::string& target, const std::string& method) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.empty() || socket.size() >= sizeof address.sun_path) {
    return make_error(Reason::kInvalid, "admin.socket is not configured, or its path is too long");
  }
  socket.copy(address.sun_path, socket.size());
  const Descriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return failed(socket, "no hybridge answers there");
  }
  const auto request =
      method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  if (::send(descriptor.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return failed(socket, "cannot be written to");
  }
  std::string bytes;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const auto count = ::recv(descriptor.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(socket, "cannot be read");
    if (count == 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
  }
  const auto end = bytes.find(kEndOfHead);
  http::ResponseHead head;
  if (end == std::string::npos ||
      !http::parse_response_head(head, std::string_view(bytes).substr(0, end + kEndOfHead.size()), http::Method::kGet,
                                 {})) {
    return make_error(Reason::kIo, socket + ": the answer broke off");
  }
  SocketAnswer answer{head.status, bytes.substr(end + kEndOfHead.size())};
  if (head.content_length && *head.content_length != answer.body.size()) {
    return make_error(Reason::kIo, socket + ": the answer broke off");
  }
  return answer;
}

}  // namespace hybridge
