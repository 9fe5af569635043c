// Where new tables are handed to so that every worker serves by them: the port between the Publisher and the workers.
//
// Implemented by the Edge; called by one thread at a time. Later calls supersede earlier ones in order: a worker
// never goes back to an older table.
#pragma once

#include <functional>
#include <memory>

#include "routing/snapshot.h"
#include "tls/certificate_table.h"

namespace hybridge {

class LiveTables {
 public:
  // `all_live` is called once, on any thread, when every worker serves by this table (or a later one). It may be
  // called before publish() returns, and never when a worker no longer turns.
  virtual void publish(std::shared_ptr<const Snapshot> snapshot, std::function<void()> all_live) = 0;
  virtual void publish(std::shared_ptr<const CertificateTable> certificates, std::function<void()> all_live) = 0;

 protected:
  virtual ~LiveTables() = default;
};

}  // namespace hybridge
