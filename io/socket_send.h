// Sends a transport's output at once, by a system call of its own: what both drivers do when there is much of it.
//
// The loop's thread only. Tells the transport of progress, of a full send buffer and of failure.
#pragma once

#include <cstdint>
#include <span>

namespace hybridge {

class Transport;

struct Sent {
  std::size_t of_more = 0;  // bytes
  bool takes_more = false;  // false: the send buffer is full, or the connection failed
};

// From the transport's queue and then from `more`, until the socket takes no more.
Sent send_at_once(Transport& transport, std::span<const std::uint8_t> more);

// What the kernel has to say against the socket (SO_ERROR), and forgets by saying it; 0: nothing.
int pending_error(int descriptor);

}  // namespace hybridge
