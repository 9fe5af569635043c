#include "admin/housekeeping.h"

#include "base/process_log.h"

namespace hybridge {

namespace {
std::int64_t microseconds(std::chrono::seconds span) {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}
}  // namespace

void Housekeeping::begin() {
  run();
}

void Housekeeping::run() {
  publisher_.submit([this](Store* store) {
    if (!store) return;  // another process has taken over
    if (take_a_bite(*store)) return run();
    executor_.post_after(kInterval, [this] { run(); });
  });
}

bool Housekeeping::take_a_bite(Store& store) const {
  const auto now = now_();
  bool is_more = false;
  const auto look_at = [&](const Result<std::size_t>& forgotten) {
    if (!forgotten) {
      log::warn("old records stay in the store for now: {}", forgotten.error().detail);
    } else if (*forgotten == kBite) {
      is_more = true;
    }
  };
  look_at(store.forget_audit_before((now - microseconds(keep_.audit)) / 1000, kBite));
  look_at(store.forget_jobs_before(now - microseconds(keep_.jobs), kBite));
  look_at(store.forget_receipts_before((now - microseconds(keep_.receipts)) / 1'000'000, kBite));
  return is_more;
}

}  // namespace hybridge
