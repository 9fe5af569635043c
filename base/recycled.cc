#include "base/recycled.h"

#include <array>
#include <new>
#include <utility>

namespace hybridge {

namespace {
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsWatched = true;
#elif defined(__has_feature)
constexpr bool kIsWatched = __has_feature(address_sanitizer);
#else
constexpr bool kIsWatched = false;
#endif

// Blocks are rounded up to 64 bytes; up to 4 KiB they are kept, 256 of each size and thread.
constexpr std::size_t kGrain = 64;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptPerClass = kIsWatched ? 0 : 256;

struct FreeBlock {
  FreeBlock* next;
};

class Cache {
 public:
  ~Cache() {
    for (auto& list : lists_) {
      while (auto* block = list.first) {
        list.first = block->next;
        ::operator delete(block);
      }
    }
  }

  void* take(std::size_t index) {
    auto& list = lists_[index];
    if (!list.first) return ::operator new((index + 1) * kGrain);
    --list.count;
    return std::exchange(list.first, list.first->next);
  }

  void give(void* memory, std::size_t index) noexcept {
    auto& list = lists_[index];
    if (list.count == kKeptPerClass) return ::operator delete(memory);
    ++list.count;
    list.first = new (memory) FreeBlock{list.first};
  }

 private:
  struct List {
    FreeBlock* first = nullptr;
    std::size_t count = 0;
  };
  std::array<List, kClasses> lists_;
};

thread_local Cache cache;
}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / kGrain;
  return index < kClasses ? cache.take(index) : ::operator new(bytes);
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / kGrain;
  if (index < kClasses) {
    cache.give(memory, index);
  } else {
    ::operator delete(memory);
  }
}

}  // namespace hybridge
