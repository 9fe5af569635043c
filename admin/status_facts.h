// What the process tells of itself to the admin API. A value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "routing/fault.h"

namespace hybridge {

struct StatusFacts {
  std::string version;
  std::int64_t uptime_s = 0;
  std::size_t workers = 0;
  std::uint64_t connections = 0;  // downstream, open
  std::int64_t pid = 0;
  static constexpr std::size_t kServersShown = 50;
  struct ServerDown {
    std::string name;
    std::int64_t since_ms = 0;  // of the Unix epoch
    std::string why;
  };
  std::size_t servers_up = 0;  // of those that have been asked
  std::size_t servers_down_count = 0;
  std::vector<ServerDown> servers_down;  // kServersShown at most
  std::string upgrade;                   // what became of the last one that this process was asked for; "": it was not
  std::size_t quarantined_count = 0;
  std::vector<Fault> quarantined;  // the first of them
  std::string not_ready;  // why no traffic should come here (draining, …); "": ready, once the tables are live
};

}  // namespace hybridge
