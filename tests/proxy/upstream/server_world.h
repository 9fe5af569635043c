// A worker's upstream side with one server, whose only endpoint the test scripts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/upstream_story.h"
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

// A whole request that ends well; its lease has ended when this returns.
inline void run_request(UpstreamWorld& world, Lease lease, ScriptedConnection& peer,
                        std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {
  ask(*lease);
  Outcome<std::string> status(read_answer(*lease));
  peer.receive_until("\r\n\r\n");
  peer.send(answer);
  world.runner.until([&] { return status.is_there(); });
  EXPECT_EQ(*status, "200 ");
}

struct ServerWorld : UpstreamWorld {
  explicit ServerWorld(const UpstreamSettings& settings = {}, ServerLimits limits = {})
      : UpstreamWorld(settings), server(upstreams.find(make_server({endpoint(listener)}, limits))) {}

  using UpstreamWorld::lease;
  using UpstreamWorld::refused;
  Lease lease(bool is_safe = true, std::string_view site = "a.test") { return lease(server, is_safe, site); }
  Error refused() { return refused(server); }

  // One request; its connection is idle then. The server's end of it.
  std::unique_ptr<ScriptedConnection> use_one() {
    auto leased = lease();
    auto peer = listener.accept();
    run_request(*this, std::move(leased), *peer);
    return peer;
  }

  ScriptedServer listener{runner};
  UpstreamServer& server;
};

}  // namespace hybridge::test
