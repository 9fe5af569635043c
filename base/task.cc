#include "base/task.h"

#include <exception>

#include "base/recycled.h"

namespace hybridge {
namespace {
struct Detached {
  struct promise_type {
    static void* operator new(std::size_t bytes) { return take_recycled(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { give_recycled(frame, bytes); }
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
