// One endpoint of a server on one worker: its addresses, its idle connections, and whether it is worth trying.
//
// Owned by its UpstreamServer; the worker's thread only. Keeps connections, counts none of them against any bound.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/address.h"
#include "proxy/upstream/connection.h"
#include "proxy/upstream/health.h"
#include "proxy/upstream/idle_limit.h"
#include "proxy/upstream/resolver.h"
#include "proxy/upstream/settings.h"
#include "routing/snapshot.h"

namespace hybridge {

class Dial;

class UpstreamEndpoint final : private UpstreamConnection::Owner {
 public:
  // What the connections of every endpoint of a worker share.
  struct Shared {
    Loop& loop;
    const UpstreamSettings& settings;
    Resolver& resolver;
    UpstreamObserver* observer;  // nullptr: nobody is told
    UpstreamStats stats;
    void moved(UpstreamObserver::State from, UpstreamObserver::State to);
  };
  struct Owner {
    virtual void on_tunnel(UpstreamConnection& connection) = 0;

   protected:
    ~Owner() = default;
  };

  UpstreamEndpoint(Shared& shared, Owner& owner, Endpoint endpoint);
  ~UpstreamEndpoint();
  UpstreamEndpoint(const UpstreamEndpoint&) = delete;

  // An idle connection, the one used last; nullptr: none that will do. `unsafe`: only one that has been idle for less
  // than half of what is believed to be safe, and that the kernel says is alive.
  UpstreamConnection* take_idle(bool unsafe);
  // A connection that a Dial has made: it is counted as active from now on.
  UpstreamConnection& adopt(std::unique_ptr<UpstreamConnection> connection);
  // A lease has ended: back to the idle ones if it can, else closed.
  void give_back(UpstreamConnection& connection);

  // Where to connect, best first; empty while the name is not yet known (or leads nowhere: fault()).
  std::span<const Address> addresses() const { return addresses_; }
  // Asks for the addresses if they are missing or old; `dial` (if given) is told when they are there.
  void resolve(Dial* dial);
  const std::optional<Error>& fault() const { return fault_; }  // of the last look-up
  void remember_good(const Address& address);                   // the next dial begins with it

  EndpointHealth& health() { return health_; }
  const EndpointHealth& health() const { return health_; }
  const Endpoint& configured() const { return configured_; }
  void set_weight(std::uint32_t weight) { configured_.weight = weight; }
  int current_weight = 0;  // of the balancer

  void close_idle();
  void retire();                                  // it is no longer configured: connections end with their requests
  bool is_empty() const { return connections_.empty(); }
  std::size_t idle_count() const { return idle_count_; }
  const IdleLimit& idle_limit() const { return idle_limit_; }

 private:
  struct Resolving;  // outlives the endpoint while a look-up is under way

  void on_connected(UpstreamConnection&) override {}
  void on_connect_failed(UpstreamConnection&, const Error&) override {}
  void on_idle_ended(UpstreamConnection& connection, UpstreamConnection::IdleEnd why) override;
  void on_tunnel(UpstreamConnection& connection) override;
  void on_resolved(const Resolver::Answer& answer);
  void remove(UpstreamConnection& connection, UpstreamObserver::State from);
  bool is_current(const Address& address) const;

  Shared& shared_;
  Owner& owner_;
  Endpoint configured_;
  EndpointHealth health_;
  IdleLimit idle_limit_;
  bool is_retired_ = false;

  std::vector<std::unique_ptr<UpstreamConnection>> connections_;  // idle and leased
  boost::intrusive::list<UpstreamConnection, boost::intrusive::constant_time_size<false>> idle_;  // last used first
  std::size_t idle_count_ = 0;

  std::vector<Address> addresses_;
  std::optional<Error> fault_;
  bool is_name_ = false;
  TimePoint resolved_at_{};
  std::shared_ptr<Resolving> resolving_;  // nullptr: no look-up is under way
  std::vector<Dial*> waiting_dials_;
};

}  // namespace hybridge
