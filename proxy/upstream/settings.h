// What the worker's upstream side is told by the configuration, and what it tells in return. Plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "routing/snapshot.h"

namespace hybridge {

struct UpstreamSettings {
  // Time-outs.
  Duration connect = std::chrono::seconds{5};          // a look-up's wait, TCP and TLS together, of one endpoint
  Duration wait = std::chrono::seconds{10};            // for a free connection to a busy server
  Duration response_head = std::chrono::seconds{600};  // from the request's end
  Duration response_idle = std::chrono::seconds{600};  // between two pieces of a response's body
  Duration write_idle = std::chrono::seconds{60};      // a server that takes nothing of a request that waits for it

  // Idle connections.
  std::uint32_t keep_alive = 100;           // kept, per endpoint and worker
  Duration idle = std::chrono::seconds{8};  // kept at most this long; less where a server is seen to close sooner

  // Connections made ahead of requests: so many idle ones at least, of those kept, of an endpoint that had a request
  // lately. 0: none is made before a request wants it.
  std::uint32_t warm = 0;
  Duration warm_for = std::chrono::minutes{1};    // after its last request
  Duration warm_every = std::chrono::seconds{1};  // it is looked for endpoints that lack one

  // Bounds per server and worker; a server's own (Server::limits, of all workers together) go before these.
  std::uint32_t connections = 512;  // in use or being made
  std::uint32_t waiting = 1'024;    // requests that wait for one
  std::uint32_t tunnels = 16'384;   // upgraded connections: they are no requests and hold none up
  std::uint32_t site_share = 50;    // percent of each of these that one site may take
  std::uint32_t workers = 1;        // what a server's own limits are divided by

  std::size_t head_bytes = 64 * 1024;  // of a response head
  std::size_t headers = 256;           // fields of a response head

  // Passive health: so many connect failures in a row, then the endpoint is left alone; then one request tries it.
  std::uint32_t failures = 3;
  Duration retry_after = std::chrono::seconds{1};       // doubled with each probe that fails,
  Duration retry_after_max = std::chrono::seconds{10};  // up to this

  Duration resolve_again = std::chrono::seconds{30};  // names of endpoints, while they are in use

  // A server that was not used for this long, and to which nothing is connected, is forgotten, its health with it.
  Duration forget_after = std::chrono::minutes{5};
};

// Endpoints, each as endpoint_key() spells it.
using EndpointSet = std::set<std::string, std::less<>>;

inline std::string endpoint_key(std::string_view server, const Endpoint& endpoint) {
  return std::string(server) + '\n' + endpoint.address + '\n' + std::to_string(endpoint.port);
}

// Told what happens to connections and servers of one worker, on its thread, for its counters.
class UpstreamObserver {
 public:
  enum class State : std::uint8_t { kNone, kConnecting, kActive, kIdle };  // kNone: not yet, or no more

  virtual void upstream_connection_moved(State from, State to) = 0;
  virtual void upstream_waiting_changed(int by) = 0;
  // Whether requests to the server have a chance: false while every endpoint of it is left alone. Told at changes, and
  // from time to time while it is in use.
  virtual void upstream_server_seen(std::string_view server, bool up) = 0;
  virtual void upstream_server_dropped(std::string_view server) = 0;  // not in use for a while
  // Asked, not told: whether connections to this server may be made that no request needs yet.
  virtual bool upstream_may_be_warmed(const Server& server) = 0;

 protected:
  ~UpstreamObserver() = default;
};

// The same as numbers, for whoever has no counters of its own.
struct UpstreamStats {
  std::uint32_t connecting = 0;
  std::uint32_t active = 0;
  std::uint32_t idle = 0;
  std::uint32_t waiting = 0;
  std::uint32_t tunnels = 0;
};

}  // namespace hybridge
