// Unix seconds as people and programs read them. Pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace hybridge {

std::string iso_time(std::int64_t unix_seconds);  // RFC 3339, UTC: `2026-11-22T20:25:28Z`

}  // namespace hybridge
