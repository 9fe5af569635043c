#include "admin/followed_holds.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

namespace hybridge {

namespace {
// To be called twice; the second time tells.
std::function<void()> second_of_two(std::function<void()> both) {
  return [left = std::make_shared<std::atomic<int>>(2), both = std::move(both)] {
    if (left->fetch_sub(1) == 1 && both) both();
  };
}
}  // namespace

FollowedHolds::FollowedHolds(LiveHolds& workers, Predecessor& predecessor)
    : workers_(workers), predecessor_(predecessor) {
  predecessor_.set_listener(static_cast<Predecessor::Listener&>(*this));
}

void FollowedHolds::set_observer(LiveHolds::Observer* observer) {
  observer_ = observer;
  workers_.set_observer(observer ? static_cast<LiveHolds::Observer*>(this) : nullptr);
}

void FollowedHolds::hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) {
  {
    const std::lock_guard lock(mutex_);
    drains_[terms->id].closed = terms->mode == HoldMode::kHold ? terms->epoch : 0;
  }
  const auto one = second_of_two(std::move(all_live));
  workers_.hold(std::move(terms), one);
  predecessor_.tell_holds(one);
}

void FollowedHolds::unhold(std::string id, std::function<void()> all_live) {
  {
    const std::lock_guard lock(mutex_);
    drains_.erase(id);
  }
  const auto one = second_of_two(std::move(all_live));
  workers_.unhold(std::move(id), one);
  predecessor_.tell_holds(one);
}

void FollowedHolds::stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) {
  const auto ours = std::make_shared<std::vector<Straggler>>();
  const auto theirs = std::make_shared<std::vector<Straggler>>();
  const auto one = second_of_two([ours, theirs, most, done = std::move(done)] {
    auto all = std::move(*ours);
    all.insert(all.end(), std::make_move_iterator(theirs->begin()), std::make_move_iterator(theirs->end()));
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.age_ms > b.age_ms; });
    if (all.size() > most) all.resize(most);
    done(std::move(all));
  });
  predecessor_.ask(HandoverWord::kLook, id, [theirs, one](HandoverMessage answer) {
    *theirs = std::move(answer.stragglers);
    one();
  });
  workers_.stragglers(std::move(id), most, [ours, one](std::vector<Straggler> found) {
    *ours = std::move(found);
    one();
  });
}

void FollowedHolds::cut(std::string id, std::function<void(std::size_t)> done) {
  const auto cut = std::make_shared<std::atomic<std::size_t>>(0);
  const auto one = second_of_two([cut, done = std::move(done)] { done(*cut); });
  predecessor_.ask(HandoverWord::kCut, id, [cut, one](const HandoverMessage& answer) {
    *cut += answer.cut;
    one();
  });
  workers_.cut(std::move(id), [cut, one](std::size_t count) {
    *cut += count;
    one();
  });
}

std::optional<LiveHolds::Counts> FollowedHolds::counts(std::string_view id) const {
  auto counts = workers_.counts(id);
  const std::lock_guard lock(mutex_);
  const auto found = drains_.find(id);
  if (counts && !is_gone_ && found != drains_.end() && found->second.there < found->second.closed) ++counts->in_flight;
  return counts;
}

void FollowedHolds::on_drained(const std::string& id, std::uint64_t epoch) {
  {
    const std::lock_guard lock(mutex_);
    const auto drain = drains_.find(id);
    if (drain == drains_.end()) return;
    drain->second.here = std::max(drain->second.here, epoch);
    if (!is_gone_ && drain->second.there < epoch) return;
  }
  observer_->on_drained(id, epoch);
}

void FollowedHolds::on_drained_there(const std::string& window, std::uint64_t epoch) {
  std::uint64_t both = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto drain = drains_.find(window);
    if (drain == drains_.end()) return;
    drain->second.there = std::max(drain->second.there, epoch);
    both = std::min(drain->second.here, drain->second.there);
  }
  if (both > 0) observer_->on_drained(window, both);
}

void FollowedHolds::on_gone() {
  std::map<std::string, Drain, std::less<>> drains;
  {
    const std::lock_guard lock(mutex_);
    is_gone_ = true;
    drains = drains_;
  }
  for (const auto& [id, drain] : drains) {
    if (drain.here > 0) observer_->on_drained(id, drain.here);
  }
}

}  // namespace hybridge
