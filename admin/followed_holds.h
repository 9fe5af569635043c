// The workers of this process and, while it ends, the process before this one: a window is acknowledged when both keep
// to it, drained when nothing of it is under way in either, and those who wait there go on when it ends. It reads the
// windows in the store, where they are before anybody is told of them.
//
// Owned by the daemon; called by the thread of the registry of holds, but counts().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/predecessor.h"
#include "proxy/live_holds.h"

namespace hybridge {

class FollowedHolds final : public LiveHolds, private LiveHolds::Observer, private Predecessor::Listener {
 public:
  // Both outlive it; before Predecessor::serving().
  FollowedHolds(LiveHolds& workers, Predecessor& predecessor);

  void set_observer(LiveHolds::Observer* observer) override;
  void hold(std::shared_ptr<const HoldTerms> terms, std::function<void()> all_live) override;
  void unhold(std::string id, std::function<void()> all_live) override;
  void stragglers(std::string id, std::size_t most, std::function<void(std::vector<Straggler>)> done) override;
  void cut(std::string id, std::function<void(std::size_t)> done) override;
  // What is under way in the other process counts as one, however much it is: it is looked at by stragglers().
  std::optional<Counts> counts(std::string_view id) const override;

 private:
  // Epochs of a window: the one that is in force, and the last that has drained here and there.
  struct Drain {
    std::uint64_t closed = 0;  // 0: it is released, or pages
    std::uint64_t here = 0;
    std::uint64_t there = 0;
  };

  void on_drained(const std::string& id, std::uint64_t epoch) override;
  void on_emptied(const std::string& id, std::uint64_t epoch) override { observer_->on_emptied(id, epoch); }
  void on_failed(const std::string& id, std::uint64_t epoch) override { observer_->on_failed(id, epoch); }
  void on_drained_there(const std::string& window, std::uint64_t epoch) override;
  void on_gone() override;

  LiveHolds& workers_;
  Predecessor& predecessor_;
  LiveHolds::Observer* observer_ = nullptr;
  mutable std::mutex mutex_;  // of what stands below
  std::map<std::string, Drain, std::less<>> drains_;
  bool is_gone_ = false;
};

}  // namespace hybridge
