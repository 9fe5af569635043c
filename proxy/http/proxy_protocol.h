// The PROXY protocol, versions 1 and 2, as a trusted load balancer sends it before anything else: who the client
// really is. A pure function: bytes in, addresses out; whether to believe them is the listener's affair.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string_view>

#include "base/error.h"

namespace hybridge::http {

struct ProxyHeader {
  enum class State : std::uint8_t {
    kIncomplete,  // what is there may become a header: read more
    kAbsent,      // these bytes are none
    kComplete,
  };
  State state = State::kIncomplete;
  std::size_t bytes = 0;  // of kComplete: how many to take off the front
  // False: the balancer speaks for itself (LOCAL, UNKNOWN, an address family without a port), so the connection's own
  // addresses hold.
  bool has_addresses = false;
  sockaddr_storage source{};  // sockaddr_in or sockaddr_in6
  sockaddr_storage destination{};
};

// `bytes`: all bytes since the connection began. kBadProxyHeader: it begins like a header and is malformed, or is
// longer than 107 bytes (version 1) or 4 KiB (version 2).
Result<ProxyHeader> parse_proxy_header(std::string_view bytes);

}  // namespace hybridge::http
