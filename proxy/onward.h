// Requests below the proxy's own name that are meant for a customer's server:
// `/<server>[:port]/(agent|metrics|status)…` goes to `https://<server>:<port>/…`, the rest of the target byte for byte.
// Only to servers of the table, so it is no open relay; with the certificate verified for the server's name; with the
// caller's credentials, which are the server's to check.
//
// On the worker's thread. What is special about such an exchange is its Onward; it is carried by forward() as any
// other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/task.h"
#include "routing/snapshot.h"

namespace hybridge {

class Exchange;

// Where such a target leads. Views into it.
struct OnwardPath {
  std::string_view server;  // as it was spelled
  std::uint16_t port = 0;   // 0: where the server's record says that its agent listens
  std::string_view target;  // `/agent/ping?x=%2f`
};
// nullopt: it is none. A port is 443 or 8443, as the servers' agents listen; any other makes it none.
std::optional<OnwardPath> onward_path(std::string_view target);

// Where an exchange goes that is not for a site.
struct Onward {
  std::shared_ptr<const Server> server;
  std::string host;         // its Host field
  std::string_view target;  // in the request's own
};

// The servers that a worker has forwarded to: each as a Server of its own, so that its connections are kept apart from
// those of its sites. Owned by the Worker.
class OnwardServers {
 public:
  // `known`, reached at that address under that name; port 0: its agent's.
  std::shared_ptr<const Server> find(const std::shared_ptr<const Server>& known, std::string_view name,
                                     const std::string& address, std::uint16_t port);

 private:
  struct Entry {
    std::shared_ptr<const Server> known;
    std::shared_ptr<const Server> onward;
  };
  std::map<std::string, Entry, std::less<>> entries_;  // by name, port and address
};

// Answers from the server, or with an error: kForwardDenied (the caller's address), kUnknownServer, and forward()'s
// own.
Task<Result<void>> forward_onward(Exchange& exchange, OnwardPath path);

}  // namespace hybridge
