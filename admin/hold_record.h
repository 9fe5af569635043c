// A window as its owner knows it: what it holds and why, who claims it, its state, and which state may follow which.
// Values and pure functions; what is done about them is the HoldRegistry's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "proxy/hold_terms.h"
#include "routing/snapshot.h"

namespace hybridge {

enum class HoldState : std::uint8_t { kDraining, kHolding, kReleasing, kPaging, kEnded };
enum class HoldResult : std::uint8_t { kNone, kReleased, kAborted, kExpired };  // `outcome` of the API
enum class OnStragglers : std::uint8_t { kWait, kCut, kAbort };
enum class OnExpire : std::uint8_t { kPage, kPass };

// Why a window is there. It is released when the last claim has ended.
struct HoldClaim {
  enum class Kind : std::uint8_t {
    kInBand,     // the site itself says that it is in maintenance
    kAgentCall,  // a call to its server's agent that began a migration; key: the job's id
    kExplicit,   // somebody asked for it; key: the id it was asked for by
    kStatus,     // the press API's status `hold`
  };
  Kind kind = Kind::kExplicit;
  std::string key;

  friend bool operator==(const HoldClaim&, const HoldClaim&) = default;
};

struct HoldScope {
  bool is_server = false;
  std::string name;
  std::vector<std::string> extra;  // of a site: other sites of the table that are the same for their users

  std::vector<std::string> names() const;
  bool has(std::string_view one) const;
  bool covers(const HoldScope& other) const;  // all of it
  bool meets(const HoldScope& other) const;   // some of it
  friend bool operator==(const HoldScope&, const HoldScope&) = default;
};

// How a window is to be; what begin() may say of it.
struct HoldWishes {
  std::int64_t drain_timeout_ms = 30'000;
  OnStragglers on_stragglers = OnStragglers::kWait;
  std::int64_t lease_ms = 15 * 60'000;
  std::int64_t hard_max_ms = 4 * 3'600'000;
  OnExpire on_expire = OnExpire::kPage;
  std::optional<std::int64_t> expected_end;  // Unix milliseconds
  bool closes_websockets = false;
  std::vector<std::string> preview;  // networks

  friend bool operator==(const HoldWishes&, const HoldWishes&) = default;
};

struct HoldRecord {
  std::string id;
  HoldScope scope;
  HoldState state = HoldState::kDraining;
  HoldResult result = HoldResult::kNone;
  std::vector<HoldClaim> claims;
  HoldClaim::Kind trigger = HoldClaim::Kind::kExplicit;  // the first of them
  std::string reason;
  std::string who;
  HoldWishes wishes;
  std::uint64_t epoch = 1;       // grows with each change that the workers are told
  std::uint32_t held_again = 0;  // by the guard
  bool has_drained = false;
  bool is_clean = true;  // nothing was cut
  std::uint64_t cut = 0;
  std::string preview_secret;
  std::vector<std::pair<std::string, std::string>> servers;  // of its sites, when it began
  // Unix milliseconds.
  std::int64_t began = 0;
  std::int64_t drained_at = 0;
  std::int64_t ended_at = 0;
  std::int64_t expires_at = 0;  // of the lease
  // What became of its requests, once it has ended.
  std::uint64_t released = 0;
  std::uint64_t expired = 0;
  std::uint64_t client_gone = 0;
  std::uint64_t refused = 0;

  std::int64_t hard_end() const { return began + wishes.hard_max_ms; }
  bool is_live() const { return state != HoldState::kEnded; }
  bool is_closed() const { return state == HoldState::kDraining || state == HoldState::kHolding; }
  bool has_claim(HoldClaim::Kind kind) const;
  const HoldClaim* claim(HoldClaim::Kind kind, std::string_view key) const;
  HoldMode mode() const;  // of a live one

  // The transitions (decisions.md 24); each says whether it was one from the state it found.
  bool drained(std::int64_t now);
  bool begin_again(std::int64_t now);  // a claim comes while it pages or releases: it holds again
  bool release(HoldResult why);
  bool emptied(std::int64_t now);
  bool failed();                  // the guard: holds again, twice at most; then pages
  bool expire(std::int64_t now);  // the lease or the hard maximum has passed
};

inline constexpr std::uint32_t kMostHeldAgain = 2;

// What the workers are told of a live one.
HoldTerms terms_of(const HoldRecord& record, const Snapshot& snapshot);

// What of these holds a site, in words for `explain`; "": nothing.
std::string describe_hold(const std::vector<HoldRecord>& live, std::string_view site, std::string_view server);

std::string_view to_string(HoldState state);
std::string_view to_string(HoldResult result);
std::string_view to_string(OnStragglers on_stragglers);
std::string_view to_string(OnExpire on_expire);
std::string_view to_string(HoldClaim::Kind kind);
std::optional<OnStragglers> to_on_stragglers(std::string_view text);
std::optional<OnExpire> to_on_expire(std::string_view text);

// As the store keeps it; kInvalid: it cannot be read.
std::string to_stored(const HoldRecord& record);
Result<HoldRecord> read_stored(std::string_view text);

}  // namespace hybridge
