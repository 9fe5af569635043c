#include "bench/load/generator/drain.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace hybridge::bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kLine = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

void drain(const std::string& socket, const std::string& file) {
  const int log = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) fail(file);
  const int source = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) throw std::runtime_error(socket + ": too long for a Unix socket");
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (source < 0 || ::bind(source, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail(socket);
  const int room = 8 << 20;
  setsockopt(source, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);

  std::vector<char> lines(kBatch * kLine);
  std::vector<char> out;
  std::array<iovec, kBatch> pieces{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    pieces[i] = {lines.data() + i * kLine, kLine};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    const int count = recvmmsg(source, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count < 0 && errno != EINTR) fail("recvmmsg");
    out.clear();
    for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
      const char* line = lines.data() + i * kLine;
      out.insert(out.end(), line, line + messages[i].msg_len);
      if (out.empty() || out.back() != '\n') out.push_back('\n');
    }
    if (::write(log, out.data(), out.size()) < 0) fail(file);
  }
}

}  // namespace hybridge::bench
