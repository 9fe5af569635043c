// Whether a client takes what waits for it at the pace that it must keep: what its kernel has acknowledged counts, not
// what ours has buffered.
//
// A value of its connection. Asks the kernel when output begins to wait, and then once a deadline.
#pragma once

#include <cstdint>

#include "io/transport.h"
#include "proxy/downstream/pace.h"

namespace hybridge {

class OutputPace {
 public:
  void begin(const Pace::Demand& demand) { pace_.begin(demand); }

  // Output waits: returns until when, if nothing of it is taken.
  TimePoint wait(const Transport& transport, const Pace::Demand& demand, TimePoint now);
  // Has it taken too little of what waits? Who has taken all of it starts afresh.
  bool is_late(const Transport& transport, const Pace::Demand& demand, TimePoint now);
  // How long it has rested in all on what waits; zero: nothing does.
  Duration rested(const Transport& transport, const Pace::Demand& demand, TimePoint now);
  // kNever: nothing waits.
  TimePoint deadline(const Transport& transport, TimePoint now) {
    return transport.pending_output() > 0 ? pace_.wait(now) : kNever;
  }

 private:
  void look(const Transport& transport, const Pace::Demand& demand, TimePoint now);

  Pace pace_;
  std::uint64_t taken_ = 0;  // bytes, when it was last looked at
};

}  // namespace hybridge
