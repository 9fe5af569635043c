// One request on its way through the edge: its stream, the snapshot it is judged by, its route, and everything that
// the log line and the counters are made from in the end.
//
// Lives in the frame of serve(); its worker's thread only.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/smart_ptr/local_shared_ptr.hpp>
#include <boost/static_string/static_string.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "proxy/answer_tap.h"
#include "proxy/downstream/stream.h"
#include "proxy/exchange_record.h"
#include "proxy/gate.h"
#include "proxy/onward.h"
#include "proxy/replay_buffer.h"
#include "proxy/upstream/lease.h"
#include "routing/rule.h"
#include "routing/snapshot.h"

namespace hybridge {

class Worker;

// What a listener tells the requests that come by it.
struct Entrance {
  bool is_https = true;             // the scheme its clients speak
  bool redirects_to_https = false;  // port 80: everything is sent to https, ACME's challenges to the control plane
};

// What the operator's rules say of a request. Views into the rules of its snapshot: whoever waits keeps all of it.
struct Ruled {
  std::string_view rule;           // the last that matched: of a request that was ended by one, that one
  std::string_view request_class;  // "": none
  boost::container::small_vector<const RuleHeader*, 4> headers;
  int status = 0;                      // of a redirect or a denial
  std::string location;                // of a redirect
  std::chrono::seconds retry_after{};  // of a limit
  struct {
    std::string_view name;  // "": none spoke of it
    std::int64_t most = 0;  // requests, in so many seconds:
    std::uint32_t seconds = 0;
    std::uint32_t left = 0;      // requests
    std::int64_t reset = 0;      // seconds until there are more, or all again
  } limit;                       // that was nearest, for the answer's fields
  std::string_view would_limit;  // by a dry run; "": none
};

class Exchange {
 public:
  Exchange(Worker& worker, Stream& stream, const Entrance& entrance);
  Exchange(const Exchange&) = delete;

  Worker& worker;
  Stream& stream;
  const Entrance& entrance;
  boost::local_shared_ptr<const std::shared_ptr<const Snapshot>> snapshot;
  Route route;
  std::unique_ptr<Onward> onward;  // it is for no site: where to instead
  AnswerTap* tap = nullptr;        // who reads the answer as it passes; nullptr: nobody

  // Whom it is for, once that is decided: of a route of kind kSite, or onward.
  const std::shared_ptr<const Server>& server() const { return onward ? onward->server : route.shared_server(); }
  const http::RequestHead& request() const { return stream.request(); }
  std::string_view request_id() const { return {request_id_.data(), request_id_.size()}; }
  std::string_view traceparent() const { return {traceparent_.data(), traceparent_.size()}; }
  // Of the client's trace; "": it has none, and one has begun here, by the request's id.
  std::string_view trace_id() const { return has_trace_ ? traceparent().substr(3, 32) : std::string_view(); }
  std::string_view client_ip() const { return client_ip_; }
  std::string_view scheme() const { return scheme_; }
  // `https://<host>`: the origin of the CORS defaults that an answer gets; "" below /assets/ and /socket.io, which get
  // none. Valid until the next call of any exchange of the worker.
  std::string_view cors_origin();
  // Who asks, as far as a trusted proxy is believed: what limits count by.
  const Address& client() const { return named_client_ ? *named_client_ : stream.client().peer; }
  bool is_counted_by_address() const;  // neither loopback nor a trusted proxy that speaks for itself

  // Counts the request as one of its client's, until the exchange or leave() ends it. kTooManyRequestsFromAddress.
  Result<void> enter();
  void leave() { place_ = {}; }

  // Gathered on the way.
  Reason outcome = Reason::kOk;
  std::string_view detail;  // of the outcome; of whoever serves the exchange
  int upstream_status = 0;  // of the upstream's final head
  std::uint32_t retries = 0;
  Ruled ruled;
  bool is_counted = false;             // by the rate limits: once, however often it is decided upon
  boost::static_string<56> endpoint;   // address:port of the last attempt
  HoldPool::WindowPtr held_by;         // the window that held it last
  std::chrono::seconds retry_after{};  // what it is told if it must come again
  ExchangeRecord::Timings timings;
  ReplayBuffer replay;  // its body, while it may have to be sent again
  Lease tunnel_to;      // after a 101: the server's connection, which is a tunnel's from then on
  // Whether it may, once more, after its site stopped it: the first time, and whenever it has waited since.
  bool may_go_again();

  GateEntry gate_entry;

  // After a wait the table may be another: what was found in the old one is forgotten.
  void look_again();

  // For the log and the counters; views into the exchange, and into the worker's scratch().
  ExchangeRecord record(TimePoint now);

 private:
  void believe_proxy();
  void begin_trace();

  std::int64_t waited_when_stopped_ = -2;  // timings.hold by then; less than any: it never was

  std::array<char, 32> request_id_;
  std::array<char, 55> traceparent_;
  bool has_trace_ = false;               // it is the client's
  std::optional<Address> named_client_;  // by a trusted proxy, in a header
  ClientLimits::Request place_;
  std::string_view client_ip_;
  std::string_view scheme_;
};

inline std::int64_t microseconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from).count();
}

}  // namespace hybridge
