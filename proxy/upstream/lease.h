// A request's hold on one connection, and what it asks for to get one.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "proxy/upstream/connection.h"

namespace hybridge {

class Dial;
class UpstreamServer;
struct UpstreamSiteUse;

// Owned by whoever asks (it must outlive the call of lease()); the worker's thread only. May be used again.
class LeaseRequest {
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

 public:
  std::string_view site;    // whose share of the server it counts against
  bool is_safe = false;     // GET, HEAD, OPTIONS: may go by any idle connection
  bool fresh_only = false;  // a repetition: only by a connection made for it
  bool is_tunnel = false;   // asks for an upgrade
  // Asks only whether the server is there: is let in although all places are taken, or every endpoint is left alone;
  // failing, it counts against nobody.
  bool is_probe = false;
  bool to_primary = false;  // only by the server's first endpoint

  // Ends the wait in lease(), if there is one, with kClientGone; the task is resumed inline.
  void cancel();

  // Filled by lease(), also when it fails.
  std::uint64_t queue_microseconds = 0;    // waited for a free connection
  std::uint64_t connect_microseconds = 0;  // spent on making one; 0: an idle one was there

 private:
  friend class UpstreamServer;
  friend struct UpstreamSiteUse;

  void end_wait(std::optional<Error> error);  // no error: it has its place

  Hook by_arrival_;
  Hook by_site_;
  using ArrivalQueue =
      boost::intrusive::list<LeaseRequest,
                             boost::intrusive::member_hook<LeaseRequest, Hook, &LeaseRequest::by_arrival_>,
                             boost::intrusive::constant_time_size<false>>;
  using SiteQueue =
      boost::intrusive::list<LeaseRequest, boost::intrusive::member_hook<LeaseRequest, Hook, &LeaseRequest::by_site_>,
                             boost::intrusive::constant_time_size<false>>;

  Waiter waiter_;
  std::optional<Error> wait_error_;
  TimePoint deadline_ = kNever;
  UpstreamServer* server_ = nullptr;  // in whose queue it waits
  UpstreamSiteUse* use_ = nullptr;
  Dial* dial_ = nullptr;  // which makes a connection for it
};

// Move-only. When it goes, the connection goes back to its pool if it is_reusable(), and is closed otherwise; waits
// that are still pending on it end with kUpstreamClosed. The UpstreamServer outlives its leases.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept
      : server_(std::exchange(other.server_, nullptr)), connection_(std::exchange(other.connection_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      release();
      server_ = std::exchange(other.server_, nullptr);
      connection_ = std::exchange(other.connection_, nullptr);
    }
    return *this;
  }
  ~Lease() { release(); }

  explicit operator bool() const { return connection_ != nullptr; }
  UpstreamConnection* operator->() const { return connection_; }
  UpstreamConnection& operator*() const { return *connection_; }
  void release();  // now, instead of at the end

 private:
  friend class UpstreamServer;
  Lease(UpstreamServer& server, UpstreamConnection& connection) : server_(&server), connection_(&connection) {}

  UpstreamServer* server_ = nullptr;
  UpstreamConnection* connection_ = nullptr;
};

}  // namespace hybridge
