#include "admin/plain_call.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "proxy/http/http1_parser.h"

namespace hybridge {

namespace {
constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::size_t kMostBytes = std::size_t{128} << 20;

Error failed(const std::string& peer, const char* what) {
  const bool is_late = errno == EAGAIN || errno == EWOULDBLOCK;
  return make_error(Reason::kIo, peer + ": " + what + ": " + (is_late ? "it took too long" : std::strerror(errno)));
}

void bound_waits(const Descriptor& socket, std::chrono::seconds patience) {
  const timeval bound{.tv_sec = patience.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
}

Result<PlainAnswer> read_answer(const std::string& bytes, const std::string& peer) {
  const auto broken = make_error(Reason::kIo, peer + ": the answer broke off");
  const auto end = bytes.find(kEndOfHead);
  if (end == std::string::npos) return broken;
  http::ResponseHead head;
  const auto text = std::string_view(bytes).substr(0, end + kEndOfHead.size());
  if (!http::parse_response_head(head, text, http::Method::kGet, {})) return broken;
  PlainAnswer answer;
  answer.status = head.status;
  answer.content_type = std::string(head.headers.value(http::HeaderId::kContentType));
  answer.body = bytes.substr(end + kEndOfHead.size());
  if (head.content_length && *head.content_length != answer.body.size()) return broken;
  return answer;
}
}  // namespace

Result<PlainAnswer> call_at(const Address& address, const std::string& peer, std::string_view request,
                            std::chrono::seconds patience) {
  const Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  bound_waits(socket, patience);
  if (::connect(socket.get(), address.data(), address.size()) < 0) {
    // tcp(7): what SO_SNDTIMEO ends is still in progress.
    const char* why = errno == EINPROGRESS ? "it took too long" : std::strerror(errno);
    return make_error(Reason::kIo, peer + " cannot be reached: " + why);
  }
  return call_over(socket, peer, request, patience);
}

Result<PlainAnswer> call_over(const Descriptor& socket, const std::string& peer, std::string_view request,
                              std::chrono::seconds patience) {
  bound_waits(socket, patience);
  while (!request.empty()) {
    const auto count = ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(peer, "cannot be written to");
    request.remove_prefix(static_cast<std::size_t>(count));
  }
  std::string bytes;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const auto count = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(peer, "cannot be read");
    if (count == 0) return read_answer(bytes, peer);
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() > kMostBytes) return make_error(Reason::kIo, peer + ": the answer has no end");
  }
}

}  // namespace hybridge
