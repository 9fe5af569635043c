#include "base/chunk.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace hybridge {
namespace {

std::vector<std::uint8_t> bytes(std::size_t count, std::uint8_t first = 0) {
  std::vector<std::uint8_t> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<std::uint8_t>(first + i * 7);
  return result;
}

std::vector<std::uint8_t> contents(const ChunkQueue& queue) {
  std::array<iovec, 64> pieces;
  const auto count = queue.peek(pieces.data(), pieces.size());
  std::vector<std::uint8_t> result;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* begin = static_cast<const std::uint8_t*>(pieces[i].iov_base);
    result.insert(result.end(), begin, begin + pieces[i].iov_len);
  }
  return result;
}

TEST(ChunkQueue, KeepsTheOrderOfWhatIsAppended) {
  ChunkPool pool;
  ChunkQueue queue(pool);
  const auto first = bytes(100);
  const auto second = bytes(40'000, 3);
  queue.append(first);
  queue.append(second);
  auto expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(queue.size(), expected.size());
  EXPECT_EQ(contents(queue), expected);
}

TEST(ChunkQueue, ConsumesAcrossChunks) {
  ChunkPool pool;
  ChunkQueue queue(pool);
  auto expected = bytes(50'000);
  queue.append(expected);
  for (const std::size_t count : {1UL, 16'000UL, 1'000UL, 20'000UL}) {
    queue.consume(count);
    expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(count));
    EXPECT_EQ(contents(queue), expected);
  }
  queue.consume(queue.size());
  EXPECT_TRUE(queue.empty());
}

TEST(ChunkQueue, TakesNothingWhileItIsEmpty) {
  ChunkPool pool;
  ChunkQueue queue(pool);
  EXPECT_EQ(pool.in_use(), 0U);
  queue.append(bytes(1));
  EXPECT_EQ(pool.in_use(), 1U);
  queue.consume(1);
  EXPECT_EQ(pool.in_use(), 0U);
  queue.append(bytes(100'000));
  EXPECT_EQ(pool.in_use(), (100'000 + Chunk::kBytes - 1) / Chunk::kBytes);
  queue.clear();
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_TRUE(queue.empty());
}

TEST(ChunkQueue, FillsAChunkBeforeItTakesAnother) {
  ChunkPool pool;
  ChunkQueue queue(pool);
  for (std::size_t i = 0; i < Chunk::kBytes; ++i) queue.append(bytes(1));
  EXPECT_EQ(pool.in_use(), 1U);
  queue.append(bytes(1));
  EXPECT_EQ(pool.in_use(), 2U);
}

TEST(ChunkQueue, PeeksAtNoMorePiecesThanAskedFor) {
  ChunkPool pool;
  ChunkQueue queue(pool);
  queue.append(bytes(10 * Chunk::kBytes));
  std::array<iovec, 3> pieces;
  EXPECT_EQ(queue.peek(pieces.data(), pieces.size()), 3U);
  EXPECT_EQ(pieces[0].iov_len, Chunk::kBytes);
}

TEST(ChunkPool, KeepsNoMoreThanItWasTold) {
  ChunkPool pool(2);
  std::vector<Chunk*> chunks;
  for (int i = 0; i < 5; ++i) chunks.push_back(pool.take());
  for (auto* chunk : chunks) pool.give(chunk);
  EXPECT_EQ(pool.in_use(), 0U);
  auto* again = pool.take();
  EXPECT_EQ(again, chunks[1]) << "the last one kept comes first";
  EXPECT_EQ(again->begin, again->end);
  pool.give(again);
}

}  // namespace
}  // namespace hybridge
