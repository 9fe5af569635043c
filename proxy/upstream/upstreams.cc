#include "proxy/upstream/upstreams.h"

#include <algorithm>
#include <utility>

namespace hybridge {

namespace {
constexpr Duration kSweepEvery = std::chrono::seconds(10);
// So many connections are begun at once ahead of requests; what lacks more gets them the next time.
constexpr std::size_t kWarmedAtOnce = 32;
}  // namespace

Upstreams::Upstreams(Loop& loop, const UpstreamSettings& settings, Resolver& resolver, UpstreamTls& tls,
                     UpstreamObserver* observer)
    : settings_(settings),
      shared_{.loop = loop, .settings = settings_, .resolver = resolver, .observer = observer},
      tls_(tls),
      timer_(loop.timers(), *this) {
  sweep_at_ = loop.now() + std::min(kSweepEvery, settings_.forget_after);
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

void Upstreams::set_settings(const UpstreamSettings& settings) {
  settings_ = settings;
  arm();
}

void Upstreams::close_idle() {
  for (const auto& [name, server] : servers_) server->close_idle();
  if (warm_from_ != kNever) warm_from_ = shared_.loop.now() + settings_.warm_for;
}

void Upstreams::stop_warming() {
  warm_from_ = kNever;
}

void Upstreams::on_timer() {
  const auto now = shared_.loop.now();
  if (now >= sweep_at_) {
    sweep_at_ = now + std::min(kSweepEvery, settings_.forget_after);
    sweep();
  }
  if (settings_.warm > 0 && now >= warm_from_) warm();
  arm();
}

void Upstreams::arm() {
  const bool is_warming = settings_.warm > 0 && warm_from_ != kNever;
  timer_.arm(is_warming ? std::min(sweep_at_, shared_.loop.now() + settings_.warm_every) : sweep_at_);
}

void Upstreams::sweep() {
  const auto now = shared_.loop.now();
  std::erase_if(servers_, [&](const auto& entry) {
    return entry.second->is_unused() && now - entry.second->last_used() >= settings_.forget_after;
  });
  for (const auto& [name, server] : servers_) server->sweep();
}

void Upstreams::warm() {
  if (!shared_.observer) return;
  std::size_t begun = 0;
  for (const auto& [name, server] : servers_) {
    if (begun >= kWarmedAtOnce) return;
    if (server->is_cold() && shared_.observer->upstream_may_be_warmed(*server->configured())) begun += server->warm();
  }
}

}  // namespace hybridge
