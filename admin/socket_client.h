// One call of the admin API over its Unix socket, for the commands that ask the running process. Blocks.
#pragma once

#include <string>

#include "admin/plain_call.h"
#include "base/error.h"

namespace hybridge {

// kIo: nobody listens there, or the answer broke off; a sentence for humans. `body`: JSON.
Result<PlainAnswer> ask_admin(const std::string& socket, const std::string& target, const std::string& method = "GET",
                              const std::string& body = {});

}  // namespace hybridge
