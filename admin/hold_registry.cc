#include "admin/hold_registry.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/digest.h"
#include "base/host_name.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
std::int64_t unix_milliseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string random_name(std::string_view prefix, std::size_t bytes) {
  std::vector<std::uint8_t> random(bytes);
  for (std::size_t filled = 0; filled < bytes;) {
    const auto got = getrandom(random.data() + filled, bytes - filled, 0);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return std::string(prefix) + to_hex(random);
}

std::string named(const HoldScope& scope) {
  return (scope.is_server ? "server " : "site ") + in_quotes(scope.name);
}
}  // namespace

HoldRegistry::HoldRegistry(Ports ports) : ports_(std::move(ports)), groups_(ports_.store) {
  if (!ports_.now) ports_.now = unix_milliseconds;
  ports_.workers.set_observer(static_cast<LiveHolds::Observer*>(this));
}

HoldRegistry::~HoldRegistry() {
  executor_.stop();
}

// --- Calls: each goes to the registry's thread

void HoldRegistry::post(std::function<void()> work) {
  executor_.post([this, work = std::move(work)]() mutable {
    if (is_paused_) {
      paused_.push_back(std::move(work));
    } else {
      work();
    }
  });
}

void HoldRegistry::post_after(Duration wait, std::function<void()> work) {
  executor_.post_after(wait, [this, work = std::move(work)]() mutable { post(std::move(work)); });
}

void HoldRegistry::pause(std::function<void()> done) {
  executor_.post([this, done = std::move(done)] {
    is_paused_ = true;
    done();
  });
}

void HoldRegistry::resume() {
  executor_.post([this] {
    is_paused_ = false;
    for (auto& work : std::exchange(paused_, {})) post(std::move(work));
  });
}

void HoldRegistry::retire(Drained drained) {
  executor_.post([this, drained = std::move(drained)]() mutable {
    is_paused_ = true;
    paused_.clear();
    drained_elsewhere_ = std::move(drained);
  });
}

void HoldRegistry::begin(HoldBegin begin, Done done) {
  post([this, begin = std::move(begin), done = std::move(done)]() mutable { begin_here(std::move(begin), done); });
}

void HoldRegistry::release(HoldRelease release, Done done) {
  post([this, release = std::move(release), done = std::move(done)] {
    if (release.server.empty() && !release.if_revision) return release_here(release, done);
    retarget(release, done);
  });
}

void HoldRegistry::find(std::string id, Done done) {
  post([this, id = std::move(id), done = std::move(done)] {
    if (const auto* window = window_of(id)) return answer(*window, HoldReply::Kind::kFound, {}, done);
    done(without_window(HoldReply::Kind::kNotFound, "there is no window " + in_quotes(id)));
  });
}

void HoldRegistry::list(bool with_ended, std::function<void(std::vector<HoldReply>)> done) {
  post([this, with_ended, done = std::move(done)] {
    std::vector<HoldReply> all;
    for (const auto& [id, window] : windows_) {
      if (with_ended || window.record.is_live()) all.push_back(reply_of(window, HoldReply::Kind::kFound, {}));
    }
    done(std::move(all));
  });
}

void HoldRegistry::end_claims(std::string site, HoldClaim claim, HoldResult result, std::string who, Done done) {
  post([this, site = std::move(site), claim = std::move(claim), result, who = std::move(who), done = std::move(done)] {
    auto* const window = window_of_site(site, false);
    const auto ends = [&](const HoldClaim& each) {
      return each.kind == claim.kind && (claim.key.empty() || each.key == claim.key);
    };
    if (!window || std::none_of(window->record.claims.begin(), window->record.claims.end(), ends)) {
      return done(
          without_window(HoldReply::Kind::kNoop, "site " + in_quotes(site) + " is in no window of such a claim"));
    }
    std::erase_if(window->record.claims, ends);
    const auto action = "release by " + std::string(to_string(claim.kind));
    if (window->record.claims.empty()) {
      let_go(*window, result, who, action);
    } else {
      store(*window, who, action, window->record.state);
    }
    answer(*window, HoldReply::Kind::kChanged, {}, done);
  });
}

void HoldRegistry::renew(std::string site, HoldClaim claim) {
  post([this, site = std::move(site), claim = std::move(claim)] {
    auto* const window = window_of_site(site, false);
    if (!window || !window->record.is_live() || !window->record.claim(claim.kind, claim.key)) return;
    // Not each on disk: a restart finds a lease that is somewhat shorter.
    window->record.expires_at = std::max(window->record.expires_at, now() + window->record.wishes.lease_ms);
    schedule(*window);
  });
}

// --- Looking

HoldRegistry::Window* HoldRegistry::find(std::string_view id) {
  const auto found = windows_.find(id);
  return found == windows_.end() ? nullptr : &found->second;
}

HoldRegistry::Window* HoldRegistry::window_of(std::string_view id) {
  if (auto* const window = find(id)) return window;
  for (auto& [name, window] : windows_) {
    if (window.record.is_live() && window.record.claim(HoldClaim::Kind::kExplicit, id)) return &window;
  }
  return nullptr;
}

HoldRegistry::Window* HoldRegistry::window_of_site(std::string_view name, bool is_server) {
  for (auto& [id, window] : windows_) {
    const auto& record = window.record;
    if (record.is_live() && record.scope.is_server == is_server && record.scope.has(name)) return &window;
  }
  return nullptr;
}

// Why no window of that scope can begin; "": it can.
std::string HoldRegistry::refusal(const HoldScope& scope) const {
  const auto tip = ports_.tip();
  if (scope.is_server) return tip.snapshot->server(scope.name) ? "" : "there is no " + named(scope);
  for (const auto& name : scope.names()) {
    if (!tip.snapshot->has_site(name)) return "there is no site " + in_quotes(name);
  }
  return {};
}

// --- Begin

void HoldRegistry::begin_here(HoldBegin begin, const Done& done) {
  if (auto* const known = begin.id.empty() ? nullptr : window_of(begin.id)) {
    const auto conflict = !known->record.is_live() ? "the window has ended: begin another, with another id"
                          : !known->record.scope.covers(begin.scope) ? "the window of that id is of another scope"
                                                                     : "";
    if (*conflict != '\0') return answer(*known, HoldReply::Kind::kConflict, conflict, done);
    return join(*known, std::move(begin), HoldReply::Kind::kRenewed, done);
  }
  add_group(begin);
  if (auto why = refusal(begin.scope); !why.empty()) {
    return done(without_window(HoldReply::Kind::kNotFound, std::move(why)));
  }
  if (auto* const other = window_of_site(begin.scope.name, begin.scope.is_server)) {
    return join(*other, std::move(begin), HoldReply::Kind::kJoined, done);
  }
  for (const auto& name : begin.scope.extra) {
    if (auto* const other = window_of_site(name, false)) {
      return answer(*other, HoldReply::Kind::kConflict, "site " + in_quotes(name) + " is in a window of its own", done);
    }
  }
  if (begin.id.empty()) begin.id = random_name("h-", 8);
  begin_new(std::move(begin), done);
}

void HoldRegistry::begin_new(HoldBegin begin, const Done& done) {
  Window window;
  auto& record = window.record;
  record.id = begin.id;
  record.scope = std::move(begin.scope);
  if (begin.claim.kind == HoldClaim::Kind::kExplicit) begin.claim.key = begin.id;
  record.claims = {begin.claim};
  record.trigger = begin.claim.kind;
  record.reason = std::move(begin.reason);
  record.who = std::move(begin.who);
  record.wishes = std::move(begin.wishes);
  record.began = now();
  record.expires_at = std::min(record.began + record.wishes.lease_ms, record.hard_end());
  record.preview_secret = random_name("", 32);
  const auto tip = ports_.tip();
  for (const auto& name : record.scope.names()) {
    if (const auto site = tip.snapshot->site(name)) record.servers.emplace_back(name, site->server);
  }
  if (begin.dry_run) return done(reply_of(window, HoldReply::Kind::kBegun, "dry run: nothing was begun"));
  const bool tells_group = record.trigger == HoldClaim::Kind::kExplicit && !record.scope.extra.empty();
  if (tells_group) groups_.learn(record.scope.name, record.scope.extra);

  const auto id = record.id;
  auto& kept = windows_.insert_or_assign(id, std::move(window)).first->second;
  if (!store(kept, kept.record.who, "begin", HoldState::kEnded)) {
    windows_.erase(id);
    owes_store_ = false;
    return done(without_window(HoldReply::Kind::kNotStored, "the window cannot be kept on disk: nothing was begun"));
  }
  kept.drain_until = now() + kept.record.wishes.drain_timeout_ms;
  schedule(kept);
  look_at_live();
  // Whichever comes first: every worker has closed its gate, or their time is over.
  const auto is_answered = std::make_shared<bool>(false);
  publish(kept, [this, id, is_answered, done] {
    if (std::exchange(*is_answered, true)) return;
    if (const auto* begun = find(id)) answer(*begun, HoldReply::Kind::kBegun, {}, done);
  });
  post_after(ports_.patience, [this, id, is_answered, done] {
    if (std::exchange(*is_answered, true)) return;
    undo(id);
    done(without_window(HoldReply::Kind::kNotLive, "some worker did not close its gate in time: the window is undone"));
  });
}

void HoldRegistry::undo(const std::string& id) {
  auto* const window = find(id);
  if (!window || !window->record.is_live()) return;
  const auto before = window->record.state;
  window->record.release(HoldResult::kAborted);
  window->record.emptied(now());
  store(*window, window->record.who, "undo", before);
  ports_.workers.unhold(id, {});
  look_at_live();
}

void HoldRegistry::join(Window& window, HoldBegin begin, HoldReply::Kind kind, const Done& done) {
  if (begin.dry_run) return done(reply_of(window, kind, "dry run: nothing was changed"));
  const auto before = window.record;
  auto& record = window.record;
  auto claim = std::move(begin.claim);
  if (claim.kind == HoldClaim::Kind::kExplicit) {
    claim.key = begin.id.empty() ? random_name("h-", 8) : begin.id;
  }
  const bool is_owner = claim.key == record.id;
  if (!record.claim(claim.kind, claim.key)) record.claims.push_back(claim);
  if (is_owner) record.wishes = std::move(begin.wishes);
  record.expires_at = std::max(record.expires_at, now() + (is_owner ? record.wishes : begin.wishes).lease_ms);
  record.expires_at = std::min(record.expires_at, record.hard_end());
  const bool holds_again = record.begin_again(now());
  const bool is_news = is_owner && record.wishes != before.wishes;
  if (is_news && !holds_again) ++record.epoch;
  const auto* action = kind == HoldReply::Kind::kRenewed ? "renew" : "join";
  if (!store(window, begin.who, action, before.state)) {
    record = before;
    return answer(window, HoldReply::Kind::kNotStored, "the change cannot be kept on disk: nothing was changed", done);
  }
  if (holds_again) {
    window.again_at = 0;
    window.drain_until = now() + record.wishes.drain_timeout_ms;
  }
  schedule(window);
  look_at_live();
  const auto why = kind == HoldReply::Kind::kJoined ? "the site is in this window already" : "";
  if (!holds_again && !is_news) return answer(window, kind, why, done);
  publish(window, [this, id = record.id, kind, why, done] {
    if (const auto* changed = find(id)) answer(*changed, kind, why, done);
  });
}

// --- Release

void HoldRegistry::release_here(const HoldRelease& release, const Done& done) {
  auto* const window = window_of(release.id);
  if (!window) {
    return done(without_window(HoldReply::Kind::kNoop, "there is no window " + in_quotes(release.id)));
  }
  auto& record = window->record;
  if (!record.is_live()) return answer(*window, HoldReply::Kind::kNoop, "the window has ended already", done);
  if (record.state == HoldState::kReleasing) {
    return answer(*window, HoldReply::Kind::kNoop, "the window is being released already", done);
  }
  const std::string action = release.result == HoldResult::kAborted ? "abort" : "release";
  const HoldClaim claim{HoldClaim::Kind::kExplicit, release.id};
  if (record.claim(claim.kind, claim.key) && record.claims.size() > 1) {
    std::erase(record.claims, claim);
    store(*window, release.who, action, record.state);
    std::string why = "others hold the site still:";
    for (const auto& other : record.claims) why += ' ' + std::string(to_string(other.kind));
    return answer(*window, HoldReply::Kind::kChanged, why, done);
  }
  let_go(*window, release.result, release.who, action);
  answer(*window, HoldReply::Kind::kChanged, {}, done);
}

// Moves the site first, if nobody has changed the table meanwhile; then lets its requests go.
void HoldRegistry::retarget(HoldRelease release, const Done& done) {
  auto* const window = window_of(release.id);
  if (!window || !window->record.is_live() || window->record.state == HoldState::kReleasing) {
    return release_here(release, done);
  }
  if (window->record.scope.is_server && !release.server.empty()) {
    return answer(*window, HoldReply::Kind::kConflict, "the window is of a server: move its sites by themselves", done);
  }
  Write write;
  write.who = release.who;
  write.action = "release hold " + window->record.id;
  write.plan = [names = window->record.scope.names(), release](const Tip& tip) {
    Plan plan;
    plan.is_conflict = release.if_revision && *release.if_revision != tip.snapshot->revision();
    if (plan.is_conflict || release.server.empty()) return plan;
    if (!tip.snapshot->server(release.server))
      plan.faults.add("server", "there is no server " + in_quotes(release.server));
    for (const auto& name : names) {
      auto site = tip.snapshot->site(name);
      if (!site || site->server == release.server) continue;
      site->server = release.server;
      plan.changes.push_back(put(name, *site));
    }
    return plan;
  };
  ports_.submit(std::move(write), [this, release = std::move(release), done](const Outcome& outcome) mutable {
    post([this, release = std::move(release), done, kind = outcome.kind,
          fault = outcome.faults.empty() ? std::string() : outcome.faults.kept().front().message] {
      auto* const held = window_of(release.id);
      const auto refuse = [&](HoldReply::Kind as, const std::string& why) {
        if (held) return answer(*held, as, why, done);
        done(without_window(as, why));
      };
      if (kind == Outcome::Kind::kConflict) {
        return refuse(HoldReply::Kind::kConflict, "the table has changed since that revision: nothing was done");
      }
      if (kind == Outcome::Kind::kInvalid) return refuse(HoldReply::Kind::kConflict, fault + ": nothing was done");
      if (kind == Outcome::Kind::kNotStored) {
        return refuse(HoldReply::Kind::kNotStored, "the move cannot be kept on disk: nothing was done");
      }
      release_here(release, done);
    });
  });
}

// The last claim has ended. What frees always acts, whether or not the disk takes it: so those who wait go first, and
// the answer comes when it is on disk.
void HoldRegistry::let_go(Window& window, HoldResult result, const std::string& who, const std::string& action) {
  auto& record = window.record;
  const auto before = record.state;
  if (!record.release(result)) return;
  window.again_at = window.drain_until = 0;
  if (result == HoldResult::kAborted && !record.scope.is_server) {
    go_back(record, who);
  } else {
    publish_release(record.id);
  }
  store(window, who, action, before);
  schedule(window);
  look_at_live();
  tell_drained(window);
}

// An aborted move: to where the site was, and then they go.
void HoldRegistry::go_back(const HoldRecord& record, const std::string& who) {
  Write write;
  write.who = who;
  write.action = "abort hold " + record.id;
  write.plan = [servers = record.servers](const Tip& tip) {
    Plan plan;
    for (const auto& [name, server] : servers) {
      auto site = tip.snapshot->site(name);
      if (!site || site->server == server || !tip.snapshot->server(server)) continue;
      site->server = server;
      plan.changes.push_back(put(name, *site));
    }
    return plan;
  };
  ports_.submit(std::move(write),
                [this, id = record.id](const Outcome&) { post([this, id] { publish_release(id); }); });
}

void HoldRegistry::publish_release(const std::string& id) {
  auto* const window = find(id);
  if (window && window->record.state == HoldState::kReleasing) publish(*window, [] {});
}

// --- Answers

HoldReply HoldRegistry::reply_of(const Window& window, HoldReply::Kind kind, std::string why) const {
  HoldReply reply;
  reply.kind = kind;
  reply.why = std::move(why);
  reply.durable = window.is_durable;
  reply.record = window.record;
  reply.counts = ports_.workers.counts(window.record.id).value_or(LiveHolds::Counts{});
  return reply;
}

void HoldRegistry::answer(const Window& window, HoldReply::Kind kind, std::string why, const Done& done) {
  auto reply = reply_of(window, kind, std::move(why));
  if (!window.record.is_closed() || reply.counts.in_flight == 0) return done(reply);
  ports_.workers.stragglers(window.record.id, kShownStragglers,
                            [this, reply = std::move(reply), done](std::vector<Straggler> found) mutable {
                              // Of a process that ends, how many there are is known only now.
                              const auto listed = static_cast<std::int64_t>(found.size());
                              reply.counts.in_flight = std::max(reply.counts.in_flight, listed);
                              reply.stragglers = std::move(found);
                              post([reply = std::move(reply), done] { done(reply); });
                            });
}

}  // namespace hybridge
