// Who may call the admin API: bearer tokens against the store's hashes, with a limit on failures per address.
//
// Pages take HTTP Basic too, with a token as the password, because that is what browsers can send. Nothing else does:
// a browser sends it by itself, whoever made it call.
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
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/api_route.h"
#include "admin/failure_limit.h"
#include "admin/state_reader.h"
#include "base/clock.h"
#include "io/address.h"

namespace hybridge {

bool may(Role role, Role needed);

class Admission {
 public:
  struct Caller {
    Address peer;
    bool is_tls = false;
    std::string authorization;  // the header's value
    bool is_browser = false;    // it asks for a page: Basic will do
  };
  struct Verdict {
    std::string who;
    std::optional<ApiAnswer> refusal = {};
    Role role = Role::kRead;  // that it has
  };

  explicit Admission(StateReader& reader, std::function<TimePoint()> now = Clock::now)
      : reader_(reader), now_(std::move(now)) {}

  Verdict admit(const Caller& caller, Role needed);

 private:
  Result<void> refresh();

  StateReader& reader_;
  const std::function<TimePoint()> now_;

  std::mutex mutex_;
  std::vector<TokenRecord> tokens_;
  std::optional<std::int64_t> data_version_;
  FailureLimit failures_;
};

}  // namespace hybridge
