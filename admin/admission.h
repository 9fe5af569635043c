// Who may call the admin API: bearer tokens against the store's hashes, with a limit on failures per address.
//
// Roles: everybody with a token reads; `route` changes servers, sites, hosts and rules, `certificate` certificates,
// `hold` holds; `admin` everything. The Unix socket needs none: its listener has let in root and the service's own user
// only. Tokens never travel in clear text but on loopback.
//
// Any thread; a call reads the store (microseconds), so not on a loop. A token that was removed is refused from the
// next call on, whichever process removed it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/api_route.h"
#include "admin/state_reader.h"
#include "base/clock.h"
#include "io/address.h"

namespace hybridge {

bool may(Role role, Role needed);

class Admission {
 public:
  // After so many failures an address is told to wait; one is forgiven each interval. IPv6 counts by /64.
  static constexpr std::uint32_t kFailures = 10;
  static constexpr std::chrono::seconds kForgiveness{6};
  static constexpr std::size_t kAddresses = 4096;  // remembered; the one that failed longest ago is forgotten

  struct Caller {
    Address peer;
    bool is_tls = false;
    std::string authorization;  // the header's value
  };
  struct Verdict {
    std::string who;
    std::optional<ApiAnswer> refusal;
  };

  explicit Admission(StateReader& reader, std::function<TimePoint()> now = Clock::now)
      : reader_(reader), now_(std::move(now)) {}

  Verdict admit(const Caller& caller, Role needed);

 private:
  using Key = std::array<std::uint8_t, 16>;

  Result<void> refresh();
  std::optional<std::int64_t> seconds_to_wait(const Key& key);
  void note_failure(const Key& key);

  StateReader& reader_;
  const std::function<TimePoint()> now_;

  std::mutex mutex_;
  std::vector<TokenRecord> tokens_;
  std::optional<std::int64_t> data_version_;
  // When all failures of an address will be forgiven.
  std::map<Key, TimePoint> forgiven_at_;
};

}  // namespace hybridge
