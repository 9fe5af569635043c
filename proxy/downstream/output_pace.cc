#include "proxy/downstream/output_pace.h"

#include <algorithm>

namespace hybridge {

void OutputPace::look(const Transport& transport, const Pace::Demand& demand, TimePoint now) {
  const auto taken = std::max(taken_, transport.bytes_taken());
  pace_.took(taken - taken_, demand, now);
  taken_ = taken;
}

TimePoint OutputPace::wait(const Transport& transport, const Pace::Demand& demand, TimePoint now) {
  if (!pace_.is_waiting()) look(transport, demand, now);
  return pace_.wait(now);
}

bool OutputPace::is_late(const Transport& transport, const Pace::Demand& demand, TimePoint now) {
  if (transport.pending_output() == 0) {
    pace_.begin(demand);
    return false;
  }
  look(transport, demand, now);
  return pace_.wait(now) <= now;
}

Duration OutputPace::rested(const Transport& transport, const Pace::Demand& demand, TimePoint now) {
  if (transport.pending_output() == 0) return {};
  look(transport, demand, now);
  pace_.wait(now);
  return pace_.rested(demand, now);
}

}  // namespace hybridge
