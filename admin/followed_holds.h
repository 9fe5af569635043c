// The workers of this process and, while it ends, the process before this one: a window is acknowledged when both keep
// to it, and those who wait there go on when it ends. It reads the windows in the store, where they are before anybody
// is told of them.
//
// Owned by the daemon; called by the thread of the registry of holds. What is under way there is not asked for: a
// window that begins while it ends may be called drained although it still has requests of the site.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/predecessor.h"
#include "proxy/live_holds.h"

namespace hybridge {

class FollowedHolds final : public LiveHolds {
 public:
  // Both outlive it.
  FollowedHolds(LiveHolds& workers, Predecessor& predecessor) : workers_(workers), predecessor_(predecessor) {}

  void set_observer(Observer* observer) override { workers_.set_observer(observer); }
  void hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) override;
  void unhold(std::string id, std::function<void()> all_live) override;
  void stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) override {
    workers_.stragglers(std::move(id), most, std::move(done));
  }
  void cut(std::string id, std::function<void(std::size_t)> done) override {
    workers_.cut(std::move(id), std::move(done));
  }
  std::optional<Counts> counts(std::string_view id) const override { return workers_.counts(id); }

 private:
  std::function<void()> second_of_two(std::function<void()> all_live);

  LiveHolds& workers_;
  Predecessor& predecessor_;
};

}  // namespace hybridge
