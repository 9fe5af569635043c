// The buffers that a ring receives into, which all its connections share: the kernel takes one for each receive,
// whoever has read it gives it back.
//
// Owned by a RingDriver; its thread only.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hybridge {

class ReceiveBuffers {
 public:
  static constexpr unsigned kCount = 128;
  static constexpr std::size_t kBytes = 16 * 1024;
  static constexpr int kGroup = 0;

  // Throws std::system_error where there is no memory, or the kernel takes none.
  explicit ReceiveBuffers(io_uring& ring);
  ~ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;

  std::span<std::uint8_t> operator[](std::uint32_t id) { return {bytes_ + id * kBytes, kBytes}; }
  void give_back(std::uint32_t id);

 private:
  std::uint8_t* bytes_;
  io_uring_buf_ring* free_;
};

}  // namespace hybridge
