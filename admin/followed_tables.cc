#include "admin/followed_tables.h"

#include <atomic>
#include <utility>

namespace hybridge {

void FollowedTables::publish(std::shared_ptr<const Snapshot> snapshot, std::function<void()> all_live) {
  if (common_ && !predecessor_.is_there()) common_ = nullptr;
  const auto changes = common_ ? difference(*common_, *snapshot) : std::vector<Change>{};
  if (common_) common_ = snapshot;
  if (changes.empty()) return workers_.publish(std::move(snapshot), std::move(all_live));
  const auto left = std::make_shared<std::atomic<int>>(2);
  const auto one = [left, all_live = std::move(all_live)] {
    if (left->fetch_sub(1) == 1 && all_live) all_live();
  };
  const auto revision = snapshot->revision();
  workers_.publish(std::move(snapshot), one);
  predecessor_.tell(revision, changes, one);
}

void FollowedTables::publish(std::shared_ptr<const CertificateTable> certificates, std::function<void()> all_live) {
  workers_.publish(std::move(certificates), std::move(all_live));
}

}  // namespace hybridge
