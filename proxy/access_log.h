// The access log: a line a request, formatted by the worker, written to the file by one thread of the log's own.
//
// Owned by the Server; outlives its workers. Each worker writes to its own lane, a ring of bytes between that worker
// and the writer thread: no lock, bounded memory. Nothing here makes a worker wait: when a lane is full or the file
// cannot be written, whole lines are dropped and counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/process_log.h"
#include "proxy/config.h"
#include "proxy/counters.h"
#include "proxy/exchange_record.h"
#include "proxy/log_format.h"

namespace hybridge {

// The descriptor that this path names, /dev/stdout or /dev/stderr; -1: another path. It is written to as it was
// inherited: it may be a socket (systemd's journal) or somebody else's pipe (a container's), which cannot be opened.
int standard_stream(std::string_view path);

class AccessLog {
 public:
  // One worker's end of the log.
  class alignas(64) Lane {
   public:
    Lane(AccessLog& log, const Config::AccessLog& config);
    void write(const ExchangeRecord& record);  // the worker's thread only

   private:
    friend class AccessLog;
    bool push(std::string_view line);

    AccessLog& log_;
    LogFormat format_;
    std::size_t capacity_;  // a power of two
    std::unique_ptr<char[]> bytes_;
    Counter dropped_;
    bool has_called_ = false;                         // since the lane was last less than half full
    std::uint64_t known_read_ = 0;                    // what the worker last saw of read_
    std::atomic<std::uint64_t> written_{0};           // bytes ever; the worker's
    alignas(64) std::atomic<std::uint64_t> read_{0};  // bytes ever; the writer thread's
  };

  // Opens the file, making its directory when that is missing. A file that cannot be opened is said in the process
  // log and tried again every ten seconds.
  AccessLog(const Config::AccessLog& config, std::size_t workers);
  ~AccessLog();  // writes what is there; no worker may write any more
  AccessLog(const AccessLog&) = delete;

  Lane& lane(std::size_t worker) { return *lanes_.at(worker); }
  bool is_on() const { return !path_.empty(); }

  // Any thread. Lines written before go to the file as it was opened, later ones to whatever has the path then.
  void reopen();
  void flush();                   // returns when every line written before was given to the file or dropped
  std::uint64_t dropped() const;  // lines

 private:
  void run();
  bool write_lanes();  // true: there was something
  void write_batch(std::string_view first, std::string_view second);
  void drop(std::string_view first, std::string_view second, std::size_t written, int error);
  bool cut(std::size_t bytes);
  void report_full_lanes();
  void open_file();
  void close_file();
  void call();  // wakes the writer thread
  void wait(int milliseconds);

  const std::string path_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Counter dropped_;  // by the writer thread

  // The writer thread's own.
  int file_ = -1;
  bool needs_newline_ = false;  // the file ends within a line
  std::chrono::steady_clock::time_point next_open_{};
  std::uint64_t reported_full_ = 0;
  log::Occasionally failing_;
  log::Occasionally full_;
  log::Occasionally not_opened_;

  int bell_ = -1;  // an eventfd
  std::atomic<bool> is_asleep_{false};
  std::atomic<bool> stops_{false};
  std::atomic<bool> reopens_{false};
  std::mutex mutex_;
  std::condition_variable flushed_;
  std::uint64_t flushes_asked_ = 0;
  std::uint64_t flushes_done_ = 0;
  std::thread thread_;
};

}  // namespace hybridge
