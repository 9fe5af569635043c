#include "base/contain.h"

#include "base/process_log.h"

namespace hybridge {

void log_contained(const char* what, const std::exception& thrown) {
  log::error("{} ended by an exception: {}", what, thrown.what());
}

}  // namespace hybridge
