// Reads JSON text into a tree that is safe to walk: bounded in size and depth, no key twice in an object, and errors
// with their line and column. Never throws. One thread; the tree lives in the Reader's memory.
#pragma once

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

#include "routing/fault.h"

namespace hybridge {

struct JsonLimits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t depth = 16;  // of nested objects and arrays
};

// nullptr: there are faults, each added to `faults`. `memory` must outlive the tree.
const boost::json::value* read_json(std::string_view text, const JsonLimits& limits,
                                    boost::json::monotonic_resource& memory, Faults& faults);

// `prefix` alone, or `prefix.key` and `prefix["odd.key"]`.
std::string json_path(std::string_view prefix, std::string_view key);

// The value as text with the keys of every object sorted, so that equal values are equal texts.
void append_sorted_json(std::string& out, const boost::json::value& value);
void append_json_string(std::string& out, std::string_view text);  // with its quotes

}  // namespace hybridge
