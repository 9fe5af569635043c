#include "proxy/unforeseen.h"

#include "base/process_log.h"

namespace hybridge {

Error unforeseen(const std::exception& thrown) {
  log::error("a request ended by an exception: {}", thrown.what());
  return make_error(Reason::kInternal, thrown.what());
}

}  // namespace hybridge
