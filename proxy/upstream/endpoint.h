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
#include "proxy/upstream/warm_pace.h"
#include "routing/snapshot.h"

namespace hybridge {

class Dial;

class UpstreamEndpoint final : public Buried, private UpstreamConnection::Owner {
 public:
  // What the connections of every endpoint of a worker share.
  struct Shared {
    Loop& loop;
    const UpstreamSettings& settings;
    Resolver& resolver;
    UpstreamObserver* observer;  // nullptr: nobody is told
    UpstreamStats stats{};
    std::shared_ptr<const EndpointSet> down{};  // those that do not answer; nullptr: nobody asks them

    void moved(UpstreamObserver::State from, UpstreamObserver::State to);
  };
  struct Owner {
    virtual void on_tunnel(UpstreamConnection& connection) = 0;  // a lease has become one

   protected:
    ~Owner() = default;
  };

  UpstreamEndpoint(Shared& shared, Owner& owner, const Endpoint& configured);
  ~UpstreamEndpoint() override;  // of whatever is still connected, waits end with kShuttingDown
  UpstreamEndpoint(const UpstreamEndpoint&) = delete;

  // An idle connection, the one used last; nullptr: none that will do. `unsafe`: only one that has been idle for less
  // than half of what is believed to be safe, and that the kernel says is alive.
  UpstreamConnection* take_idle(bool unsafe);
  UpstreamConnection& adopt(std::unique_ptr<UpstreamConnection> connection);  // made by a Dial, and leased

  void keep_ahead(std::unique_ptr<UpstreamConnection> connection);  // made by a Dial, for whoever comes
  // It has had requests lately and is well, but has fewer idle connections than it is to have, and may get one now.
  bool is_cold() const;
  WarmPace& pace() { return pace_; }
  WarmPace::Rule warm_rule() const;

  // Where to connect, best first; empty while the name is not yet known (or leads nowhere: fault()).
  std::span<const Address> addresses() const { return addresses_; }
  // Asks for the addresses again if they are missing or old. False: none are there yet; dials are told when the look-up
  // has ended.
  bool resolve();
  const std::optional<Error>& fault() const { return fault_; }  // of the last look-up
  void remember_good(const Address& address);                   // the next dial begins with it

  EndpointHealth& health() { return health_; }
  const EndpointHealth& health() const { return health_; }
  const Endpoint& configured() const { return configured_; }
  void set_weight(std::uint32_t weight) { configured_.weight = weight; }
  int current_weight = 0;     // of the balancer
  bool is_said_down = false;  // it did not answer when it was asked: others are better

  void add(Dial& dial);
  void remove(Dial& dial);

  void close_idle();
  void retire();  // it is no longer configured: connections end with their requests
  bool is_unused() const { return connections_.empty() && dials_.empty(); }
  void end_all(const Error& error);  // dials and leases
  std::size_t idle_count() const { return idle_count_; }
  Shared& shared() { return shared_; }
  const IdleLimit& idle_limit() const { return idle_limit_; }  // of connections that have carried requests

 private:
  struct Resolving;  // outlives the endpoint while a look-up is under way

  void on_connected(UpstreamConnection&) override {}
  void on_connect_failed(UpstreamConnection&, const Error&) override {}
  void on_idle_ended(UpstreamConnection& connection, UpstreamConnection::IdleEnd why) override;
  void on_tunnel(UpstreamConnection& connection) override { owner_.on_tunnel(connection); }
  void on_released(UpstreamConnection& connection) override;
  void on_resolved(const Resolver::Answer& answer);
  UpstreamConnection& own(std::unique_ptr<UpstreamConnection> connection);
  void put_to_rest(UpstreamConnection& connection, UpstreamObserver::State from);
  void unlink_idle(UpstreamConnection& connection);
  Duration limit_of(const UpstreamConnection& connection) const;
  IdleLimit& learned_from(const UpstreamConnection& connection) {
    return connection.has_carried() ? idle_limit_ : unused_limit_;
  }
  bool has_ready(std::size_t wanted) const;
  void discard(UpstreamConnection& connection, UpstreamObserver::State from);  // closed and buried
  bool is_current(const Address& address) const;

  Shared& shared_;
  Owner& owner_;
  Endpoint configured_;
  EndpointHealth health_;
  IdleLimit idle_limit_;
  IdleLimit unused_limit_;  // of those made ahead: servers have another patience for them
  WarmPace pace_;
  bool is_retired_ = false;

  std::vector<std::unique_ptr<UpstreamConnection>> connections_;                                  // idle and leased
  boost::intrusive::list<UpstreamConnection, boost::intrusive::constant_time_size<false>> idle_;  // last used first
  std::size_t idle_count_ = 0;
  std::size_t unused_count_ = 0;  // of them, those that have carried nothing yet

  std::vector<Address> addresses_;
  std::optional<Error> fault_;
  bool is_name_ = false;
  TimePoint resolved_at_{};
  std::shared_ptr<Resolving> resolving_;  // nullptr: no look-up is under way
  std::vector<Dial*> dials_;
};

}  // namespace hybridge
