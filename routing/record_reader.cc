#include "routing/record_reader.h"

#include <algorithm>

#include "base/host_name.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace json = boost::json;

void refuse_unknown_keys(const json::object& object, std::initializer_list<std::string_view> known,
                         const std::string& path, Faults& faults) {
  for (const auto& member : object) {
    const std::string_view key = member.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string names;
    for (const auto name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    faults.add(json_path(path, key), "is not a key here (known: " + names + ")");
  }
}

const json::object* take_object(const json::value& value, const std::string& path, Faults& faults) {
  const auto* object = value.if_object();
  if (!object) faults.add(path, "must be an object");
  return object;
}

std::optional<std::string_view> take_string(const json::object& object, std::string_view key, const std::string& path,
                                            Faults& faults) {
  const auto* value = object.if_contains(key);
  if (!value) return std::nullopt;
  if (const auto* text = value->if_string()) return std::string_view(*text);
  faults.add(json_path(path, key), "must be a string");
  return std::nullopt;
}

std::optional<bool> take_bool(const json::object& object, std::string_view key, const std::string& path,
                              Faults& faults) {
  const auto* value = object.if_contains(key);
  if (!value) return std::nullopt;
  if (const auto* truth = value->if_bool()) return *truth;
  faults.add(json_path(path, key), "must be true or false");
  return std::nullopt;
}

std::optional<std::uint32_t> take_number(const json::object& object, std::string_view key, std::uint32_t least,
                                         std::uint32_t most, const std::string& path, Faults& faults) {
  const auto* value = object.if_contains(key);
  if (!value) return std::nullopt;
  json::error_code error;
  const auto number = value->is_number() ? value->to_number<std::int64_t>(error) : std::int64_t{-1};
  if (!value->is_number() || error || number < least || number > most) {
    faults.add(json_path(path, key),
               "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(number);
}

}  // namespace hybridge
