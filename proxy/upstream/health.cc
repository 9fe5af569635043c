#include "proxy/upstream/health.h"

#include <algorithm>

namespace hybridge {

void EndpointHealth::succeed() {
  *this = {};
}

void EndpointHealth::fail(TimePoint now, const Rule& rule) {
  ++failures_;
  if (is_down_ && !is_probed_) return;  // begun before it was left alone: tells nothing new
  if (!is_down_ && failures_ < rule.failures) return;
  pause_ = is_down_ ? std::min(pause_ * 2, rule.retry_after_max) : rule.retry_after;
  retry_at_ = now + pause_;
  is_down_ = true;
  is_probed_ = false;
}

}  // namespace hybridge
