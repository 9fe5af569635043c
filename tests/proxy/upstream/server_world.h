// A worker's upstream side with one server, whose only endpoint the test scripts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/upstream_world.h"

namespace hybridge::test {

// A wait for a lease that the test looks at.
struct Waiting {
  explicit Waiting(UpstreamServer& server, std::string_view site = "a.test", bool is_safe = true) {
    request.site = site;
    request.is_safe = is_safe;
    outcome.emplace(server.lease(request));
  }
  bool has_lease() { return outcome->is_there() && (*outcome)->has_value(); }
  bool has_failed() { return outcome->is_there() && !(*outcome)->has_value(); }
  Lease take() { return std::move(***outcome); }
  Reason reason() { return (*outcome)->error().reason; }

  LeaseRequest request;
  std::optional<Outcome<Result<Lease>>> outcome;
};

struct ServerWorld : UpstreamWorld {
  explicit ServerWorld(const UpstreamSettings& settings = {}, ServerLimits limits = {})
      : UpstreamWorld(settings), server(upstreams.find(make_server({endpoint(listener)}, limits))) {}

  using UpstreamWorld::lease;
  using UpstreamWorld::refused;
  Lease lease(bool is_safe = true, std::string_view site = "a.test") { return lease(server, is_safe, site); }
  Error refused() { return refused(server); }

  // One request; its connection is idle then. The server's end of it.
  std::unique_ptr<ScriptedConnection> use_one(std::string_view answer = kOk) {
    auto leased = lease();
    auto peer = listener.accept();
    run_request(*this, std::move(leased), *peer, answer);
    return peer;
  }

  ScriptedServer listener{runner};
  UpstreamServer& server;
};

}  // namespace hybridge::test
