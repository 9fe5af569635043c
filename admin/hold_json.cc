#include "admin/hold_json.h"

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <charconv>
#include <ctime>

#include "admin/unix_time.h"
#include "base/host_name.h"
#include "routing/json_reader.h"
#include "routing/record_reader.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::int64_t kLongest = std::int64_t{30} * 24 * 3'600'000;
constexpr std::size_t kLongestId = 64;
constexpr std::size_t kMostExtra = 1000;
constexpr std::size_t kMostPreview = 100;

std::optional<std::int64_t> duration_of(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits = {
      {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const auto known = std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& each) { return each.first == unit; });
  if (known == kUnits.end() || number > kLongest / known->second) return std::nullopt;
  return number * known->second;
}

// RFC 3339 in UTC, to the second: `2026-11-26T15:30:00Z`.
std::optional<std::int64_t> time_of(const std::string& text) {
  std::tm parts{};
  const char* const end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!end || std::string_view(end) != "Z") return std::nullopt;
  return static_cast<std::int64_t>(timegm(&parts)) * 1000;
}

void take_duration(const json::object& body, std::string_view key, std::int64_t& ms, Faults& faults) {
  const auto* member = body.if_contains(key);
  if (!member) return;
  if (const auto read = read_duration_ms(*member)) {
    ms = *read;
  } else {
    faults.add(std::string(key), R"(is no duration up to 30 days ("30s", "15m", "4h", or a number of seconds))");
  }
}

void take_names(const json::object& body, std::string_view key, std::size_t most, std::vector<std::string>& names,
                Result<std::string> (*check)(std::string_view), Faults& faults) {
  const auto* member = body.if_contains(key);
  if (!member) return;
  const auto* list = member->if_array();
  if (!list || list->size() > most) {
    return faults.add(std::string(key), "must be a list of up to " + std::to_string(most) + " texts");
  }
  for (std::size_t at = 0; at < list->size(); ++at) {
    const auto path = std::string(key) + '[' + std::to_string(at) + ']';
    const auto* text = (*list)[at].if_string();
    auto name = text ? check(std::string_view(text->data(), text->size()))
                     : Result<std::string>(make_error(Reason::kInvalid, "must be a text"));
    if (name) {
      names.push_back(std::move(*name));
    } else {
      faults.add(path, name.error().detail);
    }
  }
}

Result<std::string> check_network(std::string_view text) {
  if (Network::parse(text)) return std::string(text);
  return make_error(Reason::kInvalid, in_quotes(text) + " is no network (203.0.113.0/24, 2001:db8::/32)");
}

void read_scope(const json::object& body, HoldScope& scope, Faults& faults) {
  const auto* member = body.if_contains("scope");
  const auto* object = member ? member->if_object() : nullptr;
  if (!object || object->size() != 1 || !(object->contains("site") || object->contains("server"))) {
    return faults.add("scope", R"(must be {"site": NAME} or {"server": NAME})");
  }
  scope.is_server = object->contains("server");
  const auto* key = scope.is_server ? "server" : "site";
  const auto text = take_string(*object, key, "scope", faults);
  if (!text) return;
  auto name = scope.is_server ? normalize_endpoint_address(*text) : normalize_host_name(*text);
  if (!name) return faults.add(json_path("scope", key), name.error().detail);
  scope.name = std::move(*name);
}

template <class Enum>
void take_word(const json::object& body, std::string_view key, std::optional<Enum> (*meaning)(std::string_view),
               Enum& value, const char* known, Faults& faults) {
  const auto word = take_string(body, key, "", faults);
  if (!word) return;
  if (const auto read = meaning(*word)) {
    value = *read;
  } else {
    faults.add(std::string(key), in_quotes(*word) + " is none of " + known);
  }
}

void read_expected_end(const json::object& body, std::int64_t now, HoldWishes& wishes, Faults& faults) {
  const auto* member = body.if_contains("expected_end");
  if (!member || member->is_null()) return;
  if (const auto wait = read_duration_ms(*member)) {
    wishes.expected_end = now + *wait;
  } else if (const auto* text = member->if_string(); text && time_of(std::string(*text))) {
    wishes.expected_end = time_of(std::string(*text));
  } else {
    faults.add("expected_end", R"(is neither a time ("2026-11-26T15:30:00Z") nor a duration from now ("10m"))");
  }
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out.append(",\"").append(name).append("\":");
  append_json_string(out, text);
}

void append_member(std::string& out, std::string_view name, std::uint64_t number) {
  out.append(",\"").append(name).append("\":").append(std::to_string(number));
}

void append_flag(std::string& out, std::string_view name, bool flag) {
  out.append(",\"").append(name).append(flag ? "\":true" : "\":false");
}

void append_scope(std::string& out, const HoldScope& scope) {
  out += scope.is_server ? R"(,"scope":{"server":)" : R"(,"scope":{"site":)";
  append_json_string(out, scope.name);
  out += '}';
  if (scope.extra.empty()) return;
  out += ",\"extra_domains\":[";
  for (const auto& name : scope.extra) {
    if (out.back() != '[') out += ',';
    append_json_string(out, name);
  }
  out += ']';
}

void append_claims(std::string& out, const std::vector<HoldClaim>& claims) {
  out += ",\"claims\":[";
  for (const auto& claim : claims) {
    if (out.back() != '[') out += ',';
    out += "{\"kind\":";
    append_json_string(out, to_string(claim.kind));
    if (!claim.key.empty()) append_member(out, "key", claim.key);
    out += '}';
  }
  out += ']';
}

void append_stragglers(std::string& out, const std::vector<Straggler>& stragglers) {
  out += ",\"stragglers\":[";
  for (const auto& each : stragglers) {
    if (out.back() != '[') out += ',';
    out += "{\"method\":";
    append_json_string(out, each.method);
    append_member(out, "path", each.path);
    append_member(out, "site", each.site);
    append_member(out, "age_ms", static_cast<std::uint64_t>(std::max<std::int64_t>(each.age_ms, 0)));
    append_flag(out, "answering", each.is_answering);
    out += '}';
  }
  out += ']';
}

void append_counts(std::string& out, const HoldReply& reply) {
  const auto& record = *reply.record;
  const auto& counts = reply.counts;
  const auto at_least_zero = [](std::int64_t number) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
  };
  const bool is_live = record.is_live();
  append_member(out, "in_flight", at_least_zero(counts.in_flight));
  append_member(out, "passing", at_least_zero(counts.apart));
  append_member(out, "websockets", at_least_zero(counts.tunnels));
  append_member(out, "held", counts.waiting);
  append_stragglers(out, reply.stragglers);
  append_member(out, "cut", record.cut);
  append_member(out, "released", is_live ? counts.of(HoldOutcome::kReleased) : record.released);
  append_member(out, "expired", is_live ? counts.of(HoldOutcome::kExpired) : record.expired);
  append_member(out, "client_gone", is_live ? counts.of(HoldOutcome::kClientGone) : record.client_gone);
  const auto refused = counts.of(HoldOutcome::kFull) + counts.of(HoldOutcome::kOutlasted) +
                       counts.of(HoldOutcome::kPaged) + counts.of(HoldOutcome::kRefused);
  append_member(out, "refused", is_live ? refused : record.refused);
}
}  // namespace

std::optional<std::int64_t> read_duration_ms(const json::value& value) {
  if (const auto* text = value.if_string()) return duration_of({text->data(), text->size()});
  std::int64_t seconds = -1;
  if (const auto* number = value.if_int64()) seconds = *number;
  if (seconds < 0 || seconds > kLongest / 1000) return std::nullopt;
  return seconds * 1000;
}

bool is_hold_id(std::string_view text) {
  return !text.empty() && text.size() <= kLongestId && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::optional<HoldBegin> read_begin(const json::object& body, std::int64_t now, Faults& faults) {
  refuse_unknown_keys(body,
                      {"id", "scope", "reason", "drain_timeout", "on_stragglers", "lease", "hard_max", "on_expire",
                       "expected_end", "websockets", "preview", "extra_domains", "dry_run"},
                      "", faults);
  HoldBegin begin;
  if (const auto id = take_string(body, "id", "", faults)) {
    begin.id = std::string(*id);
    if (!is_hold_id(begin.id)) faults.add("id", "is no id: up to 64 letters, digits, '-', '_' and '.'");
  }
  read_scope(body, begin.scope, faults);
  take_names(body, "extra_domains", kMostExtra, begin.scope.extra, normalize_host_name, faults);
  if (begin.scope.is_server && !begin.scope.extra.empty())
    faults.add("extra_domains", "goes with a site, not a server");
  std::erase(begin.scope.extra, begin.scope.name);
  begin.reason = std::string(take_string(body, "reason", "", faults).value_or(""));
  if (begin.reason.size() > 1000) faults.add("reason", "is longer than 1000 bytes");
  auto& wishes = begin.wishes;
  take_duration(body, "drain_timeout", wishes.drain_timeout_ms, faults);
  take_duration(body, "lease", wishes.lease_ms, faults);
  take_duration(body, "hard_max", wishes.hard_max_ms, faults);
  if (wishes.lease_ms < 1000) faults.add("lease", "is shorter than a second");
  if (wishes.hard_max_ms < 1000) faults.add("hard_max", "is shorter than a second");
  take_word(body, "on_stragglers", to_on_stragglers, wishes.on_stragglers, "wait, cut, abort", faults);
  take_word(body, "on_expire", to_on_expire, wishes.on_expire, "page, pass", faults);
  read_expected_end(body, now, wishes, faults);
  if (const auto websockets = take_string(body, "websockets", "", faults)) {
    wishes.closes_websockets = *websockets == "close";
    if (*websockets != "close" && *websockets != "keep") faults.add("websockets", "is neither keep nor close");
  }
  take_names(body, "preview", kMostPreview, wishes.preview, check_network, faults);
  begin.dry_run = take_bool(body, "dry_run", "", faults).value_or(false);
  if (!faults.empty()) return std::nullopt;
  return begin;
}

std::string event_json(const HoldRecord& record, std::string_view action) {
  std::string out = "{\"action\":";
  append_json_string(out, action);
  append_member(out, "id", record.id);
  append_scope(out, record.scope);
  append_member(out, "state", to_string(record.state));
  if (record.result != HoldResult::kNone) append_member(out, "outcome", to_string(record.result));
  append_member(out, "reason", record.reason);
  return out + '}';
}

std::string to_json(const HoldReply& reply) {
  std::string out = "{";
  if (reply.kind == HoldReply::Kind::kNoop) out += "\"noop\":true";
  if (!reply.why.empty()) append_member(out, "why", reply.why);
  if (!reply.durable) append_flag(out, "durable", false);
  if (reply.record) {
    const auto& record = *reply.record;
    append_member(out, "id", record.id);
    append_scope(out, record.scope);
    append_member(out, "state", to_string(record.state));
    if (record.result != HoldResult::kNone) append_member(out, "outcome", to_string(record.result));
    append_member(out, "epoch", record.epoch);
    append_flag(out, "drained", record.has_drained);
    append_flag(out, "clean", record.is_clean);
    append_counts(out, reply);
    append_claims(out, record.claims);
    append_member(out, "reason", record.reason);
    append_member(out, "who", record.who);
    append_member(out, "held_again", record.held_again);
    append_member(out, "began_at", iso_time(record.began / 1000));
    append_member(out, "expires_at", iso_time(record.expires_at / 1000));
    append_member(out, "hard_max_at", iso_time(record.hard_end() / 1000));
    if (record.wishes.expected_end) append_member(out, "expected_end", iso_time(*record.wishes.expected_end / 1000));
    if (record.ended_at > 0) append_member(out, "ended_at", iso_time(record.ended_at / 1000));
  }
  if (out.size() > 1 && out[1] == ',') out.erase(1, 1);
  return out + '}';
}

}  // namespace hybridge
