#include "routing/change_json.h"

#include <utility>

#include "routing/rule_json.h"
#include "routing/snapshot_json.h"

namespace hybridge {

std::optional<Change::Kind> to_kind(std::string_view word) {
  using Kind = Change::Kind;
  for (const auto kind : {Kind::kServer, Kind::kSite, Kind::kHost, Kind::kRule}) {
    if (to_string(kind) == word) return kind;
  }
  return std::nullopt;
}

std::optional<ReadChange> read_put(Change::Kind kind, const std::string& name, const boost::json::value& value,
                                   const std::string& path, Faults& faults) {
  switch (kind) {
    case Change::Kind::kServer:
      if (auto server = read_server(name, value, path, faults)) return ReadChange{put(std::move(*server))};
      break;
    case Change::Kind::kSite:
      if (const auto site = read_site(value, path, faults)) return ReadChange{put(name, *site)};
      break;
    case Change::Kind::kHost:
      if (auto host = read_host(value, path, faults)) return ReadChange{put(name, std::move(*host))};
      break;
    case Change::Kind::kRule:
      if (auto read = read_rule(name, value, path, faults)) {
        return ReadChange{put(std::move(read->rule)), read->says_order};
      }
      break;
  }
  return std::nullopt;
}

}  // namespace hybridge
