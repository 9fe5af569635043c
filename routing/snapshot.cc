#include "routing/snapshot.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "base/digest.h"
#include "base/host_name.h"

namespace hybridge {

namespace {
constexpr std::array<std::string_view, 4> kStatuses = {"active", "suspended", "suspended_saas", "deactivated"};
constexpr std::array<std::string_view, 8> kWhys = {"host",           "site_name",          "wildcard",
                                                   "no_such_host",   "no_such_tenant",     "site_missing",
                                                   "server_missing", "redirects_to_itself"};

// Slots of names that no site refers to any more are kept until they are more than this and than the table itself.
constexpr std::size_t kIdleSlots = 1024;
}  // namespace

std::string_view to_string(SiteStatus status) {
  return kStatuses[static_cast<std::size_t>(status)];
}

std::optional<SiteStatus> to_site_status(std::string_view text) {
  const auto at = std::find(kStatuses.begin(), kStatuses.end(), text);
  if (at == kStatuses.end()) return std::nullopt;
  return static_cast<SiteStatus>(at - kStatuses.begin());
}

std::string_view to_string(Route::Why why) {
  return kWhys[static_cast<std::size_t>(why)];
}

std::optional<std::string> health_path_fault(std::string_view path) {
  constexpr std::size_t kLongest = 1024;
  if (!path.starts_with('/')) {
    return in_quotes(path) + " does not begin with a slash: a path is meant, such as / or /api/method/ping";
  }
  if (path.size() > kLongest) {
    return "has " + std::to_string(path.size()) + " bytes, the most is " + std::to_string(kLongest);
  }
  if (path.find('#') != std::string_view::npos) {
    return in_quotes(path) + " has a fragment, which no server is sent: leave out the # and what follows it";
  }
  const bool is_visible = std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!is_visible) {
    return in_quotes(path) + " has bytes that are no visible ASCII: write them percent-encoded, a space as %20";
  }
  return std::nullopt;
}

Snapshot::Snapshot()
    : servers_(std::make_shared<const std::vector<ServerSlot>>()), rules_(std::make_shared<const Rules>()) {}

Route Snapshot::find(std::string_view host) const {
  Route route;
  const auto* entry = hosts_.find(host);
  if (entry && !entry->redirect.empty()) {
    route.kind = Route::Kind::kRedirect;
    route.why = Route::Why::kHost;
    route.redirect = entry->redirect;
    route.entry_ = entry;
    return route;
  }
  if (entry && !entry->site.empty()) {
    route.why = Route::Why::kSiteMissing;
    route.site = entry->site;
    route.code_server = entry->code_server;
    if (const auto* site = sites_.find(entry->site)) {
      route.why = Route::Why::kHost;
      enter_site(route, entry->site, *site);
    }
    return route;
  }
  const auto wildcard = longest_wildcard(host);
  route.wildcard = wildcard.suffix;
  route.code_server = (entry && entry->code_server) || (wildcard.host && wildcard.host->code_server);
  if (const auto* site = sites_.find(host)) {
    route.why = Route::Why::kSiteName;
    enter_site(route, host, *site);
    return route;
  }
  if (!wildcard.host) return route;
  const auto& below = *wildcard.host;
  if (!below.redirect.empty()) {
    route.why = below.redirect == host ? Route::Why::kRedirectsToItself : Route::Why::kWildcard;
    route.kind = below.redirect == host ? Route::Kind::kUnknown : Route::Kind::kRedirect;
    route.redirect = below.redirect;
    route.entry_ = &below;
  } else if (below.site.empty()) {
    route.why = Route::Why::kNoSuchTenant;
  } else {
    route.why = Route::Why::kSiteMissing;
    route.site = below.site;
    if (const auto* site = sites_.find(below.site)) {
      route.why = Route::Why::kWildcard;
      enter_site(route, below.site, *site);
    }
  }
  return route;
}

void Snapshot::enter_site(Route& route, std::string_view name, const SiteEntry& entry) const {
  const auto& slot = (*servers_)[entry.slot];
  route.site = name;
  if (!slot.server) {
    route.why = Route::Why::kServerMissing;
    return;
  }
  route.kind = Route::Kind::kSite;
  route.status = entry.status;
  route.in_band = entry.in_band.value_or(true);
  route.server_ = &slot.server;
}

Snapshot::Wildcard Snapshot::longest_wildcard(std::string_view host) const {
  if (wildcards_.empty()) return {};
  for (auto dot = host.find('.'); dot != std::string_view::npos; dot = host.find('.', dot + 1)) {
    const auto suffix = host.substr(dot + 1);
    if (const auto* found = wildcards_.find(suffix)) return {suffix, found};
  }
  return {};
}

std::shared_ptr<const Server> Snapshot::server(std::string_view name) const {
  const auto* slot = server_slots_.find(name);
  return slot ? (*servers_)[*slot].server : nullptr;
}

Site Snapshot::to_site(const SiteEntry& entry) const {
  return {(*servers_)[entry.slot].name, entry.status, entry.says_status, entry.in_band};
}

std::optional<Site> Snapshot::site(std::string_view name) const {
  const auto* entry = sites_.find(name);
  if (!entry) return std::nullopt;
  return to_site(*entry);
}

std::shared_ptr<const Rule> Snapshot::rule(std::string_view id) const {
  for (const auto& rule : *rules_) {
    if (rule->id == id) return rule;
  }
  return nullptr;
}

const Host* Snapshot::host(std::string_view name) const {
  return is_host_pattern(name) ? wildcards_.find(name.substr(2)) : hosts_.find(name);
}

Snapshot Snapshot::with_server(Server server) const {
  Builder builder(*this);
  builder.set_server(std::move(server));
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::without_server(std::string_view name) const {
  Builder builder(*this);
  builder.erase_server(name);
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::with_site(std::string name, Site site) const {
  Builder builder(*this);
  builder.set_site(std::move(name), site);
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::without_site(std::string_view name) const {
  Builder builder(*this);
  builder.erase_site(name);
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::with_host(std::string name, Host host) const {
  Builder builder(*this);
  builder.set_host(std::move(name), std::move(host));
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::without_host(std::string_view name) const {
  Builder builder(*this);
  builder.erase_host(name);
  return std::move(builder).build(revision_);
}

Snapshot Snapshot::with_revision(std::uint64_t revision) const {
  auto copy = *this;
  copy.revision_ = revision;
  return copy;
}

// --- Redirect rings. Each entry leads to at most one other, so a walk from one either ends or comes back.

const Host* Snapshot::redirecting(std::string_view name) const {
  if (is_host_pattern(name)) {
    const auto* entry = wildcards_.find(name.substr(2));
    return entry && !entry->redirect.empty() ? entry : nullptr;
  }
  return find(name).entry_;
}

std::string Snapshot::redirect_ring(std::string_view name) const {
  std::unordered_set<const Host*> walked;
  std::string story(name);
  for (const auto* entry = redirecting(name); entry; entry = redirecting(entry->redirect)) {
    if (!walked.insert(entry).second) return story;
    if (walked.size() <= 8) story += " → " + entry->redirect;
    if (walked.size() == 9) story += " → …";
  }
  return {};
}

std::vector<std::string> Snapshot::redirect_rings() const {
  enum class Mark : std::uint8_t { kWalking, kDone };
  std::unordered_map<const Host*, Mark> marks;
  std::vector<std::string> rings;
  std::vector<const Host*> walk;
  for_each_host([&](const std::string& name, const Host& host) {
    if (host.redirect.empty()) return;
    walk.clear();
    const Host* entry = &host;
    while (entry && marks.emplace(entry, Mark::kWalking).second) {
      walk.push_back(entry);
      entry = redirecting(entry->redirect);
    }
    if (entry && marks[entry] == Mark::kWalking) rings.push_back(name);
    for (const auto* passed : walk) marks[passed] = Mark::kDone;
  });
  return rings;
}

std::vector<std::string> Snapshot::redirect_rings_after_change_of(std::string_view name) const {
  std::vector<std::string> rings;
  const auto look = [&](const std::string& from) {
    if (!redirect_ring(from).empty()) rings.push_back(from);
  };
  const auto* changed = host(name);
  if (changed && !changed->redirect.empty()) look(std::string(name));
  // What a change uncovers can only be matched by a wildcard, so a new ring passes through one.
  wildcards_.for_each([&](const std::string& suffix, const Host& wildcard) {
    if (!wildcard.redirect.empty() && "*." + suffix != name) look("*." + suffix);
  });
  return rings;
}

// --- Builder

template <class Value>
typename ShardMap<Value>::Builder& Snapshot::Builder::opened(std::optional<typename ShardMap<Value>::Builder>& builder,
                                                             const ShardMap<Value>& map) {
  if (!builder) builder.emplace(map);
  return *builder;
}

std::vector<Snapshot::ServerSlot>& Snapshot::Builder::slots() {
  if (!servers_) servers_.emplace(*snapshot_.servers_);
  return *servers_;
}

std::uint32_t Snapshot::Builder::slot_of(std::string_view server) {
  const auto* known = server_slots_ ? server_slots_->find(server) : snapshot_.server_slots_.find(server);
  if (known) return *known;
  const auto slot = static_cast<std::uint32_t>(slots().size());
  slots().push_back({std::string(server), nullptr});
  opened(server_slots_, snapshot_.server_slots_).set(std::string(server), slot);
  return slot;
}

void Snapshot::Builder::set_server(Server server) {
  server.proxy_upstream = "http://" + sha512_hex(server.name).substr(0, 16);
  auto& slot = slots()[slot_of(server.name)];
  if (!slot.server) ++snapshot_.server_count_;
  slot.server = std::make_shared<const Server>(std::move(server));
}

void Snapshot::Builder::erase_server(std::string_view name) {
  const auto* known = server_slots_ ? server_slots_->find(name) : snapshot_.server_slots_.find(name);
  if (!known) return;
  auto& slot = slots()[*known];
  if (slot.server) --snapshot_.server_count_;
  slot.server = nullptr;
}

void Snapshot::Builder::set_site(std::string name, const Site& site) {
  const auto slot = slot_of(site.server);
  opened(sites_, snapshot_.sites_).set(std::move(name), {slot, site.status, site.says_status, site.in_band});
}

void Snapshot::Builder::erase_site(std::string_view name) {
  opened(sites_, snapshot_.sites_).erase(name);
}

void Snapshot::Builder::set_host(std::string name, Host host) {
  if (!is_host_pattern(name)) {
    opened(hosts_, snapshot_.hosts_).set(std::move(name), std::move(host));
  } else {
    opened(wildcards_, snapshot_.wildcards_).set(name.substr(2), std::move(host));
  }
}

void Snapshot::Builder::erase_host(std::string_view name) {
  if (!is_host_pattern(name)) {
    opened(hosts_, snapshot_.hosts_).erase(name);
  } else {
    opened(wildcards_, snapshot_.wildcards_).erase(name.substr(2));
  }
}

void Snapshot::Builder::set_rule(Rule rule) {
  erase_rule(rule.id);
  auto made = std::make_shared<const Rule>(std::move(rule));
  const auto behind = [](const auto& a, const auto& b) {
    return std::tie(a->order, a->id) < std::tie(b->order, b->id);
  };
  rules_->insert(std::upper_bound(rules_->begin(), rules_->end(), made, behind), made);
}

void Snapshot::Builder::erase_rule(std::string_view id) {
  if (!rules_) rules_.emplace(*snapshot_.rules_);
  std::erase_if(*rules_, [id](const auto& rule) { return rule->id == id; });
}

Snapshot Snapshot::Builder::build(std::uint64_t revision) && {
  if (servers_) snapshot_.servers_ = std::make_shared<const std::vector<ServerSlot>>(std::move(*servers_));
  if (server_slots_) snapshot_.server_slots_ = std::move(*server_slots_).build();
  if (sites_) snapshot_.sites_ = std::move(*sites_).build();
  if (hosts_) snapshot_.hosts_ = std::move(*hosts_).build();
  if (wildcards_) snapshot_.wildcards_ = std::move(*wildcards_).build();
  if (rules_) snapshot_.rules_ = std::make_shared<const Rules>(std::move(*rules_));
  snapshot_.revision_ = revision;

  const auto idle = snapshot_.servers_->size() - snapshot_.server_count_;
  if (idle <= kIdleSlots + snapshot_.sites_.size() + snapshot_.server_count_) return snapshot_;
  Builder compact;
  snapshot_.for_each_server([&](const std::shared_ptr<const Server>& server) {
    compact.slots()[compact.slot_of(server->name)].server = server;
    ++compact.snapshot_.server_count_;
  });
  snapshot_.for_each_site([&](const std::string& name, const Site& site) { compact.set_site(name, site); });
  auto sites = std::move(compact).build(revision);
  sites.hosts_ = std::move(snapshot_.hosts_);
  sites.wildcards_ = std::move(snapshot_.wildcards_);
  sites.rules_ = std::move(snapshot_.rules_);
  return sites;
}

}  // namespace hybridge
