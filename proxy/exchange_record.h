// What is known of one exchange at its end: the access log's line and the counters are made from this alone.
//
// Filled by the worker while the request runs; views point into what the exchange owns (its head, its connection, its
// snapshot) and need to live only while the record is logged and counted. Empty views and kNone mean: not there.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace hybridge {

struct ExchangeRecord {
  static constexpr std::int64_t kNone = -1;

  // Microseconds. kNone: the exchange never came that far.
  struct Timings {
    std::int64_t head = kNone;        // from the head's first byte until it was complete and checked
    std::int64_t hold = kNone;        // kept waiting while its site was held
    std::int64_t queue = kNone;       // for a free upstream connection
    std::int64_t connect = kNone;     // a new upstream connection, TLS included; kNone: a pooled one was used
    std::int64_t first_byte = kNone;  // from the request's first byte upstream to the response's first
    std::int64_t total = 0;           // from the head's first byte to the end
  };

  std::int64_t start_ms = 0;  // of the Unix epoch
  std::string_view request_id;
  std::string_view trace_id;  // of the client's traceparent; empty: it sent none that is one
  std::string_view site;
  std::string_view host;         // lower-case, without port
  std::string_view client;       // IP address, as believed of a trusted proxy
  std::string_view remote_user;  // of Basic authorization
  std::string_view method;
  std::string_view target;        // path and query
  std::string_view protocol;      // "HTTP/1.1"
  std::string_view request_line;  // as sent, if it is not what the three above make
  int status = 0;                 // 0: the client was sent none
  Reason reason = Reason::kOk;
  std::string_view detail;       // of the reason, for operators
  bool is_agent_call = false;    // to a server's agent or exporters, not to a site
  bool is_tunnel = false;        // was upgraded: bytes and timings are the tunnel's too
  std::string_view tls_version;  // "TLSv1.3"; empty: clear text
  bool tls_resumed = false;
  std::string_view server;
  std::string_view endpoint;    // address:port
  std::uint64_t bytes_in = 0;   // of the request's body, without framing
  std::uint64_t bytes_out = 0;  // of the response's body, without framing
  Timings timings;
  std::uint32_t retries = 0;
  std::string_view hold_id;
  std::string_view rule;           // that ended it, or the last that had something to say
  std::string_view request_class;  // as a rule named it; "agent": is_agent_call
  std::string_view would_limit;    // the rate limit that would have refused it, were it not a dry run
  std::uint64_t revision = 0;
  std::string_view user_agent;
  std::string_view referer;
  std::string_view x_forwarded_for;  // as the client sent it
};

}  // namespace hybridge
