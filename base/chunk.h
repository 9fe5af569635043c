// Pooled memory for bytes on their way out: a queue of 16 KiB chunks that takes nothing while empty.
//
// A ChunkPool belongs to a worker and keeps a bounded number of free chunks; a ChunkQueue belongs to a connection of
// that worker. One thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hybridge {

struct Chunk {
  // A full TLS record with its header and tag, so that a record never straddles two chunks when it starts one.
  static constexpr std::size_t kBytes = 16 * 1024 + 512 - 16;
  Chunk* next = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::uint8_t bytes[kBytes];
};

class ChunkPool {
 public:
  explicit ChunkPool(std::size_t kept = 256) : kept_(kept) {}
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;

  Chunk* take();
  void give(Chunk* chunk) noexcept;
  std::size_t in_use() const { return in_use_; }

 private:
  Chunk* free_ = nullptr;
  std::size_t free_count_ = 0;
  std::size_t in_use_ = 0;
  std::size_t kept_;
};

class ChunkQueue {
 public:
  explicit ChunkQueue(ChunkPool& pool) : pool_(pool) {}
  ~ChunkQueue() { clear(); }
  ChunkQueue(const ChunkQueue&) = delete;

  void append(std::span<const std::uint8_t> bytes);
  // Up to `max` pieces from the front, for sendmsg; returns how many were filled.
  std::size_t peek(iovec* pieces, std::size_t max) const;
  void consume(std::size_t bytes);  // from the front
  void clear();
  void swap(ChunkQueue& other) noexcept;  // of the same pool

  std::size_t size() const { return size_; }  // bytes
  bool empty() const { return size_ == 0; }

 private:
  ChunkPool& pool_;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hybridge
