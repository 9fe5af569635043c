#include "base/task.h"

#include <array>
#include <cstdlib>
#include <new>

namespace hybridge {
namespace task_detail {

namespace {
// Frames are rounded up to 64 bytes; up to 4 KiB they are kept for reuse, 256 of each size and thread.
constexpr std::size_t kGrain = 64;
constexpr std::size_t kClasses = 64;
constexpr std::size_t kKeptPerClass = 256;

struct FreeFrame {
  FreeFrame* next;
};

class FrameCache {
 public:
  ~FrameCache() {
    for (auto& list : lists_) {
      while (auto* frame = list.first) {
        list.first = frame->next;
        ::operator delete(frame);
      }
    }
  }

  void* take(std::size_t index) {
    auto& list = lists_[index];
    if (!list.first) return ::operator new((index + 1) * kGrain);
    --list.count;
    return std::exchange(list.first, list.first->next);
  }

  void give(void* frame, std::size_t index) noexcept {
    auto& list = lists_[index];
    if (list.count == kKeptPerClass) return ::operator delete(frame);
    ++list.count;
    list.first = new (frame) FreeFrame{list.first};
  }

 private:
  struct List {
    FreeFrame* first = nullptr;
    std::size_t count = 0;
  };
  std::array<List, kClasses> lists_;
};

thread_local FrameCache frame_cache;
}  // namespace

void* allocate_frame(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / kGrain;
  return index < kClasses ? frame_cache.take(index) : ::operator new(bytes);
}

void release_frame(void* frame, std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / kGrain;
  if (index < kClasses) {
    frame_cache.give(frame, index);
  } else {
    ::operator delete(frame);
  }
}

}  // namespace task_detail

namespace {
struct Detached {
  struct promise_type {
    static void* operator new(std::size_t bytes) { return task_detail::allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { task_detail::release_frame(frame, bytes); }
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached run_detached(Task<void> task) {
  co_await std::move(task);
}
}  // namespace

void spawn(Task<void> task) {
  run_detached(std::move(task));
}

}  // namespace hybridge
