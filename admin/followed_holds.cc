#include "admin/followed_holds.h"

#include <atomic>

namespace hybridge {

// To be called twice; the second time tells.
std::function<void()> FollowedHolds::second_of_two(std::function<void()> all_live) {
  return [left = std::make_shared<std::atomic<int>>(2), all_live = std::move(all_live)] {
    if (left->fetch_sub(1) == 1 && all_live) all_live();
  };
}

void FollowedHolds::hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) {
  const auto one = second_of_two(std::move(all_live));
  workers_.hold(std::move(terms), one);
  predecessor_.tell_holds(one);
}

void FollowedHolds::unhold(std::string id, std::function<void()> all_live) {
  const auto one = second_of_two(std::move(all_live));
  workers_.unhold(std::move(id), one);
  predecessor_.tell_holds(one);
}

}  // namespace hybridge
