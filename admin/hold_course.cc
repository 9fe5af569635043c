// What happens to windows by themselves: the way to disk and to the workers, what those report, and what time brings.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <utility>

#include "admin/hold_registry.h"
#include "base/process_log.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr auto kStoreAgain = std::chrono::seconds(5);
constexpr std::int64_t kKeptEnded = std::int64_t{7} * 24 * 3'600'000;

// `revision`: of the table that it happened under.
AuditRecord audit_line(const HoldRecord& record, std::int64_t at, std::uint64_t revision, const std::string& who,
                       const std::string& action, HoldState before) {
  AuditRecord line{0, at, revision, who, action + " hold " + record.id, {}};
  line.detail = "{\"" + std::string(record.scope.is_server ? "server" : "site") + "\":";
  append_json_string(line.detail, record.scope.name);
  line.detail += ",\"before\":";
  append_json_string(line.detail, action == "begin" ? "" : to_string(before));
  line.detail += ",\"after\":";
  append_json_string(line.detail, to_string(record.state));
  if (record.result != HoldResult::kNone) {
    line.detail += ",\"outcome\":";
    append_json_string(line.detail, to_string(record.result));
  }
  line.detail += ",\"reason\":";
  append_json_string(line.detail, record.reason);
  line.detail += '}';
  return line;
}
}  // namespace

// --- To disk, and to the workers

// False: it is not on disk, and will be tried again.
bool HoldRegistry::store(Window& window, const std::string& who, const std::string& action, HoldState before) {
  const auto& record = window.record;
  const auto line = audit_line(record, now(), ports_.tip().snapshot->revision(), who, action, before);
  std::vector<HoldRecord> owed{record};
  for (const auto& [id, other] : windows_) {
    if (!other.is_durable && id != record.id) owed.push_back(other.record);
  }
  const auto stored = ports_.store.put(owed, {&line, 1});
  if (stored) {
    for (auto& [id, other] : windows_) other.is_durable = true;
  } else {
    log::error("hold {}: {} is not on disk: {}", record.id, action, stored.error().detail);
    window.is_durable = false;
    if (!std::exchange(owes_store_, true)) post_after(kStoreAgain, [this] { store_again(); });
  }
  for (auto* listener : listeners_) listener->on_hold_changed(record, action);
  return stored.has_value();
}

void HoldRegistry::store_again() {
  owes_store_ = false;
  std::vector<HoldRecord> owed;
  for (const auto& [id, window] : windows_) {
    if (!window.is_durable) owed.push_back(window.record);
  }
  if (owed.empty()) return;
  if (!ports_.store.put(owed, {})) {
    owes_store_ = true;
    post_after(kStoreAgain, [this] { store_again(); });
    return;
  }
  for (auto& [id, window] : windows_) window.is_durable = true;
}

std::vector<std::string> HoldRegistry::sites_of(const HoldRecord& record) const {
  if (!record.scope.is_server) return record.scope.names();
  std::vector<std::string> sites;
  ports_.tip().snapshot->for_each_site([&](const std::string& name, const Site& site) {
    if (site.server == record.scope.name) sites.push_back(name);
  });
  return sites;
}

std::shared_ptr<const HoldTerms> HoldRegistry::terms(const HoldRecord& record) const {
  auto terms = terms_of(record, *ports_.tip().snapshot);
  if (terms.mode == HoldMode::kRelease && ports_.before) terms.before = ports_.before(sites_of(record));
  return std::make_shared<const HoldTerms>(std::move(terms));
}

// `all_live` on the registry's thread.
void HoldRegistry::publish(Window& window, std::function<void()> all_live) {
  ports_.workers.hold(terms(window.record), [this, all_live = std::move(all_live)] { post(all_live); });
}

void HoldRegistry::look_at_live() {
  auto live = std::make_shared<std::vector<HoldRecord>>();
  for (const auto& [id, window] : windows_) {
    if (window.record.is_live()) live->push_back(window.record);
  }
  const std::lock_guard lock(mutex_);
  live_ = std::move(live);
}

std::shared_ptr<const std::vector<HoldRecord>> HoldRegistry::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

std::string HoldRegistry::preview_secret(std::string_view id) const {
  const auto all = live();
  const auto found = std::find_if(all->begin(), all->end(), [&](const auto& record) { return record.id == id; });
  return found == all->end() ? std::string() : found->preview_secret;
}

HoldFigures HoldRegistry::figures() const {
  HoldFigures figures;
  const auto all = live();
  for (const auto state : {HoldState::kDraining, HoldState::kHolding, HoldState::kReleasing, HoldState::kPaging}) {
    const auto count =
        std::count_if(all->begin(), all->end(), [&](const auto& record) { return record.state == state; });
    figures.windows.emplace_back(to_string(state), static_cast<std::size_t>(count));
  }
  for (std::size_t trigger = 0; trigger < ended_.size(); ++trigger) {
    for (std::size_t result = 1; result < ended_[trigger].size(); ++result) {
      figures.ended.push_back({.trigger = to_string(static_cast<HoldClaim::Kind>(trigger)),
                               .outcome = to_string(static_cast<HoldResult>(result)),
                               .windows = ended_[trigger][result].value()});
    }
  }
  figures.drain = &drain_;
  return figures;
}

// --- After a start

Result<void> HoldRegistry::restore() {
  std::promise<Result<void>> restored;
  executor_.post([this, &restored] { restored.set_value(restore_here()); });
  return restored.get_future().get();
}

Result<void> HoldRegistry::restore_here() {
  auto loaded = ports_.store.load();
  if (!loaded) return loaded.error();
  if (auto known = groups_.load(); !known) return known.error();
  for (const auto& why : loaded->damaged) log::error("a stored window cannot be right and is left out: {}", why);
  for (auto& record : loaded->records) {
    Window window;
    window.record = std::move(record);
    auto& kept = windows_.emplace(window.record.id, std::move(window)).first->second;
    if (!kept.record.is_live()) continue;
    log::info("hold {} of {} is in force again: {}", kept.record.id, kept.record.scope.name,
              to_string(kept.record.state));
    if (kept.record.state == HoldState::kReleasing) {
      // Those who waited are gone with the process that they waited in.
      end(kept);
      continue;
    }
    if (kept.record.state == HoldState::kDraining) kept.drain_until = now() + kept.record.wishes.drain_timeout_ms;
    if (kept.record.held_again > 0 && kept.record.claims.empty() && kept.record.is_closed()) kept.again_at = now();
    publish(kept, [] {});
  }
  look_at_live();
  return {};
}

void HoldRegistry::follow(std::function<void()> done) {
  executor_.post([this, done = std::move(done)] {
    auto loaded = ports_.store.load();
    if (!loaded) {
      log::error("which sites are held by the process that has taken over cannot be read: {}", loaded.error().detail);
      return done();
    }
    Windows now;
    for (auto& record : loaded->records) {
      if (record.is_live()) now[record.id].record = std::move(record);
    }
    // The last of them to be live, and this call, are when it is done.
    const auto left = std::make_shared<std::atomic<std::size_t>>(now.size() + 1);
    const auto one = [left, done] {
      if (left->fetch_sub(1) == 1) done();
    };
    for (const auto& [id, window] : now) ports_.workers.hold(terms(window.record), one);
    part_with(now);
    windows_ = std::move(now);
    one();
  });
}

// Of windows that are over there, where nobody waits any more: who waits here goes on at the site's pace, too, unless
// another window has begun.
void HoldRegistry::part_with(Windows& theirs) {
  for (auto at = windows_.begin(); at != windows_.end();) {
    const auto& id = at->first;
    auto& window = (at++)->second;
    if (!window.record.is_live() || theirs.contains(id)) continue;
    const auto counts = ports_.workers.counts(id);
    const bool begins_anew = std::any_of(theirs.begin(), theirs.end(), [&](const auto& other) {
      return other.second.record.scope.meets(window.record.scope);
    });
    if (begins_anew || !counts || counts->waiting == 0) {
      ports_.workers.unhold(id, {});
      continue;
    }
    if (window.record.release(HoldResult::kReleased)) ports_.workers.hold(terms(window.record), [] {});
    window.is_over = true;
    theirs.insert(windows_.extract(id));
  }
}

void HoldRegistry::went_on_here(const std::string& id) {
  auto* const window = find(id);
  if (!window || !window->is_over) return;
  ports_.workers.unhold(id, {});
  windows_.erase(id);
}

// Here nobody holds them again: that is decided over there, if the window is not over. They see the page.
void HoldRegistry::failed_here(const std::string& id) {
  auto* const window = find(id);
  if (!window) return;
  window->record.state = HoldState::kPaging;
  ++window->record.epoch;
  ports_.workers.hold(terms(window->record), [] {});
  went_on_here(id);
}

void HoldRegistry::look(std::string id, std::function<void(std::vector<Straggler>)> done) {
  executor_.post([this, id = std::move(id), done = std::move(done)]() mutable {
    ports_.workers.stragglers(std::move(id), kShownStragglers, std::move(done));
  });
}

void HoldRegistry::cut(std::string id, std::function<void(std::size_t)> done) {
  executor_.post([this, id = std::move(id), done = std::move(done)]() mutable {
    ports_.workers.cut(std::move(id), std::move(done));
  });
}

void HoldRegistry::start() {
  post([this] {
    for (auto& [id, window] : windows_) {
      if (window.record.is_live()) schedule(window);
    }
    look_at_table();
    static_cast<void>(ports_.store.forget_ended_before(now() - kKeptEnded));
  });
}

// --- What the workers report

void HoldRegistry::on_drained(const std::string& id, std::uint64_t epoch) {
  executor_.post([this, id, epoch] {
    if (drained_elsewhere_) drained_elsewhere_(id, epoch);
  });
  post([this, id, epoch] {
    auto* const window = find(id);
    if (!window || window->record.epoch != epoch) return;
    const auto before = window->record.state;
    const bool is_first = window->record.drained_at == 0;
    const bool moved = window->record.drained(now());
    if (is_first && window->record.has_drained) {
      drain_.observe((window->record.drained_at - window->record.began) * 1000);
    }
    window->drain_until = 0;
    if (moved) {
      store(*window, window->record.who, "drained", before);
      schedule(*window);
      look_at_live();
    }
    if (!window->is_cutting) tell_drained(*window);
  });
}

void HoldRegistry::on_emptied(const std::string& id, std::uint64_t epoch) {
  executor_.post([this, id] {
    if (drained_elsewhere_) went_on_here(id);
  });
  post([this, id, epoch] {
    auto* const window = find(id);
    if (window && window->record.epoch == epoch && window->record.state == HoldState::kReleasing) end(*window);
  });
}

void HoldRegistry::on_failed(const std::string& id, std::uint64_t epoch) {
  executor_.post([this, id] {
    if (drained_elsewhere_) failed_here(id);
  });
  post([this, id, epoch] {
    auto* const window = find(id);
    if (!window || window->record.epoch != epoch) return;
    auto& record = window->record;
    const auto before = record.state;
    const auto result = record.result;
    if (!record.failed()) return;
    if (record.state == HoldState::kHolding) {
      // Each time twice as long: a site that is not back now may be soon.
      const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(ports_.again_after).count();
      window->again_at = now() + (pause << (record.held_again - 1));
      window->again_as = result;
      record.expires_at = std::max(record.expires_at, window->again_at + record.wishes.lease_ms);
    }
    log::warn("hold {} of {}: those who went on fared badly, the site is {}", record.id, record.scope.name,
              record.state == HoldState::kHolding ? "held again" : "not back: its users see the page");
    store(*window, record.who, "guard", before);
    publish(*window, [] {});
    schedule(*window);
    look_at_live();
  });
}

void HoldRegistry::take_counts(HoldRecord& record) const {
  const auto counts = ports_.workers.counts(record.id);
  if (!counts) return;
  record.released = counts->of(HoldOutcome::kReleased);
  record.expired = counts->of(HoldOutcome::kExpired);
  record.client_gone = counts->of(HoldOutcome::kClientGone);
  record.refused = counts->of(HoldOutcome::kFull) + counts->of(HoldOutcome::kOutlasted) +
                   counts->of(HoldOutcome::kPaged) + counts->of(HoldOutcome::kRefused);
}

void HoldRegistry::end(Window& window) {
  auto& record = window.record;
  take_counts(record);
  record.emptied(now());
  window.again_at = 0;
  ended_[static_cast<std::size_t>(record.trigger)][static_cast<std::size_t>(record.result)].add();
  store(window, record.who, "end", HoldState::kReleasing);
  ports_.workers.unhold(record.id, {});
  look_at_live();
  tell_drained(window);
  for (const auto& done : std::exchange(window.awaiting_end, {})) answer(window, HoldReply::Kind::kChanged, {}, done);
}

// --- What time brings

void HoldRegistry::schedule(Window& window) {
  const auto& record = window.record;
  ++window.turn;
  if (!record.is_live() || record.state == HoldState::kReleasing) return;
  auto due = record.hard_end();
  if (record.state != HoldState::kPaging) due = std::min(due, record.expires_at);
  if (window.drain_until > 0) due = std::min(due, window.drain_until);
  if (window.again_at > 0) due = std::min(due, window.again_at);
  const auto wait = std::chrono::milliseconds(std::max<std::int64_t>(due - now(), 0));
  post_after(wait, [this, id = record.id, turn = window.turn] { on_time(id, turn); });
}

void HoldRegistry::on_time(const std::string& id, std::uint64_t turn) {
  auto* const window = find(id);
  if (!window || window->turn != turn) return;
  auto& record = window->record;
  if (window->drain_until > 0 && now() >= window->drain_until) {
    window->drain_until = 0;
    if (record.state == HoldState::kDraining) drain_timed_out(*window);
  }
  if (window->again_at > 0 && now() >= window->again_at && record.state == HoldState::kHolding) {
    const auto again_as = window->again_as == HoldResult::kNone ? HoldResult::kReleased : window->again_as;
    return let_go(*window, again_as, record.who, "release again");
  }
  const auto before = record.state;
  if (record.expire(now())) {
    log::warn("hold {} of {}: its {} has passed: {}", id, record.scope.name,
              now() >= record.hard_end() ? "hard maximum" : "lease", to_string(record.state));
    store(*window, record.who, "expire", before);
    publish(*window, [] {});
    look_at_live();
    tell_drained(*window);
  }
  schedule(*window);
}

void HoldRegistry::drain_timed_out(Window& window) {
  auto& record = window.record;
  switch (record.wishes.on_stragglers) {
    case OnStragglers::kWait:
      tell_drained(window);
      return;
    case OnStragglers::kAbort:
      let_go(window, HoldResult::kAborted, record.who, "abort: stragglers");
      return;
    case OnStragglers::kCut:
      break;
  }
  window.is_cutting = true;
  ports_.workers.cut(record.id, [this, id = record.id](std::size_t cut) {
    post([this, id, cut] {
      auto* const held = find(id);
      if (!held) return;
      held->is_cutting = false;
      held->record.cut += cut;
      held->record.is_clean = held->record.cut == 0;
      if (cut > 0) store(*held, held->record.who, "cut", held->record.state);
      if (held->record.has_drained) tell_drained(*held);
    });
  });
}

// Those who wait for the drain: it is over, one way or the other.
void HoldRegistry::tell_drained(Window& window) {
  for (const auto& done : std::exchange(window.awaiting_drain, {})) answer(window, HoldReply::Kind::kFound, {}, done);
}

void HoldRegistry::await_drained(std::string id, Done done) {
  post([this, id = std::move(id), done = std::move(done)] {
    auto* const window = window_of(id);
    if (!window) return done(without_window(HoldReply::Kind::kNotFound, "there is no window of that id"));
    const bool is_draining = window->record.state == HoldState::kDraining && window->drain_until > 0;
    if (!is_draining) return answer(*window, HoldReply::Kind::kFound, {}, done);
    window->awaiting_drain.push_back(done);
  });
}

void HoldRegistry::await_ended(std::string id, Duration at_most, Done done) {
  post([this, id = std::move(id), at_most, done = std::move(done)] {
    auto* const window = window_of(id);
    if (!window) return done(without_window(HoldReply::Kind::kNotFound, "there is no window of that id"));
    if (window->record.state != HoldState::kReleasing) return answer(*window, HoldReply::Kind::kChanged, {}, done);
    const auto is_answered = std::make_shared<bool>(false);
    const auto once = [is_answered, done](const HoldReply& reply) {
      if (!std::exchange(*is_answered, true)) done(reply);
    };
    window->awaiting_end.push_back(once);
    post_after(at_most, [this, own_id = window->record.id, once] {
      if (const auto* known = find(own_id)) answer(*known, HoldReply::Kind::kChanged, {}, once);
    });
  });
}

}  // namespace hybridge
