// How often an address may be wrong about a token or password before it must wait. IPv6 counts by /64.
//
// Remembers a bounded number of addresses. Not thread-safe: whoever asks locks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "base/clock.h"
#include "io/address.h"

namespace hybridge {

class FailureLimit {
 public:
  // After so many failures an address is told to wait; one is forgiven each interval.
  static constexpr std::uint32_t kFailures = 10;
  static constexpr std::chrono::seconds kForgiveness{6};
  static constexpr std::size_t kAddresses = 4096;  // remembered; the one that failed longest ago is forgotten

  std::optional<std::int64_t> seconds_to_wait(const Address& peer, TimePoint now) const;  // nullopt: none
  void note(const Address& peer, TimePoint now);

 private:
  // When all failures of an address will be forgiven.
  std::map<std::array<std::uint8_t, 16>, TimePoint> forgiven_at_;
};

}  // namespace hybridge
