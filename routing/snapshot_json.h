// The routing document and its records as JSON ⇄ Snapshot: what the admin API takes and gives, and what the store
// keeps.
//
//   {"servers":{name:{…}},"sites":{name:{…}},"hosts":{host:{…}},"rules":[{"id":…,…}]}
//
// Reading finds all faults at once, each with its JSON path; unknown and repeated keys are faults; names come out in
// their normal spelling. Writing is deterministic: names and keys sorted, a value as it was given. Nothing throws.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/fault.h"
#include "routing/json_reader.h"
#include "routing/snapshot.h"

namespace hybridge {

struct ReadSnapshot {
  Snapshot snapshot;          // of revision 0; not to be used when there are faults
  Faults faults;              // what must be mended
  bool is_malformed = false;  // the text is no JSON at all (or too large, or too deep)
};
ReadSnapshot read_snapshot(std::string_view text, const JsonLimits& limits = {});
std::string write_snapshot(const Snapshot& snapshot);

// A reference that leads nowhere: it serves as an unknown host. nullopt: it does not.
std::optional<Fault> dangling_reference(const Snapshot& snapshot, const std::string& name, const Site& site);
std::optional<Fault> dangling_reference(const Snapshot& snapshot, const std::string& name, const Host& host);
// All of them, sorted by path, a thousand at most.
std::vector<Fault> dangling_references(const Snapshot& snapshot);

// Rings of redirects, as faults. `changed`: only those that a change of this host or site can have made.
void find_redirect_rings(const Snapshot& snapshot, Faults& faults);
void find_redirect_rings(const Snapshot& snapshot, std::string_view changed, Faults& faults);

// One record. `path` is where the value stands in its document (`sites["acme.example.com"]`, or "").
// nullopt: there are faults. The name is given in its normal spelling.
std::optional<Server> read_server(std::string_view name, const boost::json::value& value, const std::string& path,
                                  Faults& faults);
std::optional<Site> read_site(const boost::json::value& value, const std::string& path, Faults& faults);
std::optional<Host> read_host(const boost::json::value& value, const std::string& path, Faults& faults);

std::string write_server(const Server& server);
std::string write_site(const Site& site);
std::string write_host(const Host& host);

}  // namespace hybridge
