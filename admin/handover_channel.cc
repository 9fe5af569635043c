#include "admin/handover_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstring>

namespace hybridge {

namespace {
// The kernel passes 253 descriptors at once; each lot travels with a byte of its own.
constexpr std::size_t kDescriptorsAtOnce = 128;
constexpr std::uint32_t kMostBytes = 256u << 20;  // a routing document of a million hosts
constexpr std::uint32_t kMostDescriptors = 1u << 16;

struct Head {
  std::uint32_t bytes = 0;
  std::uint32_t descriptors = 0;
};
static_assert(sizeof(Head) == 8);

Error failed(const char* what) {
  if (errno == EPIPE || errno == ECONNRESET) return make_error(HandoverChannel::kClosed, "the other process is gone");
  return make_error(Reason::kIo, std::string("the handover socket ") + what + ": " + std::strerror(errno));
}

std::size_t lots_of(std::size_t descriptors) {
  return (descriptors + kDescriptorsAtOnce - 1) / kDescriptorsAtOnce;
}

// Aligned for the kernel's control messages.
union Control {
  cmsghdr aligned;
  std::array<char, CMSG_SPACE(sizeof(int) * 256)> bytes;
};

void take_descriptors(msghdr& message, std::vector<Descriptor>& into) {
  for (auto* head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(head) + i * sizeof number, sizeof number);
      into.emplace_back(number);
    }
  }
}
}  // namespace

Result<std::pair<Descriptor, Descriptor>> HandoverChannel::make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) < 0) {
    return failed("cannot be made");
  }
  return std::pair{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<void> HandoverChannel::await(short events, TimePoint deadline) const {
  for (;;) {
    int wait = -1;
    if (deadline != kNever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return make_error(Reason::kIo, "the other process did not answer in time");
      wait = static_cast<int>(std::min<std::int64_t>(left, INT_MAX));
    }
    pollfd waiting{.fd = socket_.get(), .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, wait);
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return failed("cannot be waited for");
  }
}

Result<void> HandoverChannel::send_bytes(std::string_view bytes, std::span<const int> descriptors,
                                         TimePoint deadline) const {
  bool carries = !descriptors.empty();
  while (!bytes.empty()) {
    iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    Control control{};
    if (carries) {
      message.msg_control = control.bytes.data();
      message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
      auto* head = CMSG_FIRSTHDR(&message);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
      std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
    }
    const auto sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      if (auto waited = await(POLLOUT, deadline); !waited) return waited;
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return failed("cannot be written to");
    carries = false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> HandoverChannel::send(std::string_view text, std::span<const int> descriptors, TimePoint deadline) {
  const std::lock_guard lock(sending_);
  const Head head{static_cast<std::uint32_t>(text.size()), static_cast<std::uint32_t>(descriptors.size())};
  const std::string_view first(reinterpret_cast<const char*>(&head), sizeof head);
  if (auto sent = send_bytes(first, {}, deadline); !sent) return sent;
  while (!descriptors.empty()) {
    const auto lot = descriptors.first(std::min(descriptors.size(), kDescriptorsAtOnce));
    if (auto sent = send_bytes(std::string_view("\0", 1), lot, deadline); !sent) return sent;
    descriptors = descriptors.subspan(lot.size());
  }
  return send_bytes(text, {}, deadline);
}

Result<void> HandoverChannel::receive_bytes(char* into, std::size_t size, std::vector<Descriptor>& descriptors,
                                            TimePoint deadline) const {
  while (size > 0) {
    iovec piece{into, size};
    Control control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const auto count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EAGAIN) {
      if (auto waited = await(POLLIN, deadline); !waited) return waited;
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("cannot be read");
    if (count == 0) return make_error(kClosed, "the other process is gone");
    take_descriptors(message, descriptors);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
      return make_error(Reason::kIo, "no descriptor is left for what was handed over (ulimit -n)");
    }
    into += count;
    size -= static_cast<std::size_t>(count);
  }
  return {};
}

Result<HandoverChannel::Message> HandoverChannel::receive(TimePoint deadline) {
  Message message;
  Head head;
  auto got = receive_bytes(reinterpret_cast<char*>(&head), sizeof head, message.descriptors, deadline);
  if (!got) return got.error();
  if (head.bytes > kMostBytes || head.descriptors > kMostDescriptors) {
    return make_error(Reason::kInvalid, "the other process does not speak of a handover");
  }
  std::string carriers(lots_of(head.descriptors), '\0');
  got = receive_bytes(carriers.data(), carriers.size(), message.descriptors, deadline);
  if (!got) return got.error();
  message.text.resize(head.bytes);
  got = receive_bytes(message.text.data(), message.text.size(), message.descriptors, deadline);
  if (!got) return got.error();
  if (message.descriptors.size() != head.descriptors) {
    return make_error(Reason::kInvalid, "descriptors were lost on the way (ulimit -n)");
  }
  return message;
}

void HandoverChannel::shut_down() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace hybridge
