// What changes of the table mean for windows: one goes along with a site that is renamed, and ends with one that is
// deleted; and which sites are one for their users.
#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "admin/hold_registry.h"

namespace hybridge {

namespace {
// How long a write waits for the window to go along; it takes one commit.
constexpr auto kPatience = std::chrono::seconds(2);

struct Rename {
  std::string from;
  std::string to;
};

// The write takes one site away and brings one to the same server, and what led to that one leads to this one or
// nowhere.
std::optional<Rename> rename_in(const std::vector<Change>& changes, const Snapshot& before) {
  std::vector<const Change*> gone;
  std::vector<const Change*> come;
  for (const auto& change : changes) {
    if (change.kind != Change::Kind::kSite || before.has_site(change.name) != change.is_deletion()) continue;
    (change.is_deletion() ? gone : come).push_back(&change);
  }
  if (gone.size() != 1 || come.size() != 1) return std::nullopt;
  Rename rename{gone.front()->name, come.front()->name};
  if (std::get<Site>(come.front()->value).server != before.site(rename.from)->server) return std::nullopt;
  const auto leads_elsewhere = [&](const Change& change) {
    const auto* const host = std::get_if<Host>(&change.value);
    const auto* const was = host ? before.host(change.name) : nullptr;
    return was && was->site == rename.from && host->site != rename.to;
  };
  if (std::any_of(changes.begin(), changes.end(), leads_elsewhere)) return std::nullopt;
  return rename;
}

bool takes_away(const Change& change) {
  return change.is_deletion() && (change.kind == Change::Kind::kSite || change.kind == Change::Kind::kServer);
}

bool is_there(const HoldScope& scope, const Snapshot& snapshot) {
  if (scope.is_server) return snapshot.server(scope.name) != nullptr;
  const auto names = scope.names();
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return snapshot.has_site(name); });
}
}  // namespace

// It is told to the workers before they are handed the table that the write makes, and is on disk before that is.
void HoldRegistry::plan_to_write(const std::vector<Change>& changes, const Snapshot& before) {
  const auto rename = rename_in(changes, before);
  if (!rename) return;
  const auto told = std::make_shared<std::promise<void>>();
  // Not by post(): while another process takes over, writes that came before it are still stored.
  executor_.post([this, rename = *rename, told] {
    if (!drained_elsewhere_) rename_here(rename.from, rename.to);
    told->set_value();
  });
  told->get_future().wait_for(kPatience);
}

void HoldRegistry::rename_here(const std::string& site, const std::string& new_name) {
  groups_.learn(new_name, groups_.of(site));
  auto* const window = window_of_site(site, false);
  if (!window) return;
  auto& record = window->record;
  auto& scope = record.scope;
  if (scope.name == site) {
    scope.name = new_name;
    std::erase(scope.extra, new_name);  // it had that name before
  }
  // The old name stays, too: requests by it are held until the table knows it no more.
  for (const auto& name : {new_name, site}) {
    if (!scope.has(name)) scope.extra.push_back(name);
  }
  for (auto& [name, server] : record.servers) {
    if (name == site) name = new_name;
  }
  ++record.epoch;
  store(*window, record.who, "rename", record.state);
  look_at_live();
  publish(*window, [] {});
}

void HoldRegistry::has_written(const std::vector<Change>& changes) {
  if (std::any_of(changes.begin(), changes.end(), takes_away)) post([this] { look_at_table(); });
}

// Windows of what is gone have nothing left to hold.
void HoldRegistry::look_at_table() {
  const auto snapshot = ports_.tip().snapshot;
  for (auto& [id, window] : windows_) {
    const auto& record = window.record;
    if (record.is_live() && !is_there(record.scope, *snapshot)) {
      let_go(window, HoldResult::kAborted, record.who,
             record.scope.is_server ? "abort: server deleted" : "abort: site deleted");
    }
  }
  groups_.keep_if([&](const std::string& site) { return snapshot->has_site(site); });
}

void HoldRegistry::learn_group(std::string site, std::vector<std::string> others) {
  post(
      [this, site = std::move(site), others = std::move(others)]() mutable { groups_.learn(site, std::move(others)); });
}

// What is known of the site's group, for triggers that do not say.
void HoldRegistry::add_group(HoldBegin& begin) {
  const auto kind = begin.claim.kind;
  if (kind != HoldClaim::Kind::kAgentCall && kind != HoldClaim::Kind::kStatus) return;
  if (!begin.scope.extra.empty()) return;
  const auto snapshot = ports_.tip().snapshot;
  for (const auto& name : groups_.of(begin.scope.name)) {
    // One that is gone, or in a window of its own, keeps no other from being held.
    if (snapshot->has_site(name) && !window_of_site(name, false)) begin.scope.extra.push_back(name);
  }
}

}  // namespace hybridge
