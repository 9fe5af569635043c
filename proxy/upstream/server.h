// Everything of one customer's server on one worker: its endpoints with their connections, whose turn it is, and the
// bounds that keep it from costing other servers, and its sites each other, anything.
//
// Owned by Upstreams; the worker's thread only. Gives out connections; what is done with them is the lessee's story.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/upstream/endpoint.h"
#include "proxy/upstream/lease.h"
#include "proxy/upstream/settings.h"
#include "routing/snapshot.h"

namespace hybridge {

class ClientContext;

class UpstreamServer final : private UpstreamEndpoint::Owner, private Timer::Owner {
 public:
  UpstreamServer(UpstreamEndpoint::Shared& shared, ClientContext& tls, std::shared_ptr<const Server> server);
  ~UpstreamServer();  // ends what is still leased or waiting with kShuttingDown
  UpstreamServer(const UpstreamServer&) = delete;

  // A connection for one request: an idle one or a new one, of the endpoint whose turn it is, or of another when that
  // cannot be connected to. `request` must stay until it returns. Errors: kServerBusy (bounds, or the wait took too
  // long), kUpstreamDown (every endpoint is left alone), kUpstreamConnectFailed, kUpstreamConnectTimeout, kUpstreamTls,
  // kUpstreamUnresolved (of the endpoint tried last), kClientGone (cancelled), kShuttingDown.
  Task<Result<Lease>> lease(LeaseRequest& request);

  // The configured server has changed: endpoints that stayed keep their connections; those of removed ones end with
  // their requests, those under other TLS settings too.
  void update(std::shared_ptr<const Server> server);
  const std::shared_ptr<const Server>& configured() const { return server_; }

  bool is_up() const;               // some endpoint may be tried
  bool is_unused() const;           // nothing is connected, being connected or waiting
  TimePoint last_used() const { return last_used_; }
  std::size_t in_use() const { return in_use_; }  // leased or being made, tunnels not counted
  std::size_t waiting() const { return waiting_; }
  std::size_t tunnels() const { return tunnels_; }
  std::size_t idle() const;

 private:
  friend class Dial;
  friend class Lease;
  friend class LeaseRequest;

  // A place under the bounds, taken before a connection is looked for, and passed to the Lease.
  class Place;

  void on_tunnel(UpstreamConnection& connection) override;
  void on_timer() override;  // the oldest waiting request has waited too long

  void give_back(UpstreamSiteUse& use, UpstreamConnection& connection);
  void leave(UpstreamSiteUse& use, bool was_tunnel);
  void grant();  // free places go to those who wait
  void end_wait(LeaseRequest& request);
  UpstreamSiteUse& use_of(std::string_view site);
  Task<Result<void>> enter(LeaseRequest& request);
  Task<Result<UpstreamConnection*>> connect(LeaseRequest& request);
  UpstreamEndpoint* choose(std::uint32_t tried);
  void tell_health();
  std::size_t bound(std::uint32_t configured, std::uint32_t own) const;
  std::size_t share_of(std::size_t bound) const;

  UpstreamEndpoint::Shared& shared_;
  ClientContext& tls_;
  std::shared_ptr<const Server> server_;
  std::vector<std::unique_ptr<UpstreamEndpoint>> endpoints_;
  std::vector<std::unique_ptr<UpstreamEndpoint>> retired_;  // until their last connection ends
  bool said_up_ = true;
  TimePoint last_used_{};
};

}  // namespace hybridge
