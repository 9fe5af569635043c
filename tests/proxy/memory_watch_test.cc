#include "proxy/memory_watch.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

namespace hybridge::test {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(MemoryWatch, TakesTheLeastOfTheMachineAndItsGroups) {
  const TemporaryDirectory directory;
  const std::filesystem::path root = directory.path();
  write(root / "proc/meminfo", "MemTotal:        4096 kB\nMemFree:  1 kB\n");
  write(root / "proc/self/cgroup", "0::/system.slice/hybridge.service\n");
  const auto available = [&] { return MemoryWatch::available(root / "proc", root / "cgroup"); };
  EXPECT_EQ(available(), 4096u * 1024);  // no groups
  write(root / "cgroup/system.slice/hybridge.service/memory.max", "max\n");
  write(root / "cgroup/system.slice/memory.max", "2097152\n");
  EXPECT_EQ(available(), 2097152u);
  write(root / "cgroup/memory.max", "1048576\n");
  EXPECT_EQ(available(), 1048576u);
}

TEST(MemoryWatch, IsShortWhileMoreIsInUseThanAllowed) {
  constexpr std::size_t kUsed = 128 << 20;
  MemoryWatch scale(0);
  EXPECT_FALSE(scale.look());
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  statm >> pages >> pages;
  MemoryWatch watch(pages * 4096 + (64 << 20));
  EXPECT_FALSE(watch.look());
  // Mapped by ourselves: what is freed to an allocator may stay in use.
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void* const used = ::mmap(nullptr, kUsed, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  ASSERT_NE(used, MAP_FAILED);
  EXPECT_TRUE(watch.look());
  EXPECT_TRUE(watch.is_short());
  ASSERT_EQ(::munmap(used, kUsed), 0);
  EXPECT_FALSE(watch.look());
}

}  // namespace
}  // namespace hybridge::test
