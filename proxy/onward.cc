#include "proxy/onward.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/host_name.h"
#include "base/timer_wheel.h"
#include "proxy/agent_passage.h"
#include "proxy/exchange.h"
#include "proxy/upstream/resolver.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
constexpr std::array<std::string_view, 3> kDoors = {"/agent", "/metrics", "/status"};
constexpr std::size_t kMostServers = 4096;

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool may_call(const Exchange& exchange) {
  const auto& allow = exchange.worker.config().forward.allow;
  if (allow.empty()) return true;
  const auto client = Address::parse(exchange.client_ip(), 0);
  return client && std::any_of(allow.begin(), allow.end(), [&](const Network& each) { return each.contains(*client); });
}

// One look-up of a name, for as long as connecting may take and the client stays.
class LookUp final : private Stream::GoneListener, private Timer::Owner {
 public:
  LookUp(Worker& worker, Stream& stream, const std::string& name)
      : stream_(stream), timer_(worker.loop().timers(), *this), state_(std::make_shared<State>(State{this})) {
    stream_.set_gone_listener(this);
    timer_.arm(worker.loop().now() + worker.config().timeouts.connect);
    worker.resolver().ask(name, worker.loop(), [state = state_](const Resolver::Answer& answer) {
      if (state->look_up) state->look_up->on_answer(answer);
    });
  }
  ~LookUp() {
    state_->look_up = nullptr;
    stream_.set_gone_listener(nullptr);
  }
  LookUp(const LookUp&) = delete;

  // Empty: it leads nowhere, or not in time.
  Task<std::vector<Address>> addresses() {
    if (!is_over_) co_await waiter_.wait();
    co_return std::move(addresses_);
  }

 private:
  struct State {
    LookUp* look_up;
  };

  void on_answer(const Resolver::Answer& answer) {
    if (answer.addresses) addresses_ = *answer.addresses;
    end();
  }
  void on_client_gone() override { end(); }
  void on_timer() override { end(); }
  void end() {
    is_over_ = true;
    waiter_.resume();
  }

  Stream& stream_;
  Timer timer_;
  std::shared_ptr<State> state_;
  Waiter waiter_;
  std::vector<Address> addresses_;
  bool is_over_ = false;
};

bool has_suffix(std::string_view name, const std::vector<std::string>& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [name](const std::string& suffix) {
    return name.size() > suffix.size() + 1 && name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.';
  });
}

// A server by an address of its endpoints; press calls its servers by them.
std::shared_ptr<const Server> server_at(const Snapshot& snapshot, const std::string& address) {
  const auto has = [&](const Server& server) {
    return std::any_of(server.endpoints.begin(), server.endpoints.end(),
                       [&](const Endpoint& endpoint) { return endpoint.address == address; });
  };
  auto found = snapshot.server(address);
  if (found && has(*found)) return found;
  found = nullptr;
  snapshot.for_each_server([&](const std::shared_ptr<const Server>& server) {
    if (!found && has(*server)) found = server;
  });
  return found;
}

Error unknown(std::string_view name) {
  return make_error(Reason::kUnknownServer, "no server of the table is called " + std::string(name));
}

// A name that is no server's may be that of one which the table knows by its address: press names them so.
Task<Result<Onward>> find_by_address(Exchange& exchange, const std::string& name, std::uint16_t port) {
  auto& worker = exchange.worker;
  if (!has_suffix(name, worker.config().forward.suffixes)) co_return unknown(name);
  LookUp look_up(worker, exchange.stream, name);
  const auto addresses = co_await look_up.addresses();
  if (exchange.stream.is_gone()) co_return make_error(Reason::kClientGone, "the client left");
  for (const auto& address : addresses) {
    const auto ip = address.ip();
    if (const auto known = server_at(**exchange.snapshot, ip)) {
      co_return Onward{worker.onward_servers().find(known, name, ip, port), name, {}};
    }
  }
  co_return make_error(Reason::kUnknownServer,
                       addresses.empty() ? name + " was not resolved" : name + " leads to no endpoint of the table");
}

Task<Result<Onward>> find_server(Exchange& exchange, const OnwardPath& path) {
  auto name = normalize_endpoint_address(path.server);
  if (!name) co_return unknown(path.server);
  if (const auto known = (*exchange.snapshot)->server(*name)) {
    const auto& address = known->endpoints.front().address;
    co_return Onward{exchange.worker.onward_servers().find(known, *name, address, path.port), std::move(*name), {}};
  }
  auto found = co_await find_by_address(exchange, *name, path.port);
  co_return found;
}
}  // namespace

std::optional<OnwardPath> onward_path(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const auto slash = target.find_first_of("/?", 1);
  if (slash == std::string_view::npos || target[slash] == '?') return std::nullopt;
  OnwardPath path{.server = target.substr(1, slash - 1), .target = target.substr(slash)};
  const auto query = std::min(path.target.find('?'), path.target.size());
  const bool is_door = std::any_of(kDoors.begin(), kDoors.end(),
                                   [&](std::string_view door) { return is_below(path.target.substr(0, query), door); });
  if (!is_door || path.server.empty()) return std::nullopt;
  // An IPv6 literal has its brackets: `[2001:db8::1]:8443`.
  const auto colon = path.server.rfind(':');
  const bool has_port = colon != std::string_view::npos && path.server.find(']', colon) == std::string_view::npos;
  if (has_port) {
    const auto port = path.server.substr(colon + 1);
    if (port != "443" && port != "8443") return std::nullopt;
    path.port = port == "443" ? 443 : 8443;
    path.server = path.server.substr(0, colon);
  }
  if (path.server.starts_with('[') && path.server.ends_with(']')) {
    path.server = path.server.substr(1, path.server.size() - 2);
  }
  return path;
}

std::shared_ptr<const Server> OnwardServers::find(const std::shared_ptr<const Server>& known, std::string_view name,
                                                  const std::string& address, std::uint16_t port) {
  if (port == 0) port = known->agent_port;
  const auto key = std::string(name) + ':' + std::to_string(port) + ' ' + address;
  const auto at = entries_.find(key);
  if (at != entries_.end() && at->second.known == known) return at->second.onward;
  if (entries_.size() >= kMostServers) entries_.clear();
  auto server = std::make_shared<Server>();
  server->name = std::string(name) + ':' + std::to_string(port);
  server->endpoints = {{.address = address, .port = port}};
  server->tls = {.mode = ServerTls::Mode::kVerify, .name = std::string(name), .ca = known->tls.ca};
  auto& entry = entries_[key] = {known, std::move(server)};
  return entry.onward;
}

Task<Result<void>> forward_onward(Exchange& exchange, OnwardPath path) {
  if (!may_call(exchange)) {
    co_return make_error(Reason::kForwardDenied, "calls to servers are taken from the networks of forward.allow only");
  }
  auto found = co_await find_server(exchange, path);
  if (!found) co_return found.error();
  exchange.onward = std::make_unique<Onward>(std::move(*found));
  exchange.onward->target = path.target;
  auto outcome = co_await forward_agent_call(exchange);
  co_return outcome;
}

}  // namespace hybridge
