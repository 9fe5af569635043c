// The process that this one takes over from, seen from here: what it hands over, in which order, and, while it ends,
// the changes it must hear of. (The old process's side is admin/successor.h; what is said, admin/handover_messages.h.)
//
// Owned by the daemon. from_environment() to serving() are for its thread, at start; tell() for the Publisher's,
// tell_holds() and ask() for that of the registry of holds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "admin/handover_channel.h"
#include "admin/handover_messages.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "io/listening_sockets.h"
#include "routing/change.h"

namespace hybridge {

class Predecessor {
 public:
  // On a thread of its own; must not block.
  struct Listener {
    virtual void on_drained_there(const std::string& window, std::uint64_t epoch) = 0;
    virtual void on_gone() = 0;  // nothing is under way there any more

   protected:
    ~Listener() = default;
  };

  // nullptr: this process was not started to take over. An error: it was, and the other one is gone or says nothing
  // that is understood.
  static Result<std::unique_ptr<Predecessor>> from_environment();
  ~Predecessor();
  Predecessor(const Predecessor&) = delete;

  const HandoverOffer& offer() const { return offer_; }
  ListeningSockets take_sockets() { return std::move(sockets_); }

  // Says that all is ready here and waits until nothing is written there any more. The store's lock; an empty one when
  // the other process has died: then its place is this one's.
  Result<Descriptor> prepared();
  void set_listener(Listener& listener) { listener_ = &listener; }  // before serving()
  // Says that this process serves, and waits until the other one cannot come back.
  void serving();
  // Says why nothing comes of it: the other process goes on.
  void failed(const std::string& why);

  // What the table has become. `done`, on any thread: the other process serves by it too, or serves nothing any more.
  void tell(std::uint64_t revision, const std::vector<Change>& changes, std::function<void()> done);
  // The stored windows have changed. `done`: the other process's gates are as they say, or it has none any more.
  void tell_holds(std::function<void()> done);
  // What is still under way there of a window: `word` is kLook or kCut. `done`, on any thread, with a kUnderWay; an
  // empty one when the other process is gone.
  void ask(HandoverWord word, const std::string& window, std::function<void(HandoverMessage)> done);
  bool is_there() const;  // any thread
  void stop();            // it hears no more from here; what it has not taken up counts as done

 private:
  explicit Predecessor(Descriptor socket) : channel_(std::move(socket)) {}

  Result<HandoverMessage> await(HandoverWord word);
  using Untaken = std::multimap<std::uint64_t, std::function<void()>>;  // by revision, or number

  void send(const HandoverMessage& message);
  void taken(Untaken& told, std::uint64_t number);
  void hear();
  void answered(HandoverMessage message);
  void has_gone();

  HandoverChannel channel_;
  HandoverOffer offer_;
  ListeningSockets sockets_;
  Listener* listener_ = nullptr;
  std::thread hearing_;
  mutable std::mutex mutex_;  // of what stands below
  bool is_there_ = true;
  Untaken untaken_;
  Untaken untaken_holds_;
  std::uint64_t holds_told_ = 0;
  std::map<std::uint64_t, std::function<void(HandoverMessage)>> unanswered_;
  std::uint64_t asked_ = 0;
};

}  // namespace hybridge
