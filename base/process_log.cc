#include "base/process_log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <mutex>
#include <string>

namespace hybridge {
namespace {

constexpr std::size_t kQueue = 1024;  // messages; 400 bytes each are taken at once

spdlog::level::level_enum to_spdlog(log::Level level) {
  switch (level) {
    case log::Level::kDebug:
      return spdlog::level::debug;
    case log::Level::kInfo:
      return spdlog::level::info;
    case log::Level::kWarn:
      return spdlog::level::warn;
    case log::Level::kError:
      break;
  }
  return spdlog::level::err;
}

std::string_view name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

// syslog(3) priorities, as sd-daemon(3) prefixes them.
char priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::debug:
      return '7';
    case spdlog::level::info:
      return '6';
    case spdlog::level::warn:
      return '4';
    default:
      return '3';
  }
}

std::string time_of(std::chrono::system_clock::time_point when) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ms % 1000);
}

void append_printable(std::string& line, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // A list of faults has many lines; an indented one cannot be taken for a message.
    if (c == '\n') {
      line += "\n    ";
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // there is nowhere left to complain
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// JOURNAL_STREAM names the device and inode of the journal's socket; it may be inherited by a process whose standard
// error goes elsewhere, so both are compared.
bool is_journal(int descriptor) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (!stream || ::fstat(descriptor, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

template <class Mutex>
class DescriptorSink : public spdlog::sinks::base_sink<Mutex> {
 public:
  DescriptorSink(int descriptor, bool for_journal) : descriptor_(descriptor), for_journal_(for_journal) {}

  void watch(std::function<std::size_t()> lost) { lost_ = std::move(lost); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (const auto lost = lost_ ? lost_() : 0; lost > said_lost_) {
      emit(spdlog::level::warn, message.time, fmt::format("{} messages were lost before this one", lost - said_lost_));
      said_lost_ = lost;
    }
    emit(message.level, message.time, {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

  void emit(spdlog::level::level_enum level, std::chrono::system_clock::time_point when, std::string_view text) {
    line_.clear();
    if (for_journal_) {
      line_ += {'<', priority_of(level), '>'};
    } else {
      line_ += fmt::format("{} {} ", time_of(when), name_of(level));
    }
    append_printable(line_, text);
    line_ += '\n';
    write_all(descriptor_, line_);
  }

  int descriptor_;
  bool for_journal_;
  std::function<std::size_t()> lost_;
  std::size_t said_lost_ = 0;
  std::string line_;
};

void log_at_once(spdlog::level::level_enum level) {
  auto logger = std::make_shared<spdlog::logger>("hybridge", std::make_shared<DescriptorSink<std::mutex>>(2, false));
  logger->set_level(level);
  spdlog::set_default_logger(std::move(logger));
}

spdlog::logger& current() {
  // spdlog begins with a logger of its own, on standard output, which belongs to commands that print.
  static const bool ready = [] {
    if (spdlog::default_logger_raw()->name() != "hybridge") log_at_once(spdlog::level::info);
    return true;
  }();
  static_cast<void>(ready);
  return *spdlog::default_logger_raw();
}

}  // namespace

bool log::is_enabled(Level level) {
  return current().should_log(to_spdlog(level));
}

void log::write(Level level, std::string_view message) {
  current().log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

std::optional<std::uint64_t> log::Occasionally::happened(std::chrono::steady_clock::time_point now,
                                                         std::uint64_t times) {
  unsaid_.fetch_add(times, std::memory_order_relaxed);
  const auto nanoseconds = std::chrono::nanoseconds(now.time_since_epoch()).count();
  auto next = next_.load(std::memory_order_relaxed);
  if (nanoseconds < next) return std::nullopt;
  if (!next_.compare_exchange_strong(next, nanoseconds + interval_.count())) return std::nullopt;
  const auto unsaid = unsaid_.exchange(0, std::memory_order_relaxed);
  return unsaid > 0 ? std::optional(unsaid) : std::nullopt;
}

struct ProcessLog::Parts {
  std::shared_ptr<spdlog::details::thread_pool> pool = std::make_shared<spdlog::details::thread_pool>(kQueue, 1);
  std::shared_ptr<spdlog::async_logger> logger;
};

ProcessLog::ProcessLog(log::Level level, Style style, int descriptor) : parts_(std::make_unique<Parts>()) {
  const bool for_journal = style == Style::kJournal || (style == Style::kAuto && is_journal(descriptor));
  auto sink = std::make_shared<DescriptorSink<spdlog::details::null_mutex>>(descriptor, for_journal);
  sink->watch([pool = parts_->pool.get()] { return pool->overrun_counter(); });
  parts_->logger = std::make_shared<spdlog::async_logger>("hybridge", std::move(sink), parts_->pool,
                                                          spdlog::async_overflow_policy::overrun_oldest);
  parts_->logger->set_level(to_spdlog(level));
  spdlog::set_default_logger(parts_->logger);
}

ProcessLog::~ProcessLog() {
  log_at_once(parts_->logger->level());
  parts_->pool.reset();  // writes what waits, and is gone before the logger that it writes to
}

void ProcessLog::set_level(log::Level level) {
  parts_->logger->set_level(to_spdlog(level));
}

std::size_t ProcessLog::lost() const {
  return parts_->pool->overrun_counter();
}

}  // namespace hybridge
