// What one site has of its server on one worker, so that it cannot take its neighbours' part.
//
// Owned by its UpstreamServer; the worker's thread only. Stays where it is while anything refers to it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/upstream/lease.h"

namespace hybridge {

struct UpstreamSiteUse {
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  bool is_zero() const { return in_use == 0 && tunnels == 0 && waiting == 0; }

  std::size_t in_use = 0;
  std::size_t tunnels = 0;
  std::size_t waiting = 0;
  LeaseRequest::SiteQueue queue;
  Hook hungry;

  using Table = std::unordered_map<std::string, UpstreamSiteUse, Hash, std::equal_to<>>;
  using HungryList =
      boost::intrusive::list<UpstreamSiteUse,
                             boost::intrusive::member_hook<UpstreamSiteUse, Hook, &UpstreamSiteUse::hungry>,
                             boost::intrusive::constant_time_size<false>>;
};

}  // namespace hybridge
