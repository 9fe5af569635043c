#include "base/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace hybridge {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

// A newline would begin another assignment.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

ServiceNotifier ServiceNotifier::from_environment() {
  std::optional<std::chrono::microseconds> watchdog;
  const auto process = number(environment("WATCHDOG_PID"));
  if (!process || *process == ::getpid()) {
    if (const auto interval = number(environment("WATCHDOG_USEC"))) watchdog = std::chrono::microseconds{*interval};
  }
  return ServiceNotifier(std::string(environment("NOTIFY_SOCKET")), watchdog);
}

ServiceNotifier::ServiceNotifier(std::string socket, std::optional<std::chrono::microseconds> watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {
  if (!socket_.empty()) descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

ServiceNotifier::~ServiceNotifier() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ServiceNotifier::ServiceNotifier(ServiceNotifier&& other) noexcept
    : socket_(std::move(other.socket_)),
      watchdog_(other.watchdog_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

bool ServiceNotifier::ready(std::string_view status) const {
  return send(status.empty() ? "READY=1" : "READY=1\nSTATUS=" + one_line(status));
}

bool ServiceNotifier::reloading() const {
  // Type=notify-reload asks for the time, so that it can tell this reload's READY from an earlier one.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto microseconds = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

bool ServiceNotifier::stopping() const {
  return send("STOPPING=1");
}

bool ServiceNotifier::alive() const {
  return send("WATCHDOG=1");
}

bool ServiceNotifier::status(std::string_view text) const {
  return send("STATUS=" + one_line(text));
}

bool ServiceNotifier::main_process(pid_t process) const {
  return send("MAINPID=" + std::to_string(process));
}

bool ServiceNotifier::send(const std::string& message) const {
  if (socket_.empty()) return true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (descriptor_ < 0 || socket_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  // '@' stands for the NUL that begins a name of the abstract namespace, which is not terminated by another.
  const bool is_abstract = socket_.front() == '@';
  if (is_abstract) address.sun_path[0] = '\0';
  const auto size = offsetof(sockaddr_un, sun_path) + socket_.size() + (is_abstract ? 0 : 1);
  ssize_t sent = 0;
  do {
    sent = ::sendto(descriptor_, message.data(), message.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(message.size());
}

}  // namespace hybridge
