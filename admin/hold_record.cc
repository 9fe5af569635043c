#include "admin/hold_record.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::array<std::string_view, 5> kStates = {"draining", "holding", "releasing", "paging", "ended"};
constexpr std::array<std::string_view, 4> kResults = {"", "released", "aborted", "expired"};
constexpr std::array<std::string_view, 3> kOnStragglers = {"wait", "cut", "abort"};
constexpr std::array<std::string_view, 2> kOnExpire = {"page", "pass"};
constexpr std::array<std::string_view, 4> kKinds = {"in_band", "agent_call", "explicit", "status"};

template <class Enum, std::size_t N>
std::string_view word(const std::array<std::string_view, N>& words, Enum value) {
  return words[static_cast<std::size_t>(value)];
}

template <class Enum, std::size_t N>
std::optional<Enum> meaning(const std::array<std::string_view, N>& words, std::string_view text) {
  const auto at = std::find(words.begin(), words.end(), text);
  if (at == words.end()) return std::nullopt;
  return static_cast<Enum>(at - words.begin());
}

json::array strings(const std::vector<std::string>& texts) {
  json::array out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}
}  // namespace

std::string_view to_string(HoldState state) {
  return word(kStates, state);
}
std::string_view to_string(HoldResult result) {
  return word(kResults, result);
}
std::string_view to_string(OnStragglers on_stragglers) {
  return word(kOnStragglers, on_stragglers);
}
std::string_view to_string(OnExpire on_expire) {
  return word(kOnExpire, on_expire);
}
std::string_view to_string(HoldClaim::Kind kind) {
  return word(kKinds, kind);
}
std::optional<OnStragglers> to_on_stragglers(std::string_view text) {
  return meaning<OnStragglers>(kOnStragglers, text);
}
std::optional<OnExpire> to_on_expire(std::string_view text) {
  return meaning<OnExpire>(kOnExpire, text);
}

std::vector<std::string> HoldScope::names() const {
  std::vector<std::string> all{name};
  all.insert(all.end(), extra.begin(), extra.end());
  return all;
}

bool HoldScope::has(std::string_view one) const {
  return name == one || std::find(extra.begin(), extra.end(), one) != extra.end();
}

bool HoldScope::covers(const HoldScope& other) const {
  const auto theirs = other.names();
  const auto is_ours = [&](const auto& each) { return has(each); };
  return is_server == other.is_server && std::all_of(theirs.begin(), theirs.end(), is_ours);
}

bool HoldScope::meets(const HoldScope& other) const {
  const auto theirs = other.names();
  const auto is_ours = [&](const auto& each) { return has(each); };
  return is_server == other.is_server && std::any_of(theirs.begin(), theirs.end(), is_ours);
}

bool HoldRecord::has_claim(HoldClaim::Kind kind) const {
  return std::any_of(claims.begin(), claims.end(), [&](const auto& each) { return each.kind == kind; });
}

const HoldClaim* HoldRecord::claim(HoldClaim::Kind kind, std::string_view key) const {
  const auto found = std::find_if(claims.begin(), claims.end(),
                                  [&](const auto& each) { return each.kind == kind && each.key == key; });
  return found == claims.end() ? nullptr : &*found;
}

HoldMode HoldRecord::mode() const {
  if (state == HoldState::kReleasing) return HoldMode::kRelease;
  return state == HoldState::kPaging ? HoldMode::kPage : HoldMode::kHold;
}

bool HoldRecord::drained(std::int64_t now) {
  if (!is_closed()) return false;
  has_drained = true;
  if (drained_at == 0) drained_at = now;
  if (state != HoldState::kDraining) return false;
  state = HoldState::kHolding;
  return true;
}

bool HoldRecord::begin_again(std::int64_t) {
  if (state != HoldState::kPaging && state != HoldState::kReleasing) return false;
  state = HoldState::kDraining;
  result = HoldResult::kNone;
  has_drained = false;
  held_again = 0;
  ++epoch;
  return true;
}

bool HoldRecord::release(HoldResult why) {
  if (state == HoldState::kReleasing || state == HoldState::kEnded) return false;
  state = HoldState::kReleasing;
  result = why;
  claims.clear();
  ++epoch;
  return true;
}

bool HoldRecord::emptied(std::int64_t now) {
  if (state != HoldState::kReleasing) return false;
  state = HoldState::kEnded;
  ended_at = now;
  return true;
}

bool HoldRecord::failed() {
  if (state != HoldState::kReleasing) return false;
  state = held_again < kMostHeldAgain ? HoldState::kHolding : HoldState::kPaging;
  if (state == HoldState::kHolding) ++held_again;
  has_drained = false;
  ++epoch;
  return true;
}

bool HoldRecord::expire(std::int64_t now) {
  if (state == HoldState::kReleasing || state == HoldState::kEnded) return false;
  if (now >= hard_end()) return release(HoldResult::kExpired);
  if (state == HoldState::kPaging || now < expires_at) return false;
  if (wishes.on_expire == OnExpire::kPass) return release(HoldResult::kExpired);
  state = HoldState::kPaging;
  ++epoch;
  return true;
}

HoldTerms terms_of(const HoldRecord& record, const Snapshot& snapshot) {
  HoldTerms terms;
  terms.id = record.id;
  terms.epoch = record.epoch;
  terms.is_of_server = record.scope.is_server;
  terms.names = record.scope.names();
  terms.mode = record.mode();
  terms.expected_end = record.wishes.expected_end;
  for (const auto& text : record.wishes.preview) {
    if (const auto network = Network::parse(text)) terms.preview.push_back(*network);
  }
  terms.preview_secret = record.preview_secret;
  terms.closes_websockets = record.wishes.closes_websockets;
  if (record.state != HoldState::kReleasing) return terms;
  const auto site = snapshot.site(record.scope.name);
  terms.server = record.scope.is_server ? record.scope.name : site ? site->server : "";
  return terms;
}

std::string describe_hold(const std::vector<HoldRecord>& live, std::string_view site, std::string_view server) {
  for (const auto& record : live) {
    const auto names = record.scope.names();
    const auto name = record.scope.is_server ? server : site;
    if (!record.is_live() || std::find(names.begin(), names.end(), name) == names.end()) continue;
    std::string text = record.id + ": " + std::string(to_string(record.state));
    if (record.scope.is_server) text += ", of every site of its server";
    if (!record.reason.empty()) text += " (" + record.reason + ')';
    return text;
  }
  return {};
}

// --- As the store keeps it

std::string to_stored(const HoldRecord& record) {
  json::array claims;
  for (const auto& claim : record.claims) claims.push_back({{"kind", to_string(claim.kind)}, {"key", claim.key}});
  json::array servers;
  for (const auto& [site, server] : record.servers) servers.push_back({{"site", site}, {"server", server}});
  json::object out{{"id", record.id},
                   {"is_server", record.scope.is_server},
                   {"name", record.scope.name},
                   {"extra", strings(record.scope.extra)},
                   {"state", to_string(record.state)},
                   {"result", to_string(record.result)},
                   {"claims", std::move(claims)},
                   {"trigger", to_string(record.trigger)},
                   {"reason", record.reason},
                   {"who", record.who},
                   {"drain_timeout_ms", record.wishes.drain_timeout_ms},
                   {"on_stragglers", to_string(record.wishes.on_stragglers)},
                   {"lease_ms", record.wishes.lease_ms},
                   {"hard_max_ms", record.wishes.hard_max_ms},
                   {"on_expire", to_string(record.wishes.on_expire)},
                   {"closes_websockets", record.wishes.closes_websockets},
                   {"preview", strings(record.wishes.preview)},
                   {"epoch", record.epoch},
                   {"held_again", record.held_again},
                   {"has_drained", record.has_drained},
                   {"is_clean", record.is_clean},
                   {"cut", record.cut},
                   {"preview_secret", record.preview_secret},
                   {"servers", std::move(servers)},
                   {"began", record.began},
                   {"drained_at", record.drained_at},
                   {"ended_at", record.ended_at},
                   {"expires_at", record.expires_at},
                   {"released", record.released},
                   {"expired", record.expired},
                   {"client_gone", record.client_gone},
                   {"refused", record.refused}};
  if (record.wishes.expected_end) out["expected_end"] = *record.wishes.expected_end;
  return json::serialize(out);
}

namespace {
// Throws, as json::value's at() and to_number() do, when anything is not as it was written.
HoldRecord record_of(const json::object& in) {
  const auto text = [&](const char* key) { return std::string(in.at(key).as_string()); };
  const auto number = [&](const char* key) { return in.at(key).to_number<std::int64_t>(); };
  const auto count = [&](const char* key) { return in.at(key).to_number<std::uint64_t>(); };
  const auto texts = [&](const char* key) {
    std::vector<std::string> all;
    for (const auto& each : in.at(key).as_array()) all.emplace_back(each.as_string());
    return all;
  };
  HoldRecord record;
  record.id = text("id");
  record.scope = {in.at("is_server").as_bool(), text("name"), texts("extra")};
  record.state = meaning<HoldState>(kStates, text("state")).value();
  record.result = meaning<HoldResult>(kResults, text("result")).value();
  for (const auto& each : in.at("claims").as_array()) {
    const auto& claim = each.as_object();
    record.claims.push_back({meaning<HoldClaim::Kind>(kKinds, claim.at("kind").as_string()).value(),
                             std::string(claim.at("key").as_string())});
  }
  record.trigger = meaning<HoldClaim::Kind>(kKinds, text("trigger")).value();
  record.reason = text("reason");
  record.who = text("who");
  record.wishes = {.drain_timeout_ms = number("drain_timeout_ms"),
                   .on_stragglers = to_on_stragglers(text("on_stragglers")).value(),
                   .lease_ms = number("lease_ms"),
                   .hard_max_ms = number("hard_max_ms"),
                   .on_expire = to_on_expire(text("on_expire")).value(),
                   .expected_end = {},
                   .closes_websockets = in.at("closes_websockets").as_bool(),
                   .preview = texts("preview")};
  if (in.contains("expected_end")) record.wishes.expected_end = number("expected_end");
  record.epoch = count("epoch");
  record.held_again = static_cast<std::uint32_t>(count("held_again"));
  record.has_drained = in.at("has_drained").as_bool();
  record.is_clean = in.at("is_clean").as_bool();
  record.cut = count("cut");
  record.preview_secret = text("preview_secret");
  for (const auto& each : in.at("servers").as_array()) {
    const auto& pair = each.as_object();
    record.servers.emplace_back(pair.at("site").as_string(), pair.at("server").as_string());
  }
  record.began = number("began");
  record.drained_at = number("drained_at");
  record.ended_at = number("ended_at");
  record.expires_at = number("expires_at");
  record.released = count("released");
  record.expired = count("expired");
  record.client_gone = count("client_gone");
  record.refused = count("refused");
  return record;
}
}  // namespace

Result<HoldRecord> read_stored(std::string_view text) {
  try {
    return record_of(json::parse(json::string_view(text.data(), text.size())).as_object());
  } catch (const std::exception& error) {
    return make_error(Reason::kInvalid, std::string("is no stored window: ") + error.what());
  }
}

}  // namespace hybridge
