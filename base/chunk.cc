#include "base/chunk.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace hybridge {

ChunkPool::~ChunkPool() {
  assert(in_use_ == 0);
  while (free_) {
    auto* next = free_->next;
    delete free_;
    free_ = next;
  }
}

Chunk* ChunkPool::take() {
  ++in_use_;
  if (!free_) {
    auto* chunk = new Chunk;  // the bytes stay uninitialised: they are written before they are read
    return chunk;
  }
  auto* chunk = free_;
  free_ = chunk->next;
  --free_count_;
  chunk->next = nullptr;
  chunk->begin = chunk->end = 0;
  return chunk;
}

void ChunkPool::give(Chunk* chunk) noexcept {
  --in_use_;
  if (free_count_ == kept_) {
    delete chunk;
    return;
  }
  ++free_count_;
  chunk->next = free_;
  free_ = chunk;
}

void ChunkQueue::append(std::span<const std::uint8_t> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (!last_ || last_->end == Chunk::kBytes) {
      auto* chunk = pool_.take();
      (last_ ? last_->next : first_) = chunk;
      last_ = chunk;
    }
    const auto count = std::min<std::size_t>(bytes.size(), Chunk::kBytes - last_->end);
    std::memcpy(last_->bytes + last_->end, bytes.data(), count);
    last_->end += static_cast<std::uint32_t>(count);
    bytes = bytes.subspan(count);
  }
}

std::size_t ChunkQueue::peek(iovec* pieces, std::size_t max) const {
  std::size_t count = 0;
  for (auto* chunk = first_; chunk && count < max; chunk = chunk->next) {
    pieces[count++] = {chunk->bytes + chunk->begin, chunk->end - chunk->begin};
  }
  return count;
}

void ChunkQueue::consume(std::size_t bytes) {
  assert(bytes <= size_);
  size_ -= bytes;
  while (bytes > 0) {
    const auto count = std::min<std::size_t>(bytes, first_->end - first_->begin);
    first_->begin += static_cast<std::uint32_t>(count);
    bytes -= count;
    if (first_->begin == first_->end) {
      auto* next = first_->next;
      pool_.give(first_);
      first_ = next;
      if (!first_) last_ = nullptr;
    }
  }
}

void ChunkQueue::swap(ChunkQueue& other) noexcept {
  assert(&pool_ == &other.pool_);
  std::swap(first_, other.first_);
  std::swap(last_, other.last_);
  std::swap(size_, other.size_);
}

void ChunkQueue::clear() {
  while (first_) {
    auto* next = first_->next;
    pool_.give(first_);
    first_ = next;
  }
  last_ = nullptr;
  size_ = 0;
}

}  // namespace hybridge
