#include "proxy/in_band.h"

#include <algorithm>
#include <map>
#include <utility>

#include "proxy/worker.h"

namespace hybridge {

// One site as its worker sees it: carries the detector's orders out.
class InBand::Site final : private MaintenanceDetector::Orders, private Timer::Owner {
 public:
  Site(InBand& desk, std::string name)
      : desk_(desk),
        name_(std::move(name)),
        detector_(static_cast<Orders&>(*this)),
        timer_(desk.worker_.loop().timers(), *this),
        ping_(desk.worker_, name_) {}

  void saw_503(bool says_stopped, std::optional<Asker> asker) {
    const auto verdict = detector_.saw_503(says_stopped, now());
    if (asker && verdict) {
      desk_.tell(asker->worker, {asker->question}, *verdict);
    } else if (asker) {
      askers_.push_back(*asker);
    }
    settle();
  }
  void begun(bool held) {
    detector_.begun(held, now());
    settle();
  }
  void ended(bool gives_up) {
    detector_.ended(gives_up);
    settle();
  }
  void resumed() {
    detector_.resumed();
    settle();
  }

 private:
  TimePoint now() const { return desk_.worker_.loop().now(); }

  void probe(Duration after) override {
    // The wheel is coarse: counting from when it should have been keeps the rate.
    due_ = std::max(now(), due_ + after);
    is_due_ = true;
  }
  void begin() override {
    if (!desk_.observer_) {
      desk_.post_here([name = name_](InBand& desk) { desk.begun(name, false); });
      return;
    }
    desk_.observer_->begin_in_band(name_, [&desk = desk_, name = name_](bool held) {
      desk.post_here([name, held](InBand& here) { here.begun(name, held); });
    });
  }
  void renew() override {
    if (desk_.observer_) desk_.observer_->renew_in_band(name_);
  }
  void end() override {
    if (desk_.observer_) desk_.observer_->end_in_band(name_);
  }
  void tell(Verdict verdict) override {
    std::map<std::size_t, std::vector<std::uint64_t>> by_worker;
    for (const auto& asker : std::exchange(askers_, {})) by_worker[asker.worker].push_back(asker.question);
    for (auto& [worker, questions] : by_worker) desk_.tell(worker, std::move(questions), verdict);
  }

  // What the detector wants next, when it has had its say.
  void settle() {
    if (is_pinging_) return;
    if (is_due_ && due_ <= now()) {
      start_ping();
    } else if (is_due_) {
      timer_.arm(due_);
    } else if (detector_.idle_at() != kNever) {
      timer_.arm(detector_.idle_at());
    }
  }

  void on_timer() override {
    if (!is_due_ && detector_.idle_at() <= now()) {
      desk_.forget(std::string(name_));  // and with it this
    } else if (is_due_) {
      start_ping();
    } else {
      settle();
    }
  }

  void start_ping() {
    is_due_ = false;
    is_pinging_ = true;
    spawn(ping());
  }

  Task<void> ping() {
    const auto said = co_await ping_.ask();
    is_pinging_ = false;
    if (desk_.is_closed_) co_return;
    if (said) {
      detector_.answered(*said, now());
    } else {
      detector_.removed();
    }
    settle();
  }

  InBand& desk_;
  const std::string name_;
  MaintenanceDetector detector_;
  Timer timer_;
  SitePing ping_;
  std::vector<Asker> askers_;
  TimePoint due_{};
  bool is_due_ = false;
  bool is_pinging_ = false;
};

// ---- Of the request's worker ----

InBand::InBand(Worker& worker, std::size_t index) : worker_(worker), index_(index) {}

InBand::~InBand() = default;

void InBand::Question::end(Verdict verdict) {
  desk_ = nullptr;
  verdict_ = verdict;
  waiter_.resume();
}

void InBand::Question::cancel() {
  if (!desk_) return;
  desk_->questions_.erase(id_);
  end(Verdict::kPass);
}

Task<InBand::Verdict> InBand::ask(Question& question, std::string_view site, bool says_stopped) {
  if (is_closed_) co_return Verdict::kPass;
  question.desk_ = this;
  question.id_ = ++last_question_;
  questions_.emplace(question.id_, &question);
  send(site, says_stopped, Asker{index_, question.id_});
  co_await question.waiter_.wait();
  co_return question.verdict_;
}

void InBand::note(std::string_view site, bool says_stopped) {
  if (!is_closed_) send(site, says_stopped, std::nullopt);
}

void InBand::send(std::string_view site, bool says_stopped, std::optional<Asker> asker) {
  const auto& workers = worker_.peers();
  auto& owner = *workers[owner_of(site, workers.size())];
  owner.in_band().post_here(
      [name = std::string(site), says_stopped, asker](InBand& there) { there.saw_503(name, says_stopped, asker); });
}

void InBand::told(const std::vector<std::uint64_t>& questions, Verdict verdict) {
  for (const auto id : questions) {
    const auto at = questions_.find(id);
    if (at == questions_.end()) continue;  // its client has left
    auto* question = at->second;
    questions_.erase(at);
    question->end(verdict);
  }
}

void InBand::close() {
  is_closed_ = true;
  while (!questions_.empty()) questions_.begin()->second->cancel();
}

// ---- Of the site's worker ----

std::size_t InBand::owner_of(std::string_view site, std::size_t workers) {
  return std::hash<std::string_view>{}(site) % workers;
}

void InBand::post_here(std::function<void(InBand&)> work) {
  worker_.post([this, work = std::move(work)] {
    if (!is_closed_) work(*this);
  });
}

InBand::Site& InBand::site_of(const std::string& name) {
  auto& site = sites_[name];
  if (!site) site = std::make_unique<Site>(*this, name);
  return *site;
}

InBand::Site* InBand::find(const std::string& name) {
  const auto at = sites_.find(name);
  return at == sites_.end() ? nullptr : at->second.get();
}

void InBand::forget(const std::string& site) {
  sites_.erase(site);
}

void InBand::saw_503(const std::string& site, bool says_stopped, std::optional<Asker> asker) {
  site_of(site).saw_503(says_stopped, asker);
}

void InBand::begun(const std::string& site, bool held) {
  if (auto* known = find(site)) known->begun(held);
}

void InBand::ended(const std::string& site, bool gives_up) {
  if (auto* known = find(site)) known->ended(gives_up);
}

void InBand::resume(const std::string& site) {
  site_of(site).resumed();
}

void InBand::tell(std::size_t worker, std::vector<std::uint64_t> questions, Verdict verdict) {
  worker_.peers()[worker]->in_band().post_here(
      [questions = std::move(questions), verdict](InBand& there) { there.told(questions, verdict); });
}

}  // namespace hybridge
