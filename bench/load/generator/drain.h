// The other end of HAProxy's log: takes datagrams from a Unix socket and appends them to a file, a line each.
#pragma once

#include <string>

namespace hybridge::bench {

// Until the process is ended by a signal.
[[noreturn]] void drain(const std::string& socket, const std::string& file);

}  // namespace hybridge::bench
