// A change of one record as JSON: what the admin API takes and what a process tells the one it takes over from. Reading
// finds all faults at once, each with its JSON path; nothing throws.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "routing/change.h"
#include "routing/fault.h"

namespace hybridge {

std::optional<Change::Kind> to_kind(std::string_view word);  // "server"; nullopt: there is none of that name

// A change as it was asked for; a rule that did not say its order gets one when the others are known.
struct ReadChange {
  Change change;
  bool has_place = true;
};

// A record that is put; `name` in its normal spelling, `path` where the value stands. nullopt: there are faults.
std::optional<ReadChange> read_put(Change::Kind kind, const std::string& name, const boost::json::value& value,
                                   const std::string& path, Faults& faults);

}  // namespace hybridge
