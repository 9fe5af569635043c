#include "base/recycled.h"

#include <array>
#include <new>
#include <utility>

namespace hybridge {

namespace {
constexpr std::size_t kGrain = 64;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptPerClass = 256;

struct FreeBlock {
  FreeBlock* next;
};

struct List {
  FreeBlock* first = nullptr;
  std::size_t count = 0;
};

// Known to need no construction: a look at them costs no question whether they are there yet.
constinit thread_local std::array<List, kClasses> lists;

constinit thread_local bool ends_with_thread = false;

// What a thread has kept ends with it.
struct Emptying {
  ~Emptying() {
    for (auto& list : lists) {
      while (auto* block = list.first) {
        list.first = block->next;
        ::operator delete(block);
      }
    }
  }
};

[[gnu::noinline]] void end_with_thread() {
  static thread_local const Emptying emptying;  // its destructor is run when the thread ends
  ends_with_thread = true;
}
}  // namespace

void* take_recycled(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / kGrain;
  if (!kRecycles || index >= kClasses) return ::operator new(bytes);
  auto& list = lists[index];
  if (!list.first) return ::operator new((index + 1) * kGrain);
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void give_recycled(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / kGrain;
  if (!kRecycles || index >= kClasses || lists[index].count == kKeptPerClass) return ::operator delete(memory);
  if (!ends_with_thread) end_with_thread();
  auto& list = lists[index];
  ++list.count;
  list.first = new (memory) FreeBlock{list.first};
}

}  // namespace hybridge
