// What the store need not keep for ever: audit, receipts, and jobs of the press API. Every few minutes on the
// Publisher's thread, in small bites between which writers go on.
//
// Owned by the daemon. begin() is called once; the executor is stopped before this goes.
#pragma once

#include <cstdint>
#include <functional>

#include "admin/executor.h"
#include "admin/publisher.h"
#include "base/clock.h"

namespace hybridge {

class Housekeeping {
 public:
  struct Keep {
    std::chrono::seconds audit = std::chrono::hours(24 * 90);
    std::chrono::seconds jobs = std::chrono::hours(24 * 2);  // for as long as press asks for one
    std::chrono::seconds receipts = std::chrono::hours(24);
  };
  static constexpr std::chrono::minutes kInterval{5};
  static constexpr std::size_t kBite = 500;  // records of a kind that are deleted at once

  Housekeeping(Executor& executor, Publisher& publisher, Keep keep, std::function<std::int64_t()> now_microseconds)
      : executor_(executor), publisher_(publisher), keep_(keep), now_(std::move(now_microseconds)) {}

  void begin();

 private:
  void run();
  bool take_a_bite(Store& store) const;  // true: there is more

  Executor& executor_;
  Publisher& publisher_;
  const Keep keep_;
  const std::function<std::int64_t()> now_;
};

}  // namespace hybridge
