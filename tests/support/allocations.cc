#include "tests/support/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace {
std::atomic<std::uint64_t> allocations{0};
thread_local std::uint64_t own_allocations = 0;

[[maybe_unused]] void note() {
  allocations.fetch_add(1, std::memory_order_relaxed);
  ++own_allocations;
}
}  // namespace

#ifdef HYBRIDGE_SANITIZED

namespace hybridge::test {
const bool kCountsAllocations = false;
}

#else

namespace hybridge::test {
const bool kCountsAllocations = true;
}

// glibc's own names of what these replace; a program may replace malloc whole (glibc manual 3.2.5).
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* from, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* pointer);

void* malloc(std::size_t bytes) {
  note();
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  note();
  return __libc_calloc(count, bytes);
}
void* realloc(void* from, std::size_t bytes) {
  note();
  return __libc_realloc(from, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return memalign(alignment, bytes);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  *to = memalign(alignment, bytes);
  return *to ? 0 : ENOMEM;
}
void free(void* pointer) {
  __libc_free(pointer);
}
}

#endif

namespace hybridge::test {

CountedAllocations::CountedAllocations() : before_(allocations.load()), own_before_(own_allocations) {}
CountedAllocations::~CountedAllocations() = default;

std::uint64_t CountedAllocations::count() const {
  return allocations.load() - before_;
}

std::uint64_t CountedAllocations::by_others() const {
  return count() - (own_allocations - own_before_);
}

std::uint64_t bytes_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace hybridge::test
