// Tells systemd how the service is doing (sd_notify(3)), without libsystemd: one datagram a message.
//
// Made by main() from the environment; any thread may notify. Without a service manager every call is a no-op.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace hybridge {

class ServiceNotifier {
 public:
  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  static ServiceNotifier from_environment();
  explicit ServiceNotifier(std::string socket, std::optional<std::chrono::microseconds> watchdog = std::nullopt);
  ~ServiceNotifier();
  ServiceNotifier(ServiceNotifier&& other) noexcept;
  ServiceNotifier& operator=(ServiceNotifier&&) = delete;

  // True: the manager has it (or there is none).
  bool ready(std::string_view status = {}) const;
  bool reloading() const;  // answer with ready() when done
  bool stopping() const;
  bool alive() const;                        // the watchdog's
  bool status(std::string_view text) const;  // what `systemctl status` shows
  bool main_process(pid_t process) const;    // after a handover: whom to watch from now on

  // alive() must be called more often than this; nullopt: nobody watches.
  std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  bool send(const std::string& message) const;

  std::string socket_;
  std::optional<std::chrono::microseconds> watchdog_;
  int descriptor_ = -1;
};

}  // namespace hybridge
