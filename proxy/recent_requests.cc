#include "proxy/recent_requests.h"

#include <algorithm>

#include "proxy/counters.h"

namespace hybridge {

namespace {
struct Text {
  std::string_view ExchangeRecord::*view;
  std::size_t most;
};

// The id first; those that may be long last, so that they have what is left.
constexpr std::array<Text, 12> kTexts = {{
    {&ExchangeRecord::request_id, 32},
    {&ExchangeRecord::client, 46},
    {&ExchangeRecord::method, 16},
    {&ExchangeRecord::endpoint, 56},
    {&ExchangeRecord::hold_id, 64},
    {&ExchangeRecord::rule, 64},
    {&ExchangeRecord::request_class, 32},
    {&ExchangeRecord::site, 100},
    {&ExchangeRecord::host, 100},
    {&ExchangeRecord::server, 100},
    {&ExchangeRecord::target, 160},
    {&ExchangeRecord::detail, 160},
}};

bool has_failed(const ExchangeRecord& record) {
  if (record.status >= 400) return true;
  const auto kind = class_of(record.reason);
  return kind == ExchangeClass::kError || kind == ExchangeClass::kClient;
}
}  // namespace

void RecentRequest::keep(const ExchangeRecord& record) {
  static_assert(hybridge::kTexts.size() == kTexts);
  facts_ = record;
  std::size_t used = 0;
  begin_[0] = 0;
  for (std::size_t i = 0; i < kTexts; ++i) {
    const auto& [view, most] = hybridge::kTexts[i];
    const auto taken = (record.*view).substr(0, std::min(most, kBytes - used));
    std::copy(taken.begin(), taken.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(used));
    used += taken.size();
    begin_[i + 1] = static_cast<std::uint16_t>(used);
  }
}

std::string_view RecentRequest::text(std::size_t index) const {
  return {bytes_.data() + begin_[index], static_cast<std::size_t>(begin_[index + 1] - begin_[index])};
}

ExchangeRecord RecentRequest::record() const {
  auto record = facts_;
  record.trace_id = record.remote_user = record.request_line = record.user_agent = record.referer =
      record.x_forwarded_for = {};
  for (std::size_t i = 0; i < kTexts; ++i) record.*hybridge::kTexts[i].view = text(i);
  return record;
}

void RecentRequests::keep(const ExchangeRecord& record) {
  (has_failed(record) ? failed_.next() : served_.next()).keep(record);
}

template <std::size_t Size>
const RecentRequest* RecentRequests::Ring<Size>::find(std::string_view request_id) const {
  const auto kept = std::min<std::uint64_t>(count, Size);
  const auto* const begin = slots.get();
  const auto* const found = std::find_if(begin, begin + kept, [&](const auto& slot) { return slot.is(request_id); });
  return found == begin + kept ? nullptr : found;
}

const RecentRequest* RecentRequests::find(std::string_view request_id) const {
  const auto* const failed = failed_.find(request_id);
  return failed ? failed : served_.find(request_id);
}

std::vector<RecentRequest> RecentRequests::failures(std::size_t most) const {
  std::vector<RecentRequest> found;
  const auto oldest = failed_.count - std::min<std::uint64_t>(failed_.count, kFailures);
  for (auto at = failed_.count; at > oldest && found.size() < most; --at) {
    if (const auto& one = failed_.at(at - 1); one.is_failure()) found.push_back(one);
  }
  return found;
}

}  // namespace hybridge
