// Connections that are made ahead of requests: which endpoints want one, and how they get it.
#include <algorithm>
#include <exception>
#include <utility>

#include "base/contain.h"
#include "io/loop.h"
#include "proxy/upstream/server.h"

namespace hybridge {

using State = UpstreamObserver::State;

// ---- Of an endpoint ----

WarmPace::Rule UpstreamEndpoint::warm_rule() const {
  const auto& settings = shared_.settings;
  return {.lately = settings.warm_for, .pause = settings.retry_after, .pause_most = settings.warm_for};
}

bool UpstreamEndpoint::is_cold() const {
  const auto& settings = shared_.settings;
  const std::size_t wanted = std::min(settings.warm, settings.keep_alive);
  if (wanted == 0 || !pace_.is_due(shared_.loop.now(), warm_rule())) return false;
  if (is_said_down || !health_.is_up() || is_retired_) return false;
  return !has_ready(wanted);
}

// Whether so many idle connections would do for any request: an unsafe one takes none beyond half of its time.
bool UpstreamEndpoint::has_ready(std::size_t wanted) const {
  std::size_t count = 0;
  for (const auto& connection : idle_) {
    const auto idle = shared_.loop.now() - connection.idle_since();
    if (idle * 2 >= shared_.settings.idle) break;  // and those behind it
    if (idle * 2 < limit_of(connection) && ++count >= wanted) return true;
  }
  return false;
}

void UpstreamEndpoint::keep_ahead(std::unique_ptr<UpstreamConnection> connection) {
  auto& made = own(std::move(connection));
  if (is_retired_ || shared_.settings.keep_alive == 0 || !is_current(made.endpoint())) {
    discard(made, State::kConnecting);
  } else {
    put_to_rest(made, State::kConnecting);
  }
}

// ---- Of a server ----

bool UpstreamServer::is_cold() const {
  return shared_.loop.now() - last_used_ < shared_.settings.warm_for &&
         std::any_of(endpoints_.begin(), endpoints_.end(), [](const auto& endpoint) { return endpoint->is_cold(); });
}

std::size_t UpstreamServer::warm() {
  std::size_t begun = 0;
  for (const auto& endpoint : endpoints_) {
    // Idle ones count here, too: a server that takes few connections in all is left those few for its requests.
    if (in_use_ + idle() + being_made_ahead_ >= connections_bound()) break;
    if (!endpoint->is_cold()) continue;
    ++begun;
    spawn(make_ahead(*endpoint));
  }
  return begun;
}

// A failure counts against nobody: requests have not had it. A success is one for everybody.
Task<void> UpstreamServer::make_ahead(UpstreamEndpoint& endpoint) {
  endpoint.pace().begin();
  ++being_made_ahead_;
  try {
    Dial dial(endpoint, server_, tls_);
    auto made = co_await dial.connected();
    if (made.has_value()) {
      endpoint.keep_ahead(std::move(*made));
      endpoint.health().succeed();
      tell_health();
    } else {
      endpoint.pace().came_to_nothing(shared_.loop.now(), endpoint.warm_rule());
    }
  } catch (const std::exception& thrown) {
    log_contained("a connection made ahead", thrown);
    endpoint.pace().came_to_nothing(shared_.loop.now(), endpoint.warm_rule());
  }
  --being_made_ahead_;
  endpoint.pace().end();
  drop_retired();
}

}  // namespace hybridge
