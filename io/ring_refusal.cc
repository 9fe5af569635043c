#include <liburing.h>

#include <cstring>
#include <string>
#include <system_error>

#include "io/driver.h"
#include "io/receive_buffers.h"

namespace hybridge {

std::string ring_refusal() {
  io_uring ring{};
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  const int created = io_uring_queue_init_params(4, &ring, &parameters);
  if (created < 0) return std::strerror(-created);
  std::string refusal;
  try {
    const ReceiveBuffers buffers(ring);
  } catch (const std::system_error& error) {
    refusal = error.what();
  }
  io_uring_queue_exit(&ring);
  return refusal;
}

}  // namespace hybridge
