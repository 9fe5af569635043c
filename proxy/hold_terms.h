// What the workers need to know of a window: whom it holds, what becomes of them, and until when. Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/address.h"
#include "proxy/release_pace.h"

namespace hybridge {

enum class HoldMode : std::uint8_t {
  kHold,     // requests wait
  kRelease,  // those that wait go on by and by; newcomers queue up behind them until nobody waits
  kPage,     // nobody waits: the deadline's answer at once
};

// Immutable, shared by the workers; a change of the window makes another, with a higher epoch.
struct HoldTerms {
  std::string id{};
  std::uint64_t epoch = 0;
  bool is_of_server = false;
  std::vector<std::string> names{};  // the sites; of a server: its name alone
  HoldMode mode = HoldMode::kHold;
  std::optional<std::int64_t> expected_end{};  // Unix milliseconds; who cannot wait so long is told at once
  std::vector<Network> preview{};              // clients that pass, besides those of the configuration
  std::string preview_secret{};                // signs the tokens of others that pass; "": there are none
  bool closes_websockets = false;              // of kHold: tunnels are told to come again
  std::string server{};                        // of kRelease: where they go
  ReleasePace::Basis before{};                 // of kRelease: what its sites did before the window
};

}  // namespace hybridge
