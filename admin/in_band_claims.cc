#include "admin/in_band_claims.h"

#include <utility>

namespace hybridge {

namespace {
constexpr std::string_view kWho = "in-band";

// A window may hold several sites, each with its own word.
HoldClaim claim_of(std::string_view site) {
  return {.kind = HoldClaim::Kind::kInBand, .key = std::string(site)};
}
}  // namespace

InBandClaims::InBandClaims(HoldRegistry& registry, Workers workers)
    : registry_(registry), workers_(std::move(workers)) {
  registry_.add_listener(static_cast<HoldRegistry::Listener&>(*this));
}

void InBandClaims::resume() {
  const auto live = registry_.live();
  for (const auto& record : *live) {
    for (const auto& claim : record.claims) {
      if (claim.kind != HoldClaim::Kind::kInBand) continue;
      {
        const std::lock_guard lock(mutex_);
        claimed_.insert(claim.key);
      }
      registry_.renew(claim.key, claim);
      workers_.resume(claim.key);
    }
  }
}

void InBandClaims::begin_in_band(std::string site, std::function<void(bool held)> done) {
  HoldBegin begin;
  begin.scope.name = site;
  begin.claim = claim_of(site);
  begin.reason = "the site says that it is in maintenance";
  begin.who = kWho;
  begin.wishes.lease_ms = kLeaseMs;
  // What a site answers when it does not come back is more use to its users than a page of ours.
  begin.wishes.on_expire = OnExpire::kPass;
  registry_.begin(std::move(begin), [this, site = std::move(site), done = std::move(done)](const HoldReply& reply) {
    using Kind = HoldReply::Kind;
    const bool is_held = reply.kind == Kind::kBegun || reply.kind == Kind::kJoined || reply.kind == Kind::kRenewed;
    if (is_held) {
      const std::lock_guard lock(mutex_);
      claimed_.insert(site);
    }
    done(is_held);
  });
}

void InBandClaims::renew_in_band(std::string_view site) {
  registry_.renew(std::string(site), claim_of(site));
}

void InBandClaims::end_in_band(std::string_view site) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = claimed_.find(site); at != claimed_.end()) claimed_.erase(at);
  }
  registry_.end_claims(std::string(site), claim_of(site), HoldResult::kReleased, std::string(kWho),
                       [](const HoldReply&) {});
}

void InBandClaims::on_hold_changed(const HoldRecord& record, const std::string&) {
  const bool gives_up = record.result == HoldResult::kExpired || record.result == HoldResult::kAborted;
  for (const auto& name : record.scope.names()) {
    if (record.is_closed() && record.claim(HoldClaim::Kind::kInBand, name)) continue;
    {
      const std::lock_guard lock(mutex_);
      if (claimed_.erase(name) == 0) continue;
    }
    workers_.ended(name, gives_up);
  }
}

}  // namespace hybridge
