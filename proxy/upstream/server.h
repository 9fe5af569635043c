// Everything of one customer's server on one worker: its endpoints with their connections, whose turn it is, and the
// bounds that keep it from costing other servers, and its sites each other, anything.
//
// Owned by Upstreams; the worker's thread only. Gives out connections; what is done with them is the lessee's story.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/upstream/dial.h"
#include "proxy/upstream/endpoint.h"
#include "proxy/upstream/lease.h"
#include "proxy/upstream/settings.h"
#include "proxy/upstream/site_use.h"
#include "proxy/upstream/upstream_tls.h"
#include "routing/snapshot.h"

namespace hybridge {

class UpstreamServer final : private UpstreamEndpoint::Owner, private Timer::Owner {
 public:
  UpstreamServer(UpstreamEndpoint::Shared& shared, UpstreamTls& tls, std::shared_ptr<const Server> server);
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

  bool is_up() const;      // some endpoint may be tried
  bool is_unused() const;  // nothing is connected, being connected or waiting
  TimePoint last_used() const { return last_used_; }
  std::size_t in_use() const { return in_use_; }  // leased or being made, tunnels not counted
  std::size_t waiting() const { return waiting_; }
  std::size_t tunnels() const { return tunnels_; }
  std::size_t idle() const;
  void close_idle();
  bool is_cold() const;  // some endpoint of it is
  std::size_t warm();    // makes connections ahead to those that are, one to each; how many it has begun
  void sweep();          // now and then: says again how it is
  void heed_down();      // Shared::down is another one

 private:
  friend class Lease;
  friend class LeaseRequest;
  class Place;

  void on_tunnel(UpstreamConnection& connection) override;
  void on_timer() override;  // the request that has waited longest has waited too long

  void give_back(UpstreamConnection& connection);
  void leave(UpstreamSiteUse& use);
  void grant();  // free places go to those who wait, site by site in turn
  std::unique_ptr<UpstreamEndpoint> make_endpoint(const Endpoint& configured);
  bool is_said_down(const Endpoint& configured) const;
  UpstreamSiteUse& use_of(std::string_view site);
  bool has_place(const UpstreamSiteUse& use) const;
  std::optional<Error> refusal(const LeaseRequest& request, const UpstreamSiteUse& use) const;
  void enqueue(LeaseRequest& request, UpstreamSiteUse& use);
  void dequeue(LeaseRequest& request);
  Task<Dial::Outcome> connect(UpstreamEndpoint& endpoint, LeaseRequest& request);
  UpstreamEndpoint* choose(const LeaseRequest& request, std::span<UpstreamEndpoint* const> tried);
  bool is_worth_trying(const UpstreamEndpoint& endpoint) const;
  Task<void> make_ahead(UpstreamEndpoint& endpoint);
  void note_outcome(UpstreamEndpoint& endpoint, const LeaseRequest& request, const Dial::Outcome& outcome);
  Error down() const;
  void tell_health();
  void drop_retired();

  std::size_t connections_bound() const;
  std::size_t waiting_bound() const;
  std::size_t share_of(std::size_t bound) const;

  UpstreamEndpoint::Shared& shared_;
  UpstreamTls& tls_;
  std::shared_ptr<const Server> server_;
  std::vector<std::unique_ptr<UpstreamEndpoint>> endpoints_;
  std::vector<std::unique_ptr<UpstreamEndpoint>> retired_;  // until their last connection ends
  Timer wait_timer_;
  bool is_ending_ = false;
  bool said_up_ = true;
  bool is_granting_ = false;
  bool grant_again_ = false;
  TimePoint last_used_{};

  std::size_t in_use_ = 0;
  std::size_t waiting_ = 0;
  std::size_t tunnels_ = 0;
  std::size_t being_made_ahead_ = 0;
  UpstreamSiteUse::Table uses_;
  std::size_t purge_at_ = 64;  // then sites that use nothing are forgotten
  LeaseRequest::ArrivalQueue arrivals_;
  UpstreamSiteUse::HungryList hungry_;  // sites with waiting requests, the one served last behind the others
};

}  // namespace hybridge
