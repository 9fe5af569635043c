// The workers of this process and, while it ends, the process before this one: whoever publishes is told that a table
// is live when both serve by it, so that no request that still ends there is judged by an older one.
//
// Owned by the daemon; called by the Publisher's thread.
#pragma once

#include <memory>

#include "admin/predecessor.h"
#include "proxy/live_tables.h"

namespace hybridge {

class FollowedTables final : public LiveTables {
 public:
  // Both outlive it. `common`: the table that both serve by now.
  FollowedTables(LiveTables& workers, Predecessor& predecessor, std::shared_ptr<const Snapshot> common)
      : workers_(workers), predecessor_(predecessor), common_(std::move(common)) {}

  void publish(std::shared_ptr<const Snapshot> snapshot, std::function<void()> all_live) override;
  // It accepts no connections, so new certificates are none of its business.
  void publish(std::shared_ptr<const CertificateTable> certificates, std::function<void()> all_live) override;

 private:
  LiveTables& workers_;
  Predecessor& predecessor_;
  std::shared_ptr<const Snapshot> common_;  // nullptr: there is nobody to tell any more
};

}  // namespace hybridge
