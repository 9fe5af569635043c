#include "proxy/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace hybridge {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct ProcessStat {  // proc(5), /proc/pid/stat
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};

std::optional<ProcessStat> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The second field is the program's name in parentheses and may itself hold both spaces and parentheses.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  ProcessStat stat;
  fields >> stat.user_ticks >> stat.system_ticks;
  for (int field = 16; field < 20; ++field) fields >> skipped;
  fields >> stat.threads >> skipped >> stat.start_ticks >> stat.virtual_bytes >> stat.resident_pages;
  if (!fields) return std::nullopt;
  return stat;
}

std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<double> open_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (!directory) return std::nullopt;
  double count = -1;  // the one that reads the directory
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(directory);
  return count;
}

void append(std::vector<MetricFamily>& families, const char* name, const char* help, MetricType type, double value) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  auto& metric = family.metric.emplace_back();
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  families.push_back(std::move(family));
}

}  // namespace

void append_process_metrics(std::vector<MetricFamily>& families) {
  if (const auto stat = read_stat()) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    append(families, "process_cpu_seconds_total", "Processor time of the process, user and system.",
           MetricType::Counter, static_cast<double>(stat->user_ticks + stat->system_ticks) / ticks);
    append(families, "process_resident_memory_bytes", "Memory of the process that is resident.", MetricType::Gauge,
           static_cast<double>(stat->resident_pages) * page);
    append(families, "process_virtual_memory_bytes", "Address space of the process.", MetricType::Gauge,
           static_cast<double>(stat->virtual_bytes));
    append(families, "process_threads", "Threads of the process.", MetricType::Gauge,
           static_cast<double>(stat->threads));
    if (const auto boot = boot_time()) {
      append(families, "process_start_time_seconds", "When the process began, in seconds of the Unix epoch.",
             MetricType::Gauge, *boot + static_cast<double>(stat->start_ticks) / ticks);
    }
  }
  if (const auto open = open_descriptors()) {
    append(families, "process_open_fds", "File descriptors that are open.", MetricType::Gauge, *open);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    append(families, "process_max_fds", "File descriptors that may be open.", MetricType::Gauge,
           static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace hybridge
