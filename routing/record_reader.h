// Takes the members of a JSON object by name and kind, and says what is wrong with them. For the readers of documents.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "routing/fault.h"

namespace hybridge {

// Each key that is not in the list is a fault that names those that are.
void refuse_unknown_keys(const boost::json::object& object, std::initializer_list<std::string_view> known,
                         const std::string& path, Faults& faults);

// The value as an object; nullptr and a fault: it is something else.
const boost::json::object* take_object(const boost::json::value& value, const std::string& path, Faults& faults);

// A member; nullopt: it is not there, or it is of another kind, which is a fault.
std::optional<std::string_view> take_string(const boost::json::object& object, std::string_view key,
                                            const std::string& path, Faults& faults);
std::optional<bool> take_bool(const boost::json::object& object, std::string_view key, const std::string& path,
                              Faults& faults);
std::optional<std::uint32_t> take_number(const boost::json::object& object, std::string_view key, std::uint32_t least,
                                         std::uint32_t most, const std::string& path, Faults& faults);

}  // namespace hybridge
