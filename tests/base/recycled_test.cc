#include "base/recycled.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace hybridge {
namespace {

TEST(Recycled, IsAlignedAndWholeWhateverItsSize) {
  std::vector<std::pair<void*, std::size_t>> taken;
  for (std::size_t bytes = 1; bytes <= 10'000; bytes += 7) {
    auto* const memory = take_recycled(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t), 0U);
    std::memset(memory, static_cast<int>(bytes & 0xff), bytes);
    taken.emplace_back(memory, bytes);
  }
  for (const auto& [memory, bytes] : taken) {
    const auto* const first = static_cast<const unsigned char*>(memory);
    EXPECT_EQ(first[0], bytes & 0xff);
    EXPECT_EQ(first[bytes - 1], bytes & 0xff) << "somebody else's";
    give_recycled(memory, bytes);
  }
}

TEST(Recycled, MayBeGivenBackByAnotherThread) {
  std::set<void*> taken;
  for (int i = 0; i < 1'000; ++i) taken.insert(take_recycled(200));
  EXPECT_EQ(taken.size(), 1'000U);
  std::thread([&] {
    for (auto* const memory : taken) give_recycled(memory, 200);
  }).join();
}

TEST(Recycled, IsUsedAgain) {
  if (!kRecycles) GTEST_SKIP() << "AddressSanitizer is to see each use after the end";
  auto* const memory = take_recycled(1'000);
  give_recycled(memory, 1'000);
  EXPECT_EQ(take_recycled(990), memory) << "of the same size, rounded up";
  give_recycled(memory, 990);
}

}  // namespace
}  // namespace hybridge
