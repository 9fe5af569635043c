#include "io/receive_buffers.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace hybridge {

namespace {
void* reserve(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "no memory for the ring's buffers");
  }
  return memory;
}
}  // namespace

ReceiveBuffers::ReceiveBuffers(io_uring& ring)
    : bytes_(static_cast<std::uint8_t*>(reserve(kCount * kBytes))),
      free_(static_cast<io_uring_buf_ring*>(reserve(kCount * sizeof(io_uring_buf)))) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(free_);
  registration.ring_entries = kCount;
  registration.bgid = kGroup;
  const int registered = io_uring_register_buf_ring(&ring, &registration, 0);
  if (registered < 0) {
    throw std::system_error(-registered, std::generic_category(), "the kernel takes no ring of buffers");
  }
  io_uring_buf_ring_init(free_);
  for (unsigned id = 0; id < kCount; ++id) give_back(id);
}

ReceiveBuffers::~ReceiveBuffers() {
  munmap(free_, kCount * sizeof(io_uring_buf));
  munmap(bytes_, kCount * kBytes);
}

void ReceiveBuffers::give_back(std::uint32_t id) {
  io_uring_buf_ring_add(free_, bytes_ + id * kBytes, kBytes, static_cast<unsigned short>(id),
                        io_uring_buf_ring_mask(kCount), 0);
  io_uring_buf_ring_advance(free_, 1);
}

}  // namespace hybridge
