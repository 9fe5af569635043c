#include "base/recycled.h"

#include <array>
#include <new>
#include <utility>

namespace hybridge {

namespace {
// Blocks are rounded up to 64 bytes; up to 4 KiB they are kept, 256 of each size and thread.
constexpr std::size_t kGrain = 64;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptPerClass = kRecycles ? 256 : 0;

struct FreeBlock {
  FreeBlock* next;
};

struct List {
  FreeBlock* first = nullptr;
  std::size_t count = 0;
};

// Known to need no construction: a look at them costs no question whether they are there yet.
constinit thread_local std::array<List, kClasses> lists;

struct Emptying {
  bool is_registered = false;
  ~Emptying() {
    for (auto& list : lists) {
      while (auto* block = list.first) {
        list.first = block->next;
        ::operator delete(block);
      }
    }
  }
};
thread_local Emptying at_the_threads_end;

void* take_new(std::size_t index) {
  at_the_threads_end.is_registered = true;
  return ::operator new((index + 1) * kGrain);
}
}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / kGrain;
  if (index >= kClasses) return ::operator new(bytes);
  auto& list = lists[index];
  if (!list.first) return take_new(index);
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / kGrain;
  if (index >= kClasses || lists[index].count == kKeptPerClass) return ::operator delete(memory);
  auto& list = lists[index];
  ++list.count;
  list.first = new (memory) FreeBlock{list.first};
}

}  // namespace hybridge
