// Windows as the API speaks of them: what begin() may be asked, and what is answered. Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "admin/hold_registry.h"
#include "routing/fault.h"

namespace hybridge {

// `500ms`, `30s`, `15m`, `4h`, or a number of seconds; nullopt: it is none, or longer than 30 days.
std::optional<std::int64_t> read_duration_ms(const boost::json::value& value);

bool is_hold_id(std::string_view text);  // up to 64 letters, digits, '-', '_' and '.'

// The body of POST /v1/holds. nullopt: there are faults. `now`: Unix milliseconds.
std::optional<HoldBegin> read_begin(const boost::json::object& body, std::int64_t now, Faults& faults);

std::string to_json(const HoldReply& reply);

// A transition, as the stream of events tells it.
std::string event_json(const HoldRecord& record, std::string_view action);

}  // namespace hybridge
