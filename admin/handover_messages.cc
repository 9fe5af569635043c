#include "admin/handover_messages.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "base/digest.h"
#include "routing/change_json.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::array<std::string_view, 13> kWords = {"prepared", "frozen", "serving",  "gone", "failed",
                                                     "change",   "live",   "holds",    "held", "drained",
                                                     "look",     "cut",    "under way"};

Error invalid(std::string what) {
  return make_error(Reason::kInvalid,
                    "the other process said what this version does not understand: " + std::move(what));
}

Result<json::object> read_object(std::string_view text) {
  boost::system::error_code error;
  auto value = json::parse(text, error);
  if (error || !value.is_object()) return invalid("no JSON object");
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_int64() ? value->get_int64() : 0;
}

const json::array& array_of(const json::object& object, std::string_view key) {
  static const json::array none;
  const auto* value = object.if_contains(key);
  return value && value->is_array() ? value->get_array() : none;
}

template <class Bytes>
bool from_hex(std::string_view digits, Bytes& bytes) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  if (digits.size() != bytes.size() * 2) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit(digits[i * 2]);
    const int low = digit(digits[i * 2 + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return true;
}

json::value write_change(const Change& change) {
  json::object written{{"kind", to_string(change.kind)}, {"name", change.name}};
  if (const auto value = value_of(change)) written["value"] = json::parse(*value);
  return written;
}

Result<Change> read_change(const json::value& value) {
  const auto* object = value.if_object();
  const auto kind = object ? to_kind(text_of(*object, "kind")) : std::nullopt;
  if (!kind) return invalid("a change of no kind");
  auto name = text_of(*object, "name");
  const auto* record = object->if_contains("value");
  if (!record) return deletion(*kind, std::move(name));
  Faults faults;
  auto change = read_put(*kind, name, *record, "value", faults);
  if (!change) return invalid(name + ": " + (faults.empty() ? "no record" : faults.kept().front().message));
  return std::move(change->change);
}

json::value write_straggler(const Straggler& straggler) {
  return json::object{{"method", straggler.method},
                      {"path", straggler.path},
                      {"site", straggler.site},
                      {"age_ms", straggler.age_ms},
                      {"answering", straggler.is_answering}};
}

Straggler read_straggler(const json::object& object) {
  const auto* answering = object.if_contains("answering");
  return {.method = text_of(object, "method"),
          .path = text_of(object, "path"),
          .site = text_of(object, "site"),
          .age_ms = number_of(object, "age_ms"),
          .is_answering = answering && answering->is_bool() && answering->get_bool()};
}
}  // namespace

std::string write_offer(const HandoverOffer& offer) {
  json::array sockets;
  for (const auto& [name, count] : offer.sockets) sockets.push_back({{"name", name}, {"count", count}});
  json::array keys;
  for (const auto& [key, age] : offer.ticket_keys) {
    keys.push_back({{"name", to_hex(key.name)},
                    {"encryption", to_hex(key.encryption)},
                    {"authentication", to_hex(key.authentication)},
                    {"age_ms", std::chrono::duration_cast<std::chrono::milliseconds>(age).count()}});
  }
  return json::serialize(json::object{{"handover", HandoverOffer::kProtocol},
                                      {"version", offer.version},
                                      {"pid", offer.pid},
                                      {"state_dir", offer.state_dir},
                                      {"sockets", std::move(sockets)},
                                      {"ticket_keys", std::move(keys)}});
}

Result<HandoverOffer> read_offer(std::string_view text) {
  const auto object = read_object(text);
  if (!object) return object.error();
  if (const auto protocol = number_of(*object, "handover"); protocol != HandoverOffer::kProtocol) {
    return invalid("an offer of protocol " + std::to_string(protocol) + ", not " +
                   std::to_string(HandoverOffer::kProtocol) + " (upgrade by a restart)");
  }
  HandoverOffer offer;
  offer.version = text_of(*object, "version");
  offer.pid = number_of(*object, "pid");
  offer.state_dir = text_of(*object, "state_dir");
  for (const auto& value : array_of(*object, "sockets")) {
    const auto* socket = value.if_object();
    if (!socket || number_of(*socket, "count") < 0) return invalid("a socket without a name and a count");
    offer.sockets.emplace_back(text_of(*socket, "name"), static_cast<std::size_t>(number_of(*socket, "count")));
  }
  for (const auto& value : array_of(*object, "ticket_keys")) {
    const auto* key = value.if_object();
    TicketKeyring::Aged aged;
    if (!key || !from_hex(text_of(*key, "name"), aged.key.name) ||
        !from_hex(text_of(*key, "encryption"), aged.key.encryption) ||
        !from_hex(text_of(*key, "authentication"), aged.key.authentication)) {
      return invalid("a ticket key that is none");
    }
    aged.age = std::chrono::milliseconds(number_of(*key, "age_ms"));
    offer.ticket_keys.push_back(std::move(aged));
  }
  return offer;
}

std::string write_message(const HandoverMessage& message) {
  json::object written{{"word", kWords[static_cast<std::size_t>(message.word)]}};
  if (!message.detail.empty()) written["detail"] = message.detail;
  if (message.revision != 0) written["revision"] = message.revision;
  if (!message.changes.empty()) {
    json::array changes;
    for (const auto& change : message.changes) changes.push_back(write_change(change));
    written["changes"] = std::move(changes);
  }
  if (!message.stragglers.empty()) {
    json::array stragglers;
    for (const auto& straggler : message.stragglers) stragglers.push_back(write_straggler(straggler));
    written["stragglers"] = std::move(stragglers);
  }
  if (message.cut != 0) written["cut"] = message.cut;
  return json::serialize(written);
}

Result<HandoverMessage> read_message(std::string_view text) {
  const auto object = read_object(text);
  if (!object) return object.error();
  const auto word = text_of(*object, "word");
  const auto known = std::find(kWords.begin(), kWords.end(), word);
  if (known == kWords.end()) return invalid('"' + word + '"');
  HandoverMessage message;
  message.word = static_cast<HandoverWord>(known - kWords.begin());
  message.detail = text_of(*object, "detail");
  message.revision = static_cast<std::uint64_t>(number_of(*object, "revision"));
  for (const auto& value : array_of(*object, "changes")) {
    auto change = read_change(value);
    if (!change) return change.error();
    message.changes.push_back(std::move(*change));
  }
  for (const auto& value : array_of(*object, "stragglers")) {
    if (const auto* straggler = value.if_object()) message.stragglers.push_back(read_straggler(*straggler));
  }
  message.cut = static_cast<std::uint64_t>(number_of(*object, "cut"));
  return message;
}

}  // namespace hybridge
