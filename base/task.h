// A lazy coroutine of one thread: it starts when awaited (or spawned) and resumes its awaiter at its end,
// and its frame comes from a per-thread free list, so that a request's story costs no allocation once warm.
//
// Not thread-safe: a task lives and dies on the thread that began it. It is not cancelled from outside; whoever owns
// what it waits for ends the wait with an error (decisions are then made by the task itself, in straight lines).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/recycled.h"

namespace hybridge {

namespace task_detail {
struct PromiseBase {
  std::coroutine_handle<> awaiter = std::noop_coroutine();
  std::exception_ptr failure;
  bool starting = false;
  bool ended = false;

  // True: it waits for something. An end without a wait lets the awaiter go on where it is: symmetric transfer both
  // ways would grow the stack with each call in builds without tail calls (g++ -O0).
  bool start(std::coroutine_handle<> self, std::coroutine_handle<> by) {
    awaiter = by;
    starting = true;
    self.resume();
    starting = false;
    return !ended;
  }

  static void* operator new(std::size_t bytes) { return take_recycled(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { give_recycled(frame, bytes); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  struct ResumeAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      auto& promise = self.promise();
      promise.ended = true;
      if (promise.starting) return std::noop_coroutine();
      return promise.awaiter;
    }
    void await_resume() const noexcept {}
  };
  ResumeAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
};
}  // namespace task_detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  struct promise_type : task_detail::PromiseBase {
    std::optional<T> value;
    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiter) { return frame_.promise().start(frame_, awaiter); }
  T await_resume() {
    if (frame_.promise().failure) std::rethrow_exception(frame_.promise().failure);
    return std::move(*frame_.promise().value);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

template <>
class [[nodiscard]] Task<void> {
 public:
  struct promise_type : task_detail::PromiseBase {
    Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    void return_void() noexcept {}
  };

  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (frame_) frame_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiter) { return frame_.promise().start(frame_, awaiter); }
  void await_resume() {
    if (frame_.promise().failure) std::rethrow_exception(frame_.promise().failure);
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

// A task that has its result already.
template <class T>
Task<T> ended(T result) {
  co_return std::move(result);
}

// Runs the task now, to its first suspension; its frame frees itself at its end. An exception that escapes it is a
// bug of ours and ends the process.
void spawn(Task<void> task);

// A place where one coroutine waits until somebody calls resume(). Whoever owns the Waiter owns the wait: a Waiter
// destroyed while somebody waits leaves that coroutine suspended for ever, so owners resume first.
class Waiter {
 public:
  bool is_waiting() const { return static_cast<bool>(coroutine_); }
  // Resumes inline; the coroutine has left the Waiter before it runs, so it may wait again. No-op when nobody waits.
  void resume() {
    if (auto coroutine = std::exchange(coroutine_, nullptr)) coroutine.resume();
  }

  auto wait() {
    struct Awaiter {
      Waiter& waiter;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> coroutine) noexcept { waiter.coroutine_ = coroutine; }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }

 private:
  std::coroutine_handle<> coroutine_;
};

}  // namespace hybridge
