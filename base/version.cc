#include "base/version.h"

namespace hybridge {

const std::string_view kVersion = HYBRIDGE_VERSION;
const std::string_view kSourceRevision = HYBRIDGE_SOURCE_REVISION;

}  // namespace hybridge
