// Requests for the proxy's own name (`server_name`): which path is answered by whom. Whoever answers, it is logged and
// counted as any other request.
//
// On the worker's thread. The API below /agent/, and what is monitored, are of a floor above: they come through the
// port OwnApi.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/error.h"
#include "base/task.h"
#include "io/address.h"
#include "proxy/downstream/stream.h"

namespace hybridge {

class Exchange;

// An API that answers below the proxy's own name: what `main` puts behind the door (see Edge::set_own_api). One for all
// workers; outlives them.
class OwnApi {
 public:
  struct Call {
    Stream& stream;
    Address client;  // as believed of a trusted proxy
    std::string_view request_id;
    std::function<void(std::function<void()>)> post;  // runs work on the stream's loop; from any thread
  };

  virtual ~OwnApi() = default;
  // On the stream's loop. Must answer the stream (head and finish, or reset) before it returns.
  virtual Task<void> serve(Call call) = 0;
};

enum class OwnPath : std::uint8_t {
  kHome,        // `/`: 200, for monitors look at it
  kAgentApi,    // `/agent/…`: the API that a control plane drives its proxies by
  kMonitoring,  // `/metrics/…`, `/status`: what Prometheus and monitors read
  kServer,      // `/<server>/(agent|metrics|status)…`: forwarded to it (proxy/onward.h)
  kNothing,
};
OwnPath own_path(std::string_view path);  // without query

// Is the request for the proxy itself? Never on a listener that only redirects.
bool is_own_host(const Exchange& exchange);

// Programs call here, and understand nothing but JSON, whatever they accept (decisions.md 20).
bool is_called_by_programs(const Exchange& exchange);

// Answers; or an error for answer() to tell of: the home page is one of them.
Task<Result<void>> serve_own_host(Exchange& exchange);

}  // namespace hybridge
