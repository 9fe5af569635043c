// A worker's upstream side, alone: a loop in the test's thread, names that the test invents, no TLS unless it is given.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/upstream/resolver.h"
#include "proxy/upstream/upstreams.h"
#include "tests/support/loop_runner.h"
#include "tests/support/scripted_server.h"
#include "tests/support/upstream_story.h"

namespace hybridge::test {

// What the names of a test stand for; changed by the test, read by the resolver's threads.
class Names {
 public:
  void set(const std::string& name, std::vector<std::string> ips) {
    const std::lock_guard lock(mutex_);
    ips_[name] = std::move(ips);
  }
  Result<std::vector<Address>> look_up(const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++asked_;
    const auto at = ips_.find(name);
    if (at == ips_.end() || at->second.empty()) {
      return make_error(Reason::kUpstreamUnresolved, "the name " + name + " does not resolve: unknown");
    }
    std::vector<Address> addresses;
    for (const auto& ip : at->second) addresses.push_back(*Address::parse(ip, 0));
    return addresses;
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> ips_;
  int asked_ = 0;
};

class NoTls final : public UpstreamTls {
 public:
  Result<UniqueSsl> connect(const Server&) override { return make_error(Reason::kUpstreamTls, "no TLS in this test"); }
};

struct Observed final : UpstreamObserver {
  void upstream_connection_moved(State from, State to) override {
    if (from != State::kNone) --connections[from];
    if (to != State::kNone) ++connections[to];
    if (to == State::kConnecting) ++begun;
  }
  void upstream_waiting_changed(int by) override { waiting += by; }
  void upstream_server_seen(std::string_view server, bool is_up) override { up[std::string(server)] = is_up; }
  void upstream_server_dropped(std::string_view server) override { up.erase(std::string(server)); }
  bool upstream_may_be_warmed(const Server& server) override { return !unwarmed.contains(server.name); }

  std::map<State, int> connections;
  int begun = 0;  // connections, ever
  int waiting = 0;
  std::map<std::string, bool, std::less<>> up;
  std::set<std::string, std::less<>> unwarmed;  // servers that are not to be warmed
};

class UpstreamWorld {
 public:
  explicit UpstreamWorld(const UpstreamSettings& settings = {}, UpstreamTls* tls = nullptr)
      : resolver(settings.resolve_again, 2, [this](const std::string& name) { return names.look_up(name); }),
        upstreams(runner.loop(), settings, resolver, tls ? *tls : static_cast<UpstreamTls&>(no_tls), &observed) {}

  static std::shared_ptr<const Server> make_server(std::vector<Endpoint> endpoints, ServerLimits limits = {},
                                                   std::string name = "f1.test") {
    auto server = std::make_shared<Server>();
    server->name = std::move(name);
    server->endpoints = std::move(endpoints);
    server->limits = limits;
    return server;
  }
  static Endpoint endpoint(const ScriptedServer& server, std::uint32_t weight = 1) {
    return {.address = server.address().ip(), .port = server.port(), .weight = weight};
  }

  // A lease that must be there without waiting for anybody but the kernel.
  Lease lease(UpstreamServer& server, bool is_safe = true, std::string_view site = "a.test") {
    LeaseRequest request;
    request.site = site;
    request.is_safe = is_safe;
    Outcome<Result<Lease>> outcome(server.lease(request));
    runner.until([&] { return outcome.is_there(); });
    if (!outcome->has_value()) {
      ADD_FAILURE() << "no lease: " << code(outcome->error().reason) << ": " << outcome->error().detail;
      return {};
    }
    return std::move(**outcome);
  }
  Error refused(UpstreamServer& server, std::string_view site = "a.test") {
    LeaseRequest request;
    request.site = site;
    request.is_safe = true;
    Outcome<Result<Lease>> outcome(server.lease(request));
    runner.until([&] { return outcome.is_there(); });
    if (outcome->has_value()) return make_error(Reason::kOk, "leased");
    return outcome->error();
  }

  LoopRunner runner;
  Names names;
  NoTls no_tls;
  Observed observed;
  Resolver resolver;
  Upstreams upstreams;
};

inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// A whole request that ends well; its lease has ended when this returns.
inline void run_request(UpstreamWorld& world, Lease lease, ScriptedConnection& peer, std::string_view answer = kOk) {
  ask(*lease);
  Outcome<std::string> status(read_answer(*lease));
  peer.receive_until("\r\n\r\n");
  peer.send(answer);
  world.runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "200 ");
}

}  // namespace hybridge::test
