#include "io/socket_send.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/transport.h"

namespace hybridge {

namespace {

// One piece alone (a request's head, nearly always) is spared what the kernel does for a list.
ssize_t send_pieces(int descriptor, std::span<iovec> pieces) {
  if (pieces.size() == 1) return ::send(descriptor, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

}  // namespace

Sent send_at_once(Transport& transport, std::span<const std::uint8_t> more) {
  Sent result{.of_more = 0, .takes_more = true};
  while (!transport.output().empty() || result.of_more < more.size()) {
    std::array<iovec, 17> pieces;
    auto count = transport.output().peek(pieces.data(), pieces.size() - 1);
    const auto queued = transport.output().size();
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) offered += pieces[i].iov_len;
    if (offered == queued && result.of_more < more.size()) {
      const auto rest = more.subspan(result.of_more);
      pieces[count++] = {const_cast<std::uint8_t*>(rest.data()), rest.size()};
      offered += rest.size();
    }
    const auto sent = send_pieces(transport.descriptor(), {pieces.data(), count});
    if (sent < 0) {
      if (errno == EINTR) continue;
      result.takes_more = false;
      if (errno == EAGAIN) {
        transport.driver_blocked();
      } else {
        transport.driver_send_failed(errno);
      }
      break;
    }
    const auto from_queue = std::min(static_cast<std::size_t>(sent), queued);
    transport.output().consume(from_queue);
    result.of_more += static_cast<std::size_t>(sent) - from_queue;
    transport.driver_progressed(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < offered) {
      result.takes_more = false;
      transport.driver_blocked();
      break;
    }
  }
  return result;
}

int pending_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

}  // namespace hybridge
