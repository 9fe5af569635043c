// Unix time: now, and as people and programs read it.
#pragma once

#include <cstdint>
#include <string>

namespace hybridge {

std::int64_t unix_microseconds();  // now

std::string iso_time(std::int64_t unix_seconds);  // RFC 3339, UTC: `2026-11-22T20:25:28Z`

}  // namespace hybridge
