// Which other sites of the table are the same to a site's users, as the control plane said it last: for windows of
// triggers that do not say. On disk, so that a restart forgets none.
//
// Owned by the HoldRegistry; its thread only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/hold_store.h"

namespace hybridge {

class SiteGroups {
 public:
  explicit SiteGroups(HoldStore& store) : store_(store) {}

  Result<void> load();
  // None: it has no others. What the disk does not take is known until the process ends.
  void learn(const std::string& site, std::vector<std::string> others);
  void keep_if(const std::function<bool(const std::string& site)>& is_kept);
  const std::vector<std::string>& of(std::string_view site) const;

 private:
  HoldStore& store_;
  HoldStore::Groups groups_;
};

}  // namespace hybridge
