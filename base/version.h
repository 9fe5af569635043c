// What this build is called.
#pragma once

#include <string_view>

namespace hybridge {

extern const std::string_view kVersion;         // "0.1.0"
extern const std::string_view kSourceRevision;  // of the clone it was configured in; "unknown" outside one

}  // namespace hybridge
