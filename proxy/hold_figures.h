// What there is to say of all windows together, for whoever scrapes. Values, gathered when they are asked for.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/counters.h"
#include "proxy/hold_window.h"

namespace hybridge {

struct HoldFigures {
  struct Ended {
    std::string_view trigger;
    std::string_view outcome;
    std::uint64_t windows = 0;
  };
  std::vector<std::pair<std::string_view, std::size_t>> windows;  // that are on, by state
  std::vector<Ended> ended;
  std::array<std::uint64_t, static_cast<std::size_t>(HoldOutcome::kCount_)> outcomes{};  // of requests
  std::size_t waiting = 0;
  std::size_t memory = 0;
  const DurationHistogram* drain = nullptr;
};

}  // namespace hybridge
