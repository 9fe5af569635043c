// The windows there are: begins, renews, releases and ends them, each transition first on disk, then with every worker,
// then acknowledged; and what time does to them: drains that take too long, leases that run out, releases that fail.
// All triggers meet here: a second one for a site in a window joins it.
//
// Owned by the daemon. Any thread calls; everything happens on the registry's own executor, which has one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/executor.h"
#include "admin/hold_record.h"
#include "admin/hold_store.h"
#include "admin/publisher.h"
#include "admin/site_groups.h"
#include "proxy/counters.h"
#include "proxy/hold_figures.h"
#include "proxy/live_holds.h"

namespace hybridge {

struct HoldBegin {
  std::string id;  // as the caller names it; "": it is given one
  HoldScope scope;
  HoldClaim claim;  // an explicit one gets its key from the id
  std::string reason;
  std::string who;
  HoldWishes wishes;
  bool dry_run = false;
};

struct HoldRelease {
  std::string id;
  HoldResult result = HoldResult::kReleased;
  std::string server;                        // "": they go where the table says
  std::optional<std::uint64_t> if_revision;  // of the table: else nothing is done
  std::string who;
};

// What became of a call, and the window as it is then.
struct HoldReply {
  enum class Kind : std::uint8_t {
    kBegun,
    kRenewed,
    kJoined,  // another trigger's window
    kChanged,
    kFound,
    kNoop,      // nothing to do: `why`
    kConflict,  // refused: `why`
    kNotFound,
    kNotStored,
    kNotLive,  // some worker did not follow in time: it was undone
  };
  Kind kind = Kind::kFound;
  std::string why;
  bool durable = true;
  std::optional<HoldRecord> record;  // not there when there is no window
  LiveHolds::Counts counts;
  std::vector<Straggler> stragglers;
};

// Of a call that speaks of no window.
inline HoldReply without_window(HoldReply::Kind kind, std::string why) {
  HoldReply reply;
  reply.kind = kind;
  reply.why = std::move(why);
  return reply;
}

class HoldRegistry final : private LiveHolds::Observer {
 public:
  using Done = std::function<void(const HoldReply&)>;

  // What it needs of the rest of the process; all outlive it.
  struct Ports {
    HoldStore& store;
    LiveHolds& workers;
    std::function<Tip()> tip;                                                         // any thread
    std::function<void(Write, Publisher::Done)> submit;                               // a change of the table
    std::function<ReleasePace::Basis(const std::vector<std::string>& sites)> before;  // what they did; may be empty
    std::function<std::int64_t()> now = {};          // Unix milliseconds; not set: the clock
    Duration again_after = std::chrono::seconds(5);  // the guard's
    Duration patience = std::chrono::seconds(2);     // with workers
  };

  // Told of every transition, on the registry's thread.
  struct Listener {
    virtual void on_hold_changed(const HoldRecord& record, const std::string& action) = 0;

   protected:
    ~Listener() = default;
  };

  explicit HoldRegistry(Ports ports);
  ~HoldRegistry();
  HoldRegistry(const HoldRegistry&) = delete;

  void add_listener(Listener& listener) { listeners_.push_back(&listener); }  // before restore()

  // Brings the stored windows into force, while the workers do not run yet; and when they do, their time goes on.
  Result<void> restore();
  void start();

  // While another process takes over: nothing is written, whatever comes waits. After retire() it waits for ever.
  void pause(std::function<void()> done);
  void resume();
  // From then on: `drained` is told, on the registry's thread, of each window that nothing holdable is under way of.
  using Drained = std::function<void(const std::string& id, std::uint64_t epoch)>;
  void retire(Drained drained);
  // Behind retire(): the stored windows are others, by the other process. `done` when the workers keep to them.
  void follow(std::function<void()> done);
  // Behind retire(), for the other process: what is still under way here, and to end it. `done` on any thread.
  void look(std::string id, std::function<void(std::vector<Straggler>)> done);
  void cut(std::string id, std::function<void(std::size_t)> done);

  // `done` is called once, on the registry's thread, unless it says otherwise.
  void begin(HoldBegin begin, Done done);
  // The same, answered when the window has drained, or not within its drain_timeout, or is over.
  void await_drained(std::string id, Done done);
  void release(HoldRelease release, Done done);
  // Answered when the window has ended, or after `at_most`.
  void await_ended(std::string id, Duration at_most, Done done);
  // By trigger and site: one claim ends, and the window with the last one.
  void end_claims(std::string site, HoldClaim claim, HoldResult result, std::string who, Done done);
  void renew(std::string site, HoldClaim claim);  // its lease begins anew
  // Which other sites are the same to the users of this one: held with it by triggers that do not say.
  void learn_group(std::string site, std::vector<std::string> others);

  // Of the table, on the Publisher's thread. The first returns when the workers have been told what it means for
  // windows: behind that they are handed the new table, and behind that comes the second.
  void plan_to_write(const std::vector<Change>& changes, const Snapshot& before);
  void has_written(const std::vector<Change>& changes);

  void find(std::string id, Done done);
  void list(bool with_ended, std::function<void(std::vector<HoldReply>)> done);

  // Any thread.
  std::shared_ptr<const std::vector<HoldRecord>> live() const;  // as they are now
  std::string preview_secret(std::string_view id) const;        // "": no such live window

  // For metrics; any thread. What the workers know is left out.
  HoldFigures figures() const;

 private:
  static constexpr std::size_t kShownStragglers = 100;
  struct Window {
    HoldRecord record;
    bool is_durable = true;
    std::uint64_t turn = 0;        // of its timer: an older one is void
    std::int64_t drain_until = 0;  // 0: that is over
    std::int64_t again_at = 0;     // the guard's: release it again; 0: not
    HoldResult again_as = HoldResult::kReleased;
    bool is_cutting = false;  // how many were cut is not known yet
    bool is_over = false;     // behind retire(): over there; who still waits here goes on by and by
    std::vector<Done> awaiting_drain;
    std::vector<Done> awaiting_end;
  };
  using Windows = std::map<std::string, Window, std::less<>>;

  void on_drained(const std::string& id, std::uint64_t epoch) override;
  void on_emptied(const std::string& id, std::uint64_t epoch) override;
  void on_failed(const std::string& id, std::uint64_t epoch) override;

  void post(std::function<void()> work);
  void post_after(Duration wait, std::function<void()> work);
  Result<void> restore_here();
  void begin_here(HoldBegin begin, const Done& done);
  void begin_new(HoldBegin begin, const Done& done);
  void join(Window& window, HoldBegin begin, HoldReply::Kind kind, const Done& done);
  void release_here(const HoldRelease& release, const Done& done);
  void retarget(HoldRelease release, const Done& done);
  void let_go(Window& window, HoldResult result, const std::string& who, const std::string& action);
  void end(Window& window);
  void go_back(const HoldRecord& record, const std::string& who);
  void publish_release(const std::string& id);
  void undo(const std::string& id);

  Window* find(std::string_view id);
  Window* window_of(std::string_view id);  // by its id, or that of an explicit claim
  Window* window_of_site(std::string_view name, bool is_server);
  std::string refusal(const HoldScope& scope) const;
  void add_group(HoldBegin& begin);
  void rename_here(const std::string& site, const std::string& new_name);
  void look_at_table();

  bool store(Window& window, const std::string& who, const std::string& action, HoldState before);
  void store_again();
  void publish(Window& window, std::function<void()> all_live);
  std::vector<std::string> sites_of(const HoldRecord& record) const;
  void schedule(Window& window);
  void on_time(const std::string& id, std::uint64_t turn);
  void drain_timed_out(Window& window);
  void tell_drained(Window& window);
  void answer(const Window& window, HoldReply::Kind kind, std::string why, const Done& done);
  HoldReply reply_of(const Window& window, HoldReply::Kind kind, std::string why) const;
  void take_counts(HoldRecord& record) const;
  std::shared_ptr<const HoldTerms> terms(const HoldRecord& record) const;
  void part_with(Windows& theirs);
  void went_on_here(const std::string& id);
  void failed_here(const std::string& id);
  void look_at_live();
  std::int64_t now() const { return ports_.now(); }

  Ports ports_;
  std::vector<Listener*> listeners_;
  Windows windows_;  // by id; ended ones for a while
  SiteGroups groups_;
  bool owes_store_ = false;
  bool is_paused_ = false;
  std::vector<std::function<void()>> paused_;
  Drained drained_elsewhere_;                    // behind retire()
  std::array<std::array<Counter, 4>, 4> ended_;  // by trigger and result
  DurationHistogram drain_;                      // from begin to drained
  mutable std::mutex mutex_;
  std::shared_ptr<const std::vector<HoldRecord>> live_ = std::make_shared<const std::vector<HoldRecord>>();
  Executor executor_{"holds"};  // the first to go: its work uses all of the above
};

}  // namespace hybridge
