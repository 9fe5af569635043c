#include "proxy/downstream/output_bound.h"

#include <algorithm>

namespace hybridge {

namespace {
// Between two looks at every connection: as often as a bound wants it that floods must not outrun by far.
constexpr auto kLook = std::chrono::milliseconds(500);
}  // namespace

OutputBound::OutputBound(Downstream& downstream) : downstream_(downstream), timer_(downstream.loop().timers(), *this) {}

void OutputBound::note() {
  if (timer_.deadline() == kNever) timer_.arm(downstream_.loop().now() + kLook);
}

void OutputBound::on_timer() {
  const auto chunks = downstream_.loop().chunks().in_use();
  if (chunks == 0) return;
  timer_.arm(downstream_.loop().now() + kLook);
  // Chunks carry also what waits for servers: many of them are a reason to look, no more.
  if (chunks * sizeof(Chunk) > downstream_.settings().waiting_output) end_resting();
}

void OutputBound::end_resting() {
  const auto now = downstream_.loop().now();
  const auto& settings = downstream_.settings();
  std::uint64_t waiting = 0;
  resting_.clear();
  downstream_.for_each_connection([&](DownstreamConnection& connection) {
    const auto output = connection.waiting_output(now);
    waiting += output.bytes;
    if (output.rested >= settings.crowded_rest) resting_.push_back({output.rested, &connection});
  });
  std::sort(resting_.begin(), resting_.end(), [](const Resting& a, const Resting& b) { return a.rested > b.rested; });
  for (const auto& [rested, connection] : resting_) {
    if (waiting <= settings.waiting_output) break;
    // Whoever has ended meanwhile is buried, and still there until the turn ends.
    waiting -= std::min<std::uint64_t>(waiting, connection->end_resting(now));
  }
}

}  // namespace hybridge
