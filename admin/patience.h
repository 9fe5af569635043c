// Waiting for those who may never answer: a worker that no longer turns calls nobody back.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "admin/executor.h"
#include "base/clock.h"

namespace hybridge {

// What to be called back by, from any thread. `done` is called once, on the executor's: with what came, or with nullopt
// when nothing did within that time.
template <class T>
std::function<void(T)> within(Duration patience, Executor& executor, std::function<void(std::optional<T>)> done) {
  struct Once {
    std::function<void(std::optional<T>)> done;
    std::atomic_flag is_done;
  };
  const auto once = std::make_shared<Once>();
  once->done = std::move(done);
  executor.post_after(patience, [once] {
    if (!once->is_done.test_and_set()) once->done(std::nullopt);
  });
  return [once, &executor](T found) {
    if (once->is_done.test_and_set()) return;
    executor.post([once, found = std::move(found)]() mutable { once->done(std::move(found)); });
  };
}

}  // namespace hybridge
