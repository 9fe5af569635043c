#include "routing/change.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "routing/rule_json.h"
#include "routing/rule_matcher.h"
#include "routing/snapshot_json.h"

namespace hybridge {

namespace {
constexpr std::array<std::string_view, 4> kKinds = {"server", "site", "host", "rule"};

// Beyond this many, one walk over the whole table is cheaper than one for each change.
constexpr std::size_t kFewChanges = 64;

bool is_same(const Server& a, const Server& b) {
  return std::tie(a.endpoints, a.tls, a.agent_port, a.limits, a.health_path, a.document) ==
         std::tie(b.endpoints, b.tls, b.agent_port, b.limits, b.health_path, b.document);
}
}  // namespace

std::string_view to_string(Change::Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

Change put(Server server) {
  auto name = server.name;
  return {Change::Kind::kServer, std::move(name), std::move(server)};
}

Change put(std::string name, Site site) {
  return {Change::Kind::kSite, std::move(name), std::move(site)};
}

Change put(std::string name, Host host) {
  return {Change::Kind::kHost, std::move(name), std::move(host)};
}

Change put(Rule rule) {
  auto id = rule.id;
  return {Change::Kind::kRule, std::move(id), std::move(rule)};
}

Change deletion(Change::Kind kind, std::string name) {
  return {kind, std::move(name), std::monostate{}};
}

std::optional<std::string> value_of(const Change& change) {
  if (const auto* server = std::get_if<Server>(&change.value)) return write_server(*server);
  if (const auto* site = std::get_if<Site>(&change.value)) return write_site(*site);
  if (const auto* host = std::get_if<Host>(&change.value)) return write_host(*host);
  if (const auto* rule = std::get_if<Rule>(&change.value)) return write_rule(*rule);
  return std::nullopt;
}

std::optional<std::string> value_of(const Snapshot& snapshot, Change::Kind kind, std::string_view name) {
  if (kind == Change::Kind::kServer) {
    const auto server = snapshot.server(name);
    return server ? std::optional(write_server(*server)) : std::nullopt;
  }
  if (kind == Change::Kind::kSite) {
    const auto site = snapshot.site(name);
    return site ? std::optional(write_site(*site)) : std::nullopt;
  }
  if (kind == Change::Kind::kRule) {
    const auto rule = snapshot.rule(name);
    return rule ? std::optional(write_rule(*rule)) : std::nullopt;
  }
  const auto* host = snapshot.host(name);
  return host ? std::optional(write_host(*host)) : std::nullopt;
}

std::vector<Change> difference(const Snapshot& from, const Snapshot& to) {
  using Kind = Change::Kind;
  std::vector<Change> changes;
  to.for_each_server([&](const std::shared_ptr<const Server>& server) {
    const auto before = from.server(server->name);
    if (!before || !is_same(*before, *server)) changes.push_back(put(*server));
  });
  to.for_each_site([&](const std::string& name, const Site& site) {
    if (from.site(name) != site) changes.push_back(put(name, site));
  });
  to.for_each_host([&](const std::string& name, const Host& host) {
    const auto* before = from.host(name);
    if (!before || *before != host) changes.push_back(put(name, host));
  });
  for (const auto& rule : *to.rules()) {
    const auto before = from.rule(rule->id);
    if (!before || *before != *rule) changes.push_back(put(*rule));
  }
  for (const auto& rule : *from.rules()) {
    if (!to.rule(rule->id)) changes.push_back(deletion(Kind::kRule, rule->id));
  }
  from.for_each_server([&](const std::shared_ptr<const Server>& server) {
    if (!to.server(server->name)) changes.push_back(deletion(Kind::kServer, server->name));
  });
  from.for_each_site([&](const std::string& name, const Site&) {
    if (!to.has_site(name)) changes.push_back(deletion(Kind::kSite, name));
  });
  from.for_each_host([&](const std::string& name, const Host&) {
    if (!to.host(name)) changes.push_back(deletion(Kind::kHost, name));
  });
  return changes;
}

Snapshot apply(const Snapshot& from, const std::vector<Change>& changes, std::uint64_t revision) {
  Snapshot::Builder builder(from);
  for (const auto& change : changes) {
    if (const auto* server = std::get_if<Server>(&change.value)) {
      builder.set_server(*server);
    } else if (const auto* site = std::get_if<Site>(&change.value)) {
      builder.set_site(change.name, *site);
    } else if (const auto* host = std::get_if<Host>(&change.value)) {
      builder.set_host(change.name, *host);
    } else if (const auto* rule = std::get_if<Rule>(&change.value)) {
      builder.set_rule(*rule);
    } else if (change.kind == Change::Kind::kRule) {
      builder.erase_rule(change.name);
    } else if (change.kind == Change::Kind::kServer) {
      builder.erase_server(change.name);
    } else if (change.kind == Change::Kind::kSite) {
      builder.erase_site(change.name);
    } else {
      builder.erase_host(change.name);
    }
  }
  return std::move(builder).build(revision);
}

std::optional<Fault> dangling_reference(const Snapshot& snapshot, Change::Kind kind, const std::string& name) {
  if (kind == Change::Kind::kSite) {
    const auto site = snapshot.site(name);
    return site ? dangling_reference(snapshot, name, *site) : std::nullopt;
  }
  const auto* host = kind == Change::Kind::kHost ? snapshot.host(name) : nullptr;
  return host ? dangling_reference(snapshot, name, *host) : std::nullopt;
}

void find_faults_after(const Snapshot& after, const std::vector<Change>& changes, Faults& faults) {
  const auto is_rule = [](const Change& change) { return change.kind == Change::Kind::kRule; };
  if (std::any_of(changes.begin(), changes.end(), is_rule)) {
    if (after.rules()->size() > kMaxRules) {
      faults.add("rules", "would be more than " + std::to_string(kMaxRules));
    } else {
      RuleMatcher::make(*after.rules(), faults);
    }
  }
  if (changes.size() > kFewChanges) return find_redirect_rings(after, faults);
  for (const auto& change : changes) {
    if (change.kind == Change::Kind::kSite || change.kind == Change::Kind::kHost) {
      find_redirect_rings(after, change.name, faults);
    }
  }
}

}  // namespace hybridge
