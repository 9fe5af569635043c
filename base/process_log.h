// What the process says about itself: one line a message on standard error, as systemd's journal likes it.
//
// Any thread may log. A message is formatted by the caller and written by a thread of the log's own; when standard
// error is slower than that, the oldest waiting messages are dropped and counted, so no worker ever waits for it.
// Not for requests: those have the access log.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace hybridge {

namespace log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };

bool is_enabled(Level level);
// Control characters in the message are shown as \xNN and the lines after a newline are indented: what a client sent
// cannot forge a message.
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Level::kDebug)) write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Level::kInfo)) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Level::kWarn)) write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(Level::kError)) write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

// For what may happen ten thousand times a second and is worth saying once an interval. Any thread.
class Occasionally {
 public:
  explicit Occasionally(std::chrono::nanoseconds interval) : interval_(interval) {}

  // How often it happened since it was last said, this time included, when it is time to say so.
  std::optional<std::uint64_t> happened(std::chrono::steady_clock::time_point now, std::uint64_t times = 1);

 private:
  const std::chrono::nanoseconds interval_;
  std::atomic<std::uint64_t> unsaid_{0};
  std::atomic<std::int64_t> next_{0};  // steady nanoseconds
};

}  // namespace log

// Makes log::… write to a descriptor as long as it lives; one at a time, owned by main(), which ends it after every
// other thread. Before and after, messages go to standard error at once.
class ProcessLog {
 public:
  enum class Style : std::uint8_t {
    kAuto,     // kJournal when standard error is the journal's (JOURNAL_STREAM), else kPlain
    kJournal,  // "<6>message": the journal has the time
    kPlain,    // "2026-11-22T22:50:29.123Z info message"
  };

  explicit ProcessLog(log::Level level, Style style = Style::kAuto, int descriptor = 2);
  ~ProcessLog();  // writes what waits
  ProcessLog(const ProcessLog&) = delete;

  void set_level(log::Level level);
  std::size_t lost() const;  // messages dropped

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace hybridge
