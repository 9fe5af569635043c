// A change of the table as a list of records that are put or deleted: what is written to the store, counted, audited,
// and applied to the snapshot that is served, which then shares all the rest with the one before. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "routing/fault.h"
#include "routing/snapshot.h"

namespace hybridge {

struct Change {
  enum class Kind : std::uint8_t { kServer, kSite, kHost, kRule };
  Kind kind = Kind::kHost;
  std::string name;
  std::variant<std::monostate, Server, Site, Host, Rule> value;  // monostate: deleted

  bool is_deletion() const { return std::holds_alternative<std::monostate>(value); }
};
std::string_view to_string(Change::Kind kind);  // "server", as PATCH and the audit spell it

Change put(Server server);
Change put(std::string name, Site site);
Change put(std::string name, Host host);
Change put(Rule rule);
Change deletion(Change::Kind kind, std::string name);

// The value as the store keeps it and the API shows it; nullopt: deleted.
std::optional<std::string> value_of(const Change& change);
// The value that a snapshot has for that record.
std::optional<std::string> value_of(const Snapshot& snapshot, Change::Kind kind, std::string_view name);

// What makes `to` of `from`. Records that are equal are left alone, whatever the revisions.
std::vector<Change> difference(const Snapshot& from, const Snapshot& to);

Snapshot apply(const Snapshot& from, const std::vector<Change>& changes, std::uint64_t revision);

// Does the record refer to what is not there, so that it serves as an unknown host? nullopt: no, or there is no record.
std::optional<Fault> dangling_reference(const Snapshot& snapshot, Change::Kind kind, const std::string& name);

// What is wrong with the whole of `after`, which `changes` made of a table that was right: redirects that lead in a
// ring, rules that are too many or cannot be matched together.
void find_faults_after(const Snapshot& after, const std::vector<Change>& changes, Faults& faults);

}  // namespace hybridge
