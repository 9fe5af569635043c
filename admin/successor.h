// The process that takes over from this one, seen from here: started from the binary on disk, handed what it needs step
// by step, and either left to serve alone or ended again, after which this process goes on as if nothing had been.
// (The new process's side is admin/predecessor.h.)
//
// Owned by the daemon, one at a time. Its story is told on a thread of its own, front to back; while it waits, this
// process serves. Until the new one serves nothing is given up here but time of the admin API, whose calls wait.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "admin/admin_side.h"
#include "admin/event_log.h"
#include "admin/handover_channel.h"
#include "admin/handover_messages.h"
#include "admin/hold_registry.h"
#include "admin/publisher.h"
#include "admin/store.h"
#include "base/sd_notify.h"
#include "proxy/edge.h"

namespace hybridge {

class Successor {
 public:
  struct Sources {  // all of them outlive it
    const Edge& edge;
    AdminSide& admin;
    Publisher& publisher;
    HoldRegistry& holds;
    EventLog& events;
    Store& store;
    const ServiceNotifier& notifier;
  };
  // On the successor's thread; the last thing it does before it either ends or only follows.
  struct Observer {
    virtual void on_handed_over(pid_t successor) = 0;
    virtual void on_handover_failed(const Error& why) = 0;

   protected:
    ~Observer() = default;
  };

  using Ends = std::pair<Descriptor, Descriptor>;  // of HandoverChannel::make_pair()

  // `offer` without its sockets; `timeout`: for all of it, from the start of the process to its first connection.
  Successor(Sources sources, Ends ends, std::vector<std::string> command, HandoverOffer offer, Duration timeout,
            Observer& observer);
  ~Successor();
  Successor(const Successor&) = delete;

  bool is_under_way() const { return is_under_way_; }  // any thread
  void stop();  // ends a process that has not taken over; nothing of its changes is heard any more

 private:
  void run();
  Result<void> hand_over();
  Result<void> start();
  Result<void> await(HandoverWord word);
  Result<void> say(HandoverWord word, std::vector<int> descriptors = {});
  Result<void> freeze();
  void thaw();
  Error end_process(Error why);
  void follow();
  void tell(const HandoverMessage& message);

  Sources sources_;
  const std::vector<std::string> command_;
  HandoverOffer offer_;
  const TimePoint deadline_;
  Observer& observer_;
  HandoverChannel channel_;
  Descriptor theirs_;  // their end, until they have it
  pid_t process_ = -1;
  bool is_frozen_ = false;
  std::atomic<bool> is_under_way_{true};
  std::thread thread_;  // the last to begin, the first to end
};

}  // namespace hybridge
