#include "proxy/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace hybridge {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kBatchMs = 100;    // lines wait this long for company
constexpr int kAsleepMs = 1000;  // bounds what a call lost to memory ordering costs
constexpr seconds kOpenAgain{10};
constexpr seconds kSayAgain{60};

std::uint64_t count_lines(std::string_view bytes) {
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

int open_path(const std::string& path) {
  if (const int standard = standard_stream(path); standard >= 0) return ::fcntl(standard, F_DUPFD_CLOEXEC, 3);
  std::error_code ignored;  // open() says it better
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  // Not blocking, so that a FIFO without a reader is an error instead of an end.
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (file >= 0) ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) & ~O_NONBLOCK);
  return file;
}

}  // namespace

int standard_stream(std::string_view path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  return path == "/dev/stderr" ? STDERR_FILENO : -1;
}

AccessLog::Lane::Lane(AccessLog& log, const Config::AccessLog& config)
    : log_(log),
      format_(config.format),
      capacity_(std::bit_floor(static_cast<std::size_t>(config.buffer))),
      bytes_(std::make_unique_for_overwrite<char[]>(log.is_on() ? capacity_ : 0)) {}

void AccessLog::Lane::write(const ExchangeRecord& record) {
  if (!log_.is_on()) return;
  if (!push(format_.line(record))) dropped_.add();
  // A stale look is bounded by kAsleepMs; a fence for every line would cost more than the line.
  if (log_.is_asleep_.load(std::memory_order_relaxed)) log_.call();
}

bool AccessLog::Lane::push(std::string_view line) {
  const auto written = written_.load(std::memory_order_relaxed);
  if (written + line.size() - known_read_ > capacity_ / 2) {
    known_read_ = read_.load(std::memory_order_acquire);
    const auto used = written + line.size() - known_read_;
    if (used > capacity_ / 2 && !has_called_) {
      has_called_ = true;
      log_.call();
    } else if (used <= capacity_ / 2) {
      has_called_ = false;
    }
    if (used > capacity_) return false;
  }
  const auto at = static_cast<std::size_t>(written & (capacity_ - 1));
  const auto first = std::min(line.size(), capacity_ - at);
  std::memcpy(bytes_.get() + at, line.data(), first);
  std::memcpy(bytes_.get(), line.data() + first, line.size() - first);
  written_.store(written + line.size(), std::memory_order_release);
  return true;
}

AccessLog::AccessLog(const Config::AccessLog& config, std::size_t workers)
    : path_(config.path), failing_(kSayAgain), full_(kSayAgain), not_opened_(kSayAgain) {
  for (std::size_t i = 0; i < workers; ++i) lanes_.push_back(std::make_unique<Lane>(*this, config));
  if (!is_on()) return;
  bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (bell_ < 0) throw std::system_error(errno, std::generic_category(), "access log: eventfd");
  open_file();
  // Signals belong to main; SIGPIPE and SIGXFSZ of the file must not end the process.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

AccessLog::~AccessLog() {
  if (!is_on()) return;
  stops_ = true;
  call();
  thread_.join();
  close_file();
  ::close(bell_);
}

void AccessLog::reopen() {
  if (!is_on()) return;
  reopens_ = true;
  call();
}

void AccessLog::flush() {
  if (!is_on()) return;
  std::unique_lock lock(mutex_);
  const auto mine = ++flushes_asked_;
  call();
  flushed_.wait(lock, [&] { return flushes_done_ >= mine; });
}

std::uint64_t AccessLog::dropped() const {
  auto lines = dropped_.value();
  for (const auto& lane : lanes_) lines += lane->dropped_.value();
  return lines;
}

void AccessLog::run() {
  while (true) {
    // Asked before the lanes are read, so that what was written before the question is written.
    const bool stops = stops_;
    const bool reopens = reopens_.exchange(false);
    std::uint64_t asked = 0;
    {
      const std::lock_guard lock(mutex_);
      asked = flushes_asked_;
    }
    const bool was_busy = write_lanes();
    report_full_lanes();
    if (reopens) open_file();
    if (file_ < 0 && steady_clock::now() >= next_open_) open_file();
    {
      const std::lock_guard lock(mutex_);
      flushes_done_ = asked;
    }
    flushed_.notify_all();
    if (stops) return;
    is_asleep_.store(!was_busy, std::memory_order_relaxed);
    wait(was_busy ? kBatchMs : kAsleepMs);
    is_asleep_.store(false, std::memory_order_relaxed);
  }
}

bool AccessLog::write_lanes() {
  bool found = false;
  for (const auto& lane : lanes_) {
    const auto read = lane->read_.load(std::memory_order_relaxed);
    const auto size = static_cast<std::size_t>(lane->written_.load(std::memory_order_acquire) - read);
    if (size == 0) continue;
    found = true;
    const auto at = static_cast<std::size_t>(read & (lane->capacity_ - 1));
    const auto first = std::min(size, lane->capacity_ - at);
    write_batch({lane->bytes_.get() + at, first}, {lane->bytes_.get(), size - first});
    lane->read_.store(read + size, std::memory_order_release);
  }
  return found;
}

// Both together are whole lines.
void AccessLog::write_batch(std::string_view first, std::string_view second) {
  if (file_ < 0) return drop(first, second, 0, 0);
  if (needs_newline_) {
    if (::write(file_, "\n", 1) != 1) return drop(first, second, 0, errno);
    needs_newline_ = false;
  }
  std::size_t written = 0;
  while (written < first.size() + second.size()) {
    const auto rest = first.substr(std::min(written, first.size()));
    const auto more = second.substr(written > first.size() ? written - first.size() : 0);
    const iovec pieces[] = {{const_cast<char*>(rest.data()), rest.size()},
                            {const_cast<char*>(more.data()), more.size()}};
    const auto bytes = ::writev(file_, pieces, 2);
    if (bytes == 0) return drop(first, second, written, EIO);
    if (bytes > 0) {
      written += static_cast<std::size_t>(bytes);
    } else if (errno == EAGAIN) {
      // Somebody else made our standard output non-blocking; this thread may wait for it.
      pollfd output{file_, POLLOUT, 0};
      ::poll(&output, 1, kAsleepMs);
      if (!(output.revents & POLLOUT)) return drop(first, second, written, EAGAIN);
    } else if (errno != EINTR) {
      return drop(first, second, written, errno);
    }
  }
}

// What was not written is lost, and a line of which only the beginning was written is taken back.
void AccessLog::drop(std::string_view first, std::string_view second, std::size_t written, int error) {
  const auto done_first = first.substr(0, std::min(written, first.size()));
  const auto done_second = second.substr(0, written - done_first.size());
  const auto lines = count_lines(first) + count_lines(second) - count_lines(done_first) - count_lines(done_second);
  dropped_.add(lines);

  std::size_t partial = 0;
  if (const auto end = done_second.rfind('\n'); end != std::string_view::npos) {
    partial = done_second.size() - end - 1;
  } else {
    const auto last = done_first.rfind('\n');
    partial = done_second.size() + done_first.size() - (last == std::string_view::npos ? 0 : last + 1);
  }
  if (partial > 0) needs_newline_ = !cut(partial);
  if (error == 0) return;  // not opened: already said
  if (const auto times = failing_.happened(steady_clock::now(), lines)) {
    log::error("access log: {} lines lost: {}: {}", *times, path_, std::strerror(error));
  }
}

// Takes the last bytes back, unless somebody else has appended since (another process during a handover).
bool AccessLog::cut(std::size_t bytes) {
  struct stat status {};
  const auto end = ::lseek(file_, 0, SEEK_CUR);
  if (end < 0 || ::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != end) return false;
  return ::ftruncate(file_, end - static_cast<off_t>(bytes)) == 0;
}

void AccessLog::report_full_lanes() {
  std::uint64_t lines = 0;
  for (const auto& lane : lanes_) lines += lane->dropped_.value();
  const auto fresh = lines - reported_full_;
  if (fresh == 0) return;
  reported_full_ = lines;
  if (const auto times = full_.happened(steady_clock::now(), fresh)) {
    log::error("access log: {} lines lost: {} takes them more slowly than they come", *times, path_);
  }
}

void AccessLog::open_file() {
  next_open_ = steady_clock::now() + kOpenAgain;
  const int opened = open_path(path_);
  if (opened < 0) {
    const int error = errno;
    if (not_opened_.happened(steady_clock::now())) {
      log::error("access log: {}: {}{}", path_, std::strerror(error),
                 file_ < 0 ? "; lines are lost until it can be opened" : "; the file open before is kept");
    }
    return;
  }
  close_file();
  file_ = opened;
  needs_newline_ = false;
}

void AccessLog::close_file() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

void AccessLog::call() {
  is_asleep_.store(false, std::memory_order_relaxed);  // one call a sleep is enough
  const std::uint64_t one = 1;
  // It can only fail when the bell has rung 2^64 - 1 times.
  [[maybe_unused]] const auto written = ::write(bell_, &one, sizeof one);
}

void AccessLog::wait(int milliseconds) {
  pollfd bell{bell_, POLLIN, 0};
  ::poll(&bell, 1, milliseconds);
  std::uint64_t calls = 0;
  [[maybe_unused]] const auto read = ::read(bell_, &calls, sizeof calls);
}

}  // namespace hybridge
