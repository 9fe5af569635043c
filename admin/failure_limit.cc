#include "admin/failure_limit.h"

#include <algorithm>

namespace hybridge {

std::optional<std::int64_t> FailureLimit::seconds_to_wait(const Address& peer, TimePoint now) const {
  const auto found = forgiven_at_.find(peer.key(true));
  if (found == forgiven_at_.end()) return std::nullopt;
  const auto left = found->second - now;
  const auto most = kForgiveness * kFailures;
  if (left <= most - kForgiveness) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(left - (most - kForgiveness)).count();
}

void FailureLimit::note(const Address& peer, TimePoint now) {
  const auto key = peer.key(true);
  if (forgiven_at_.size() >= kAddresses && !forgiven_at_.contains(key)) {
    const auto soonest = std::min_element(forgiven_at_.begin(), forgiven_at_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
    forgiven_at_.erase(soonest);
  }
  auto& at = forgiven_at_[key];
  at = std::max(at, now) + kForgiveness;
}

}  // namespace hybridge
