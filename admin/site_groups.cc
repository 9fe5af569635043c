#include "admin/site_groups.h"

#include <utility>

#include "base/process_log.h"

namespace hybridge {

Result<void> SiteGroups::load() {
  auto loaded = store_.load_groups();
  if (!loaded) return loaded.error();
  groups_ = std::move(*loaded);
  return {};
}

void SiteGroups::learn(const std::string& site, std::vector<std::string> others) {
  if (of(site) == others) return;
  if (const auto stored = store_.put_group(site, others); !stored) {
    log::warn("which sites are the same as {} is not on disk: {}", site, stored.error().detail);
  }
  if (others.empty()) {
    groups_.erase(site);
  } else {
    groups_[site] = std::move(others);
  }
}

void SiteGroups::keep_if(const std::function<bool(const std::string& site)>& is_kept) {
  std::vector<std::string> gone;
  for (const auto& [site, others] : groups_) {
    if (!is_kept(site)) gone.push_back(site);
  }
  for (const auto& site : gone) learn(site, {});
}

const std::vector<std::string>& SiteGroups::of(std::string_view site) const {
  static const std::vector<std::string> kNone;
  const auto found = groups_.find(site);
  return found == groups_.end() ? kNone : found->second;
}

}  // namespace hybridge
