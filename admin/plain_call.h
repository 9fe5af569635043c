// One HTTP call over a socket that is connected, from a thread that may wait; the answer whole. For the commands that
// ask the running process, and for the agent that may run beside it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"
#include "io/address.h"
#include "proxy/http/message.h"

namespace hybridge {

struct PlainAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

// Sends `request`, which asks for the connection to be closed behind its answer, and takes that. `peer` is what
// messages call the other side. kIo: nothing moved for so long, or the answer broke off.
Result<PlainAnswer> call_over(const Descriptor& socket, const std::string& peer, std::string_view request,
                              std::chrono::seconds patience);

// The same at an address.
Result<PlainAnswer> call_at(const Address& address, const std::string& peer, std::string_view request,
                            std::chrono::seconds patience);

}  // namespace hybridge
