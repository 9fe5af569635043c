#include "proxy/memory_watch.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>

namespace hybridge {

namespace {
constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();

// The number a text begins with, behind blanks; kNoLimit: none (`max`).
std::uint64_t number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc{} ? value : kNoLimit;
}

std::string line_of(const std::string& path, std::string_view beginning) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(beginning)) return line.substr(beginning.size());
  }
  return {};
}

std::uint64_t machine_memory(const std::string& proc) {
  const auto kib = number(line_of(proc + "/meminfo", "MemTotal:"));
  return kib == kNoLimit ? kNoLimit : kib * 1024;
}

// Each group up to the root may have a limit of its own.
std::uint64_t cgroup_memory(const std::string& proc, const std::string& cgroups) {
  auto group = line_of(proc + "/self/cgroup", "0::");
  auto least = kNoLimit;
  for (;;) {
    least = std::min(least, number(line_of(cgroups + group + "/memory.max", "")));
    const auto slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

std::uint64_t resident() {
  const auto statm = line_of("/proc/self/statm", "");
  const auto pages = number(std::string_view(statm).substr(std::min(statm.find(' '), statm.size())));
  return pages == kNoLimit ? 0 : pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}
}  // namespace

std::uint64_t MemoryWatch::available(const std::string& proc, const std::string& cgroups) {
  return std::min(machine_memory(proc), cgroup_memory(proc, cgroups));
}

MemoryWatch::MemoryWatch(std::uint64_t most) : most_(most != 0 ? most : available() / 10 * 9) {}

bool MemoryWatch::look() {
  const auto bound = is_short_ ? most_ - most_ / 20 : most_;
  bool is_over = resident() > bound;
  if (is_over) {
    malloc_trim(0);
    is_over = resident() > bound;
  }
  return is_short_ = is_over;
}

}  // namespace hybridge
