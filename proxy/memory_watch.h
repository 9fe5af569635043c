// Whether the process is near the memory that it may use, so that nobody new is taken in before the kernel ends
// everybody. What the allocator merely keeps does not count: it is given back before anybody is refused.
//
// One a process, asked about once a second by one thread.
#pragma once

#include <cstdint>
#include <string>

namespace hybridge {

class MemoryWatch {
 public:
  // What the process may use, of the machine or of its cgroups (version 2), whichever is less. Bytes.
  static std::uint64_t available(const std::string& proc = "/proc", const std::string& cgroups = "/sys/fs/cgroup");

  // `most`: bytes; 0: nine tenths of available().
  explicit MemoryWatch(std::uint64_t most);

  // Looks. True while more than `most` is in use, and until it has fallen a twentieth below.
  bool look();
  bool is_short() const { return is_short_; }
  std::uint64_t most() const { return most_; }

 private:
  const std::uint64_t most_;
  bool is_short_ = false;
};

}  // namespace hybridge
