#include "routing/snapshot_json.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>

#include "base/host_name.h"
#include "routing/record_reader.h"
#include "routing/rule_json.h"

namespace hybridge {

namespace json = boost::json;

namespace {
using Normalize = Result<std::string> (*)(std::string_view);

// Calls visit(normal name, value, path) for each member of `document[key]` whose name is one.
template <class Visit>
void for_each_record(const json::object& document, const char* key, Normalize normalize, Faults& faults,
                     Visit&& visit) {
  const auto* section = document.if_contains(key);
  if (!section) return;
  const auto* records = section->if_object();
  if (!records) {
    faults.add(key, "must be an object, from names to values");
    return;
  }
  for (const auto& record : *records) {
    auto path = json_path(key, record.key());
    // Without this `x` and `["x"]` would be two spellings of one path.
    if (path.back() != ']') path = std::string(key) + "[" + in_quotes(record.key()) + "]";
    const auto name = normalize(record.key());
    if (!name) {
      faults.add(std::move(path), name.error().detail);
    } else {
      visit(*name, record.value(), path);
    }
  }
}

// Two spellings of one name ("A.test" and "a.test") would be two records where the table has room for one.
class NamesSeen {
 public:
  explicit NamesSeen(Faults& faults) : faults_(faults) {}
  bool is_new(const std::string& name, const std::string& path) {
    if (seen_.find(name)) {
      faults_.add(path, "is the same name as " + in_quotes(name) + ", which is there already");
      return false;
    }
    seen_.set(name, true);
    return true;
  }

 private:
  Faults& faults_;
  ShardMap<bool>::Builder seen_;
};

void read_sections(const json::object& document, Snapshot::Builder& builder, Faults& faults) {
  NamesSeen servers(faults), sites(faults), hosts(faults);
  for_each_record(document, "servers", normalize_endpoint_address, faults,
                  [&](const std::string& name, const json::value& value, const std::string& path) {
                    auto server = read_server(name, value, path, faults);
                    if (servers.is_new(name, path) && server) builder.set_server(std::move(*server));
                  });
  for_each_record(document, "sites", normalize_host_name, faults,
                  [&](const std::string& name, const json::value& value, const std::string& path) {
                    auto site = read_site(value, path, faults);
                    if (sites.is_new(name, path) && site) builder.set_site(name, *site);
                  });
  for_each_record(document, "hosts", normalize_host_pattern, faults,
                  [&](const std::string& name, const json::value& value, const std::string& path) {
                    auto host = read_host(value, path, faults);
                    if (hosts.is_new(name, path) && host) builder.set_host(name, std::move(*host));
                  });
}

void read_document(const json::value& value, ReadSnapshot& read) {
  const auto* document = value.if_object();
  if (!document) {
    read.faults.add("", R"(must be an object: {"servers":{…},"sites":{…},"hosts":{…},"rules":[…]})");
    return;
  }
  refuse_unknown_keys(*document, {"servers", "sites", "hosts", "rules"}, "", read.faults);
  Snapshot::Builder builder;
  read_sections(*document, builder, read.faults);
  if (const auto* rules = document->if_contains("rules")) {
    for (const auto& rule : read_rules(*rules, "rules", read.faults)) builder.set_rule(*rule);
  }
  read.snapshot = std::move(builder).build(0);
  find_redirect_rings(read.snapshot, read.faults);
}

void add_ring(const Snapshot& snapshot, const std::string& host, Faults& faults) {
  faults.add("hosts[" + in_quotes(host) + "].redirect", "redirects lead in a ring: " + snapshot.redirect_ring(host));
}

template <class Value, class Write>
void append_section(std::string& out, std::string_view name, std::vector<std::pair<std::string, Value>>& records,
                    Write&& write) {
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  append_json_string(out, name);
  out += ":{";
  for (const auto& record : records) {
    if (&record != records.data()) out += ',';
    append_json_string(out, record.first);
    out += ':';
    out += write(record.second);
  }
  out += '}';
}
}  // namespace

ReadSnapshot read_snapshot(std::string_view text, const JsonLimits& limits) {
  ReadSnapshot read;
  try {
    json::monotonic_resource memory;
    const auto* value = read_json(text, limits, memory, read.faults);
    if (value) {
      read_document(*value, read);
    } else {
      // A key that is there twice makes no tree, but the text is JSON.
      read.is_malformed = !read.faults.empty() && read.faults.kept().back().path.empty();
    }
  } catch (const std::exception& failure) {
    read.faults.add("", std::string("cannot be read: ") + failure.what());
  }
  return read;
}

std::string write_snapshot(const Snapshot& snapshot) {
  std::vector<std::pair<std::string, std::shared_ptr<const Server>>> servers;
  std::vector<std::pair<std::string, Site>> sites;
  std::vector<std::pair<std::string, Host>> hosts;
  snapshot.for_each_server(
      [&](const std::shared_ptr<const Server>& server) { servers.emplace_back(server->name, server); });
  snapshot.for_each_site([&](const std::string& name, const Site& site) { sites.emplace_back(name, site); });
  snapshot.for_each_host([&](const std::string& name, const Host& host) { hosts.emplace_back(name, host); });
  std::string out = "{";
  append_section(out, "hosts", hosts, write_host);
  out += R"(,"rules":[)";
  for (const auto& rule : *snapshot.rules()) {
    if (rule != snapshot.rules()->front()) out += ',';
    out += write_rule(*rule, true);
  }
  out += "],";
  append_section(out, "servers", servers, [](const auto& server) { return write_server(*server); });
  out += ',';
  append_section(out, "sites", sites, write_site);
  out += '}';
  return out;
}

std::optional<Fault> dangling_reference(const Snapshot& snapshot, const std::string& name, const Site& site) {
  if (snapshot.server(site.server)) return std::nullopt;
  return Fault{"sites[" + in_quotes(name) + "].server",
               "there is no server " + in_quotes(site.server) + ": the site serves as an unknown host"};
}

std::optional<Fault> dangling_reference(const Snapshot& snapshot, const std::string& name, const Host& host) {
  const auto path = "hosts[" + in_quotes(name) + "]";
  if (!host.site.empty() && !snapshot.has_site(host.site)) {
    return Fault{path + ".site",
                 "there is no site " + in_quotes(host.site) + ": without a redirect the host is unknown"};
  }
  if (host.site.empty() && host.redirect.empty() && !is_host_pattern(name) && !snapshot.has_site(name)) {
    return Fault{path, "names neither a site nor a redirect, and no site has this name: the host is unknown"};
  }
  return std::nullopt;
}

std::vector<Fault> dangling_references(const Snapshot& snapshot) {
  std::vector<Fault> found;
  const auto look = [&](const std::string& name, const auto& record) {
    if (found.size() == Faults::kKept) return;
    if (auto fault = dangling_reference(snapshot, name, record)) found.push_back(std::move(*fault));
  };
  snapshot.for_each_site(look);
  snapshot.for_each_host(look);
  std::sort(found.begin(), found.end(), [](const Fault& a, const Fault& b) { return a.path < b.path; });
  return found;
}

void find_redirect_rings(const Snapshot& snapshot, Faults& faults) {
  for (const auto& host : snapshot.redirect_rings()) add_ring(snapshot, host, faults);
}

void find_redirect_rings(const Snapshot& snapshot, std::string_view changed, Faults& faults) {
  for (const auto& host : snapshot.redirect_rings_after_change_of(changed)) add_ring(snapshot, host, faults);
}

}  // namespace hybridge
