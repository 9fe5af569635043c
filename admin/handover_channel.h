// Messages, with descriptors, between a process and the one that takes over from it: both ends of a Unix socket that
// the new one inherits.
//
// A message is a JSON text and the descriptors that belong to it; old and new may be of different versions, so unknown
// members are passed over. Any thread sends, one receives; both block, until their deadline at most.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace hybridge {

class HandoverChannel {
 public:
  struct Message {
    std::string text;
    std::vector<Descriptor> descriptors;
  };

  // Two ends that are connected; neither outlives an exec. kIo: no descriptors are left.
  static Result<std::pair<Descriptor, Descriptor>> make_pair();
  explicit HandoverChannel(Descriptor socket) : socket_(std::move(socket)) {}

  // kClosed below: the other process is gone. kIo: it was not done by the deadline, or the kernel refuses.
  Result<void> send(std::string_view text, std::span<const int> descriptors, TimePoint deadline);
  Result<Message> receive(TimePoint deadline);

  void shut_down();  // any thread: who waits, here or there, is told that the other end is gone

  // The environment variable with the number of the descriptor that the new process inherits.
  static constexpr const char* kVariable = "HYBRIDGE_HANDOVER";
  // The reason of errors that mean the other process has ended.
  static constexpr Reason kClosed = Reason::kClientGone;

 private:
  Result<void> await(short events, TimePoint deadline) const;
  Result<void> send_bytes(std::string_view bytes, std::span<const int> descriptors, TimePoint deadline) const;
  Result<void> receive_bytes(char* into, std::size_t size, std::vector<Descriptor>& descriptors,
                             TimePoint deadline) const;

  Descriptor socket_;
  std::mutex sending_;  // a message goes out whole
};

}  // namespace hybridge
