// Trigger A of holds, on one worker: what becomes of requests that an upstream answered 503 (holds.md; decisions.md
// 31). Each site has one worker, by its name, that asks the site and knows what it said; the others ask that worker.
//
// Owned by the Worker; its thread only. What the sites' answers mean is the MaintenanceDetector's to say, windows are
// the MaintenanceObserver's to keep.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "base/timer_wheel.h"
#include "proxy/maintenance_detector.h"
#include "proxy/maintenance_observer.h"
#include "proxy/site_ping.h"

namespace hybridge {

class Worker;

class InBand {
 public:
  using Verdict = MaintenanceDetector::Verdict;

  // A request's wait for a verdict; outlives the call of ask().
  class Question {
   public:
    void cancel();  // ends the wait, if there is one, with kPass; the task is resumed inline

   private:
    friend class InBand;
    void end(Verdict verdict);

    InBand* desk_ = nullptr;  // nullptr: it does not wait
    std::uint64_t id_ = 0;
    Waiter waiter_;
    Verdict verdict_ = Verdict::kPass;
  };

  InBand(Worker& worker, std::size_t index);
  ~InBand();
  InBand(const InBand&) = delete;

  // Until then no windows are kept, and every 503 passes.
  void set_observer(MaintenanceObserver& observer) { observer_ = &observer; }

  // A 503 came from the site; `says_stopped`: it says itself that the site is in maintenance. Waits until the site has
  // been asked (a few seconds at most) and, where it is in maintenance, until the window is there.
  Task<Verdict> ask(Question& question, std::string_view site, bool says_stopped);
  // The same of a request that cannot be repeated: those that come after it may be.
  void note(std::string_view site, bool says_stopped);

  // Ends every wait and takes no more: the worker goes. The pings that are under way end with the upstreams.
  void close();

  // For the worker that the site belongs to.
  static std::size_t owner_of(std::string_view site, std::size_t workers);
  void resume(const std::string& site);                // after a start: its window was there
  void begun(const std::string& site, bool held);      // what its observer was asked for
  void ended(const std::string& site, bool gives_up);  // MaintenanceDetector::ended()
  void post_here(std::function<void(InBand&)> work);   // any thread; what is posted after close() is not done

 private:
  struct Asker {
    std::size_t worker;
    std::uint64_t question;
  };
  class Site;

  void send(std::string_view site, bool says_stopped, std::optional<Asker> asker);
  void saw_503(const std::string& site, bool says_stopped, std::optional<Asker> asker);
  void tell(std::size_t worker, std::vector<std::uint64_t> questions, Verdict verdict);
  void told(const std::vector<std::uint64_t>& questions, Verdict verdict);
  void forget(const std::string& site);
  Site& site_of(const std::string& name);
  Site* find(const std::string& name);

  Worker& worker_;
  const std::size_t index_;
  MaintenanceObserver* observer_ = nullptr;
  bool is_closed_ = false;
  std::uint64_t last_question_ = 0;
  std::unordered_map<std::uint64_t, Question*> questions_;
  std::unordered_map<std::string, std::unique_ptr<Site>> sites_;  // that belong to this worker
};

}  // namespace hybridge
