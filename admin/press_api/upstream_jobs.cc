#include "admin/press_api/upstream_jobs.h"

#include <algorithm>
#include <iterator>

#include "base/host_name.h"

namespace hybridge {

namespace json = boost::json;

namespace {
using Kind = Change::Kind;

constexpr std::uint32_t kMostWeight = 1'000;
constexpr std::uint16_t kPort = 80;

Error no_upstream(const std::string& name) {
  return make_error(Reason::kNotFound, "FileNotFoundError: there is no upstream " + in_quotes(name));
}

Error no_site(const std::string& name) {
  return make_error(Reason::kNotFound, "FileNotFoundError: there is no site " + in_quotes(name));
}

Server server_at(const std::string& address) {
  Server server;
  server.name = address;
  server.endpoints = {{address, kPort, 1}};
  return server;
}

// Changed by its fields: the text that was given for it is no longer its value.
Server edited(Server server) {
  server.document.clear();
  return server;
}

Result<std::vector<std::string>> host_names(const std::vector<std::string>& texts) {
  std::vector<std::string> names;
  for (const auto& text : texts) {
    auto name = normalize_host_name(text);
    if (!name) return name.error();
    names.push_back(std::move(*name));
  }
  return names;
}

// A site that is there keeps its status: only `status` changes that.
Result<void> place_sites(Draft& draft, const std::string& upstream, const std::vector<std::string>& sites) {
  draft.step("Remove Conflicting Site");
  draft.step("Add Site File to Upstream Directory");
  const auto server = normalize_endpoint_address(upstream);
  if (!server) return server.error();
  const auto names = host_names(sites);
  if (!names) return names.error();
  if (!draft.server(*server)) draft.change(put(server_at(*server)));
  for (const auto& name : *names) {
    auto site = draft.site(name).value_or(Site{});
    site.server = *server;
    draft.change(put(name, std::move(site)));
  }
  draft.reload();
  return {};
}

Result<void> move_server(Draft& draft, const std::string& from, const std::string& to) {
  draft.step("Rename Upstream Directory");
  const auto old_name = normalize_endpoint_address(from);
  if (!old_name) return old_name.error();
  const auto new_name = normalize_endpoint_address(to);
  if (!new_name) return new_name.error();
  auto server = draft.server(*old_name);
  const bool is_there = draft.server(*new_name).has_value();
  // Asked for again after it was done: done.
  if (!server && !is_there) return no_upstream(from);
  if (server && *old_name != *new_name) {
    if (!is_there) {
      server->name = *new_name;
      auto& endpoints = server->endpoints;
      std::erase_if(endpoints, [&](const Endpoint& each) { return each.address == *new_name; });
      for (auto& endpoint : endpoints) {
        if (endpoint.address == *old_name) endpoint.address = *new_name;
      }
      if (endpoints.empty()) endpoints = server_at(*new_name).endpoints;
      draft.change(put(edited(std::move(*server))));
    }
    draft.change(deletion(Kind::kServer, *old_name));
    for (const auto& name : draft.sites_on(*old_name)) {
      auto site = *draft.site(name);
      site.server = *new_name;
      draft.change(put(name, std::move(site)));
    }
  }
  draft.reload();
  return {};
}

Result<void> take_sites_away(Draft& draft, const std::string& upstream, const std::vector<std::string>& sites) {
  const auto server = normalize_endpoint_address(upstream);
  const auto names = host_names(sites);
  if (!server || !names) {
    draft.step("Remove Site File from Upstream Directory");
    return server ? names.error() : server.error();
  }
  for (const auto& name : *names) {
    const auto site = draft.site(name);
    if (!site || site->server != *server) continue;
    draft.step("Remove Site File from Upstream Directory");
    draft.change(deletion(Kind::kSite, name));
  }
  return {};
}

// What a host's record says of a site's name, by its new one.
void rename_in_host(Draft& draft, const std::string& host, const std::string& old_name, const std::string& new_name) {
  draft.step("Rename Site in Host Directory");
  auto record = draft.host(host);
  if (!record) return;
  if (record->site == old_name) record->site = new_name;
  if (record->redirect == old_name) record->redirect = new_name;
  draft.change(put(host, std::move(*record)));
}

Result<void> rename_own_host(Draft& draft, const std::string& old_name, const std::string& new_name) {
  auto record = draft.host(old_name);
  if (!record) return {};
  draft.step("Rename Host Directory");
  if (draft.host(new_name)) {
    return make_error(Reason::kConflict, "FileExistsError: there is a host " + in_quotes(new_name) + " already");
  }
  draft.change(deletion(Kind::kHost, old_name));
  draft.change(put(new_name, std::move(*record)));
  if (auto moved = draft.move_certificate(old_name, new_name); !moved) return moved;
  rename_in_host(draft, new_name, old_name, new_name);
  return {};
}

Result<void> move_site(Draft& draft, const std::string& upstream, const std::string& from, const std::string& to,
                       const std::vector<std::string>& domains) {
  draft.step("Remove Conflicting Site");
  draft.step("Rename Site File in Upstream Directory");
  const auto server = normalize_endpoint_address(upstream);
  if (!server) return server.error();
  const auto names = host_names({from, to});
  if (!names) return names.error();
  const auto hosts = host_names(domains);
  if (!hosts) return hosts.error();
  const auto& old_name = names->front();
  const auto& new_name = names->back();
  auto site = draft.site(old_name);
  const bool is_taken = draft.site(new_name).has_value();
  if (!site && !is_taken) return draft.server(*server) ? no_site(from) : no_upstream(upstream);
  if (site && old_name != new_name) {
    if (is_taken) {
      return make_error(Reason::kConflict, "FileExistsError: there is a site " + in_quotes(new_name) +
                                               " already: it would be lost by renaming another one to its name");
    }
    if (!draft.server(*server)) return no_upstream(upstream);
    draft.change(deletion(Kind::kSite, old_name));
    draft.change(put(new_name, std::move(*site)));
    if (auto renamed = rename_own_host(draft, old_name, new_name); !renamed) return renamed;
  }
  // Asked for again after it was done, nothing has the old name any more.
  for (const auto& host : *hosts) rename_in_host(draft, host, old_name, new_name);
  draft.reload();
  return {};
}

Result<void> change_status(Draft& draft, const std::string& upstream, const std::vector<std::string>& sites,
                           SiteStatus status) {
  draft.step("Update Site File");
  const auto server = normalize_endpoint_address(upstream);
  if (!server) return server.error();
  if (!draft.server(*server)) return no_upstream(upstream);
  const auto names = host_names(sites);
  if (!names) return names.error();
  for (const auto& name : *names) {
    if (&name != names->data()) draft.step("Update Site File");
    // Where the site is, whatever server was named; one that is nowhere is made there.
    auto site = draft.site(name).value_or(Site{.server = *server});
    site.status = status;
    draft.change(put(name, std::move(site)));
  }
  return {};
}

// `[{address: weight}]`.
std::vector<Endpoint> read_secondaries(JobCall& call) {
  constexpr std::string_view kKey = "secondary_upstreams";
  std::vector<Endpoint> secondaries;
  const auto* list = call.list(kKey);
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    const auto* object = (*list)[i].if_object();
    const auto path = std::string(kKey).append("[").append(std::to_string(i)).append("]");
    if (!object) call.faults.add(path, "must be {address: weight}");
    for (const auto& [address, weight] : object ? *object : json::object()) {
      const auto number = weight.is_int64() ? weight.get_int64() : 0;
      if (number < 1 || number > kMostWeight) {
        call.faults.add(path, "a weight must be a whole number from 1 to " + std::to_string(kMostWeight));
      }
      secondaries.push_back({std::string(address), kPort, static_cast<std::uint32_t>(number)});
    }
  }
  return secondaries;
}

// The primary stays the first endpoint; what else there is, these replace.
Result<void> set_secondaries(Draft& draft, const std::string& upstream, const std::vector<Endpoint>& secondaries) {
  const auto name = normalize_endpoint_address(upstream);
  if (!name) return name.error();
  auto server = draft.server(*name);
  if (!server && secondaries.empty()) return {};  // there are none to take away
  if (!server) return no_upstream(upstream);
  auto& endpoints = server->endpoints;
  endpoints.resize(1);
  for (const auto& each : secondaries) {
    auto address = normalize_endpoint_address(each.address);
    if (!address) return address.error();
    const bool is_repeated = std::any_of(endpoints.begin(), endpoints.end(),
                                         [&](const Endpoint& other) { return other.address == *address; });
    if (is_repeated) {
      return make_error(Reason::kInvalid, in_quotes(each.address) + " is the primary or a secondary already");
    }
    endpoints.push_back({std::move(*address), endpoints.front().port, each.weight});
  }
  draft.change(put(edited(std::move(*server))));
  return {};
}

// The site itself, then its other names.
std::vector<std::string> with_extra_domains(JobCall& call) {
  std::vector<std::string> all = {call.parameter(1)};
  auto extra = call.optional_texts("extra_domains");
  std::move(extra.begin(), extra.end(), std::back_inserter(all));
  return all;
}
}  // namespace

Job add_upstream(JobCall& call) {
  return {"Add Upstream to Proxy", [name = call.text("name")](Draft& draft) -> Result<void> {
            draft.step("Add Upstream Directory");
            const auto server = normalize_endpoint_address(name);
            if (!server) return server.error();
            if (!draft.server(*server)) draft.change(put(server_at(*server)));
            draft.reload();
            return {};
          }};
}

Job rename_upstream(JobCall& call) {
  return {"Rename Upstream",
          [from = call.parameter(0), to = call.text("name")](Draft& draft) { return move_server(draft, from, to); }};
}

Job add_sites(JobCall& call) {
  return {"Add Site to Upstream", [upstream = call.parameter(0), sites = call.text_or_texts("name")](Draft& draft) {
            return place_sites(draft, upstream, sites);
          }};
}

Job add_domain(JobCall& call) {
  return {"Add Domain to Upstream", [upstream = call.parameter(0), domain = call.text("domain")](Draft& draft) {
            return place_sites(draft, upstream, {domain});
          }};
}

Job remove_site(JobCall& call) {
  return {"Remove Site from Upstream",
          [upstream = call.parameter(0), sites = with_extra_domains(call)](Draft& draft) {
            return take_sites_away(draft, upstream, sites);
          },
          true};
}

Job rename_site(JobCall& call) {
  return {"Rename Site on Upstream", [upstream = call.parameter(0), from = call.parameter(1),
                                      to = call.text("new_name"), domains = call.optional_texts("domains")](
                                         Draft& draft) { return move_site(draft, upstream, from, to, domains); }};
}

Job set_site_status(JobCall& call) {
  // `activated`, and whatever else is not one of the table's: served.
  const auto status = to_site_status(call.text("status")).value_or(SiteStatus::kActive);
  return {"Update Site Status", [upstream = call.parameter(0), sites = with_extra_domains(call), status,
                                 skips_reload = call.optional_bool("skip_reload")](Draft& draft) {
            auto changed = change_status(draft, upstream, sites, status);
            if (changed && !skips_reload) draft.reload();
            return changed;
          }};
}

Job add_secondaries(JobCall& call) {
  const std::string name = "Add Auto Scale Site to Upstream";
  return {name, [name, upstream = call.parameter(0), secondaries = read_secondaries(call)](Draft& draft) {
            draft.step(name);
            auto set = set_secondaries(draft, upstream, secondaries);
            if (set) draft.reload();
            return set;
          }};
}

Job remove_secondaries(JobCall& call) {
  const std::string name = "Remove Auto Scale Site from Upstream";
  return {name, [name, upstream = call.parameter(0)](Draft& draft) {
            draft.step(name);
            auto set = set_secondaries(draft, upstream, {});
            if (set) draft.reload();
            return set;
          }};
}

}  // namespace hybridge
