#include "proxy/upstream/upstreams.h"

#include <algorithm>
#include <utility>

namespace hybridge {

namespace {
constexpr Duration kSweepEvery = std::chrono::seconds(10);
}

Upstreams::Upstreams(Loop& loop, const UpstreamSettings& settings, Resolver& resolver, UpstreamTls& tls,
                     UpstreamObserver* observer)
    : settings_(settings),
      shared_{.loop = loop, .settings = settings_, .resolver = resolver, .observer = observer},
      tls_(tls),
      sweep_(loop.timers(), *this) {
  arm();
}

Upstreams::~Upstreams() = default;

UpstreamServer& Upstreams::find(const std::shared_ptr<const Server>& server) {
  const auto at = servers_.find(server->name);
  if (at != servers_.end()) {
    if (at->second->configured() != server) at->second->update(server);
    return *at->second;
  }
  auto made = std::make_unique<UpstreamServer>(shared_, tls_, server);
  return *servers_.emplace(server->name, std::move(made)).first->second;
}

UpstreamServer* Upstreams::find(std::string_view name) {
  const auto at = servers_.find(name);
  return at == servers_.end() ? nullptr : at->second.get();
}

void Upstreams::set_down(std::shared_ptr<const EndpointSet> down) {
  shared_.down = std::move(down);
  for (const auto& [name, server] : servers_) server->heed_down();
}

void Upstreams::close_idle() {
  for (const auto& [name, server] : servers_) server->close_idle();
}

void Upstreams::on_timer() {
  arm();
  const auto now = shared_.loop.now();
  std::erase_if(servers_, [&](const auto& entry) {
    return entry.second->is_unused() && now - entry.second->last_used() >= settings_.forget_after;
  });
  for (const auto& [name, server] : servers_) server->sweep();
}

void Upstreams::arm() {
  sweep_.arm(shared_.loop.now() + std::min(kSweepEvery, settings_.forget_after));
}

}  // namespace hybridge
