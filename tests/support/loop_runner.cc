#include "tests/support/loop_runner.h"

#include <cstdlib>
#include <string_view>

namespace hybridge::test {

DriverKind driver_kind() {
  const char* wanted = std::getenv("HYBRIDGE_TEST_IO");
  return wanted && std::string_view(wanted) == "ring" ? DriverKind::kRing : DriverKind::kEpoll;
}

bool LoopRunner::until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= deadline) {
      ADD_FAILURE() << "waited in vain for " << limit.count() << " ms";
      return false;
    }
    loop_.turn(20);
  }
  return true;
}

void LoopRunner::turns(int count) {
  for (int i = 0; i < count; ++i) loop_.turn(0);
}

void LoopRunner::for_at_least(std::chrono::milliseconds time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
    loop_.turn(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count()));
  }
}

}  // namespace hybridge::test
