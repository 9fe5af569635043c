#include "admin/publisher.h"

#include <chrono>

#include "admin/unix_time.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
// Of one write, as many records are noted in the audit with their values.
constexpr std::size_t kAuditedChanges = 50;

// What a write is answered with when there is nothing more to say.
std::string revision_answer(std::uint64_t revision) {
  return "{\"revision\":" + std::to_string(revision) + "}\n";
}

Tip applied(const Tip& tip, const Plan& plan, std::uint64_t revision) {
  Tip after = tip;
  if (!plan.changes.empty()) {
    after.snapshot = std::make_shared<const Snapshot>(apply(*tip.snapshot, plan.changes, revision));
  }
  if (!plan.certificates.empty() || !plan.removed_certificates.empty()) {
    CertificateTable::Builder builder(*tip.certificates);
    for (const auto& host : plan.removed_certificates) builder.erase(host);
    for (const auto& record : plan.certificates) {
      auto entry = table_entry(record.facts);
      entry.version = revision;
      builder.set(record.facts.host, std::move(entry));
    }
    after.certificates = std::make_shared<const CertificateTable>(std::move(builder).build());
  }
  return after;
}
}  // namespace

// Writes that wait for the workers to take up what was handed to them together.
struct Publisher::Awaited {
  std::vector<Planned> batch;
  std::uint64_t revision = 0;
  std::size_t tables = 0;  // not yet with every worker
  TimePoint begun;
  bool is_answered = false;
};

Publisher::Publisher(Executor& executor, Store& store, LiveTables& workers, const LoadedState& state,
                     Observer* observer, Duration patience)
    : executor_(executor),
      store_(store),
      workers_(workers),
      observer_(observer),
      patience_(patience),
      tip_{std::make_shared<const Snapshot>(state.snapshot),
           std::make_shared<const CertificateTable>(state.certificates)},
      revision_(state.revision) {}

Tip Publisher::tip() const {
  const std::lock_guard lock(mutex_);
  return tip_;
}

void Publisher::submit(Write write, Done done) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = submitted_.empty();
    submitted_.push_back({std::move(write), std::move(done)});
  }
  // Whoever comes before that runs is in the same batch.
  if (is_first) executor_.post([this] { run_submitted(); });
}

void Publisher::submit(Chore chore) {
  {
    const std::lock_guard lock(mutex_);
    chores_.push_back(std::move(chore));
  }
  executor_.post([this] { run_submitted(); });
}

void Publisher::publish_loaded(std::function<void()> done) {
  executor_.post([this, done = std::move(done)]() mutable {
    auto awaited = std::make_shared<Awaited>();
    awaited->revision = revision_;
    awaited->tables = 2;
    awaited->begun = Clock::now();
    if (done) {
      Planned told;
      told.submitted.done = [done = std::move(done)](const Outcome&) { done(); };
      awaited->batch.push_back(std::move(told));
    }
    const auto ready = [this, awaited] { executor_.post([this, awaited] { acknowledged(awaited); }); };
    const auto now = tip();
    workers_.publish(now.certificates, ready);
    workers_.publish(now.snapshot, ready);
  });
}

void Publisher::run_submitted() {
  std::vector<Submitted> batch;
  std::vector<Chore> chores;
  std::optional<Error> refusal;
  {
    const std::lock_guard lock(mutex_);
    if (is_paused_ && !retired_) return;
    batch.swap(submitted_);
    chores.swap(chores_);
    refusal = retired_;
  }
  for (const auto& chore : chores) chore(refusal ? nullptr : &store_);
  if (!refusal) return process(std::move(batch));
  Outcome outcome;
  outcome.kind = Outcome::Kind::kNotStored;
  outcome.error = *refusal;
  outcome.tip = tip();
  outcome.revision = revision_;
  for (auto& submitted : batch) submitted.done(outcome);
}

void Publisher::pause(std::function<void()> done) {
  executor_.post([this, done = std::move(done)] {
    run_submitted();
    {
      const std::lock_guard lock(mutex_);
      is_paused_ = true;
    }
    done();
  });
}

void Publisher::resume() {
  executor_.post([this] {
    {
      const std::lock_guard lock(mutex_);
      is_paused_ = false;
    }
    run_submitted();
  });
}

void Publisher::retire(const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    retired_ = why;
  }
  executor_.post([this] { run_submitted(); });
}

void Publisher::follow(std::vector<Change> changes, std::uint64_t revision, std::function<void()> done) {
  executor_.post([this, changes = std::move(changes), revision, done = std::move(done)] {
    const auto before = tip();
    {
      const std::lock_guard lock(mutex_);
      tip_.snapshot = std::make_shared<const Snapshot>(apply(*before.snapshot, changes, revision));
    }
    revision_ = revision;
    std::vector<Planned> batch(1);
    batch.front().submitted.done = [done](const Outcome& outcome) {
      if (outcome.live) done();
    };
    publish(std::move(batch), before);
  });
}

void Publisher::process(std::vector<Submitted> batch) {
  auto after = tip();
  auto revision = revision_.load();
  std::vector<Planned> planned;
  for (auto& submitted : batch) {
    auto plan = submitted.write.plan(after);
    auto outcome = judge(submitted.write, plan, after, revision + 1);
    // What the writes before it bring about is acknowledged with them, not earlier.
    const bool follows = outcome.kind == Outcome::Kind::kUnchanged && !planned.empty();
    if (!follows && (outcome.kind != Outcome::Kind::kAccepted || outcome.dry_run)) {
      submitted.done(outcome);
      continue;
    }
    Planned one;
    if (!follows) {
      one.stored.revision = ++revision;
      one.stored.audit = audit(submitted.write, plan, after, revision);
      one.stored.changes = std::move(plan.changes);
      one.stored.certificates = std::move(plan.certificates);
      one.stored.removed_certificates = std::move(plan.removed_certificates);
      one.stored.jobs = std::move(plan.jobs);
      for (auto& job : one.stored.jobs) job.revision = revision;
      one.stored.secrets = std::move(plan.secrets);
      if (const auto& receipt = submitted.write.receipt) {
        receipt->record.body = revision_answer(revision);
        one.stored.receipts = {receipt->record};
      }
      if (observer_) observer_->on_planned(one.stored, *after.snapshot);
      after = outcome.tip;
    }
    outcome.revision = revision;
    one.outcome = std::move(outcome);
    one.submitted = std::move(submitted);
    planned.push_back(std::move(one));
  }
  if (planned.empty()) return;
  const auto persisted = persist(planned);
  if (persisted) return accept(std::move(planned), after, revision, true);
  if (observer_) observer_->on_store_failed(persisted.error());
  refuse(std::move(planned), persisted.error());
}

// What the plan comes to.
Outcome Publisher::judge(const Write& write, Plan& plan, const Tip& tip, std::uint64_t revision) const {
  Outcome outcome;
  outcome.dry_run = write.dry_run;
  outcome.revision = revision_;
  outcome.tip = tip;
  if (plan.is_conflict) {
    outcome.kind = Outcome::Kind::kConflict;
    return outcome;
  }
  if (plan.faults.empty() && plan.changes_nothing()) {
    outcome.kind = Outcome::Kind::kUnchanged;
    outcome.live = live_ == revision_;
    return outcome;
  }
  if (plan.faults.empty()) {
    auto after = applied(tip, plan, revision);
    if (!plan.changes.empty()) find_faults_after(*after.snapshot, plan.changes, plan.faults);
    if (plan.faults.empty() && !write.dry_run) outcome.tip = std::move(after);
  }
  if (!plan.faults.empty()) {
    outcome.kind = Outcome::Kind::kInvalid;
    outcome.faults = std::move(plan.faults);
    return outcome;
  }
  for (const auto& change : plan.changes) ++(change.is_deletion() ? outcome.deletions : outcome.puts);
  outcome.puts += plan.certificates.size();
  outcome.deletions += plan.removed_certificates.size();
  return outcome;
}

Result<void> Publisher::persist(const std::vector<Planned>& batch) {
  auto writes = owed_;
  for (const auto& planned : batch) {
    if (planned.stored.revision != 0) writes.push_back(planned.stored);
  }
  return store_.commit(writes);
}

void Publisher::refuse(std::vector<Planned> batch, const Error& error) {
  if (batch.size() > 1) {
    // Not all of them may be to blame: each for itself, against the tables as they are without the rest.
    for (auto& planned : batch) {
      std::vector<Submitted> alone;
      alone.push_back(std::move(planned.submitted));
      process(std::move(alone));
    }
    return;
  }
  auto& planned = batch.front();
  auto& outcome = planned.outcome;
  if (planned.submitted.write.frees) {
    const auto after = outcome.tip;
    const auto revision = planned.stored.revision;
    return accept(std::move(batch), after, revision, false);
  }
  outcome.kind = Outcome::Kind::kNotStored;
  outcome.error = error;
  outcome.tip = tip();
  outcome.revision = revision_;
  planned.submitted.done(outcome);
}

void Publisher::accept(std::vector<Planned> batch, const Tip& after, std::uint64_t revision, bool durable) {
  Tip before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(tip_, after);
  }
  revision_ = revision;
  if (durable) {
    owed_.clear();
    for (const auto& planned : batch) {
      if (!planned.stored.receipts.empty()) planned.submitted.write.receipt->is_stored = true;
    }
  } else {
    owed_.push_back(batch.front().stored);
    batch.front().outcome.durable = false;
  }
  publish(std::move(batch), before);
}

void Publisher::publish(std::vector<Planned> batch, const Tip& before) {
  const auto now = tip();
  auto awaited = std::make_shared<Awaited>();
  awaited->revision = revision_;
  awaited->batch = std::move(batch);
  awaited->begun = Clock::now();
  const bool new_certificates = now.certificates != before.certificates;
  // What changes no table is live when all before it is: the same table comes behind.
  const bool new_snapshot = now.snapshot != before.snapshot || !new_certificates;
  awaited->tables = (new_certificates ? 1 : 0) + (new_snapshot ? 1 : 0);
  const auto ready = [this, awaited] { executor_.post([this, awaited] { acknowledged(awaited); }); };
  // A new host's certificate is there before the host is.
  if (new_certificates) workers_.publish(now.certificates, ready);
  if (new_snapshot) workers_.publish(now.snapshot, ready);
  executor_.post_after(patience_, [this, awaited] { answer(*awaited, false); });
}

void Publisher::acknowledged(const std::shared_ptr<Awaited>& awaited) {
  if (--awaited->tables != 0) return;
  if (awaited->revision > live_) live_ = awaited->revision;
  has_published_ = true;
  if (observer_) observer_->on_published(awaited->revision, Clock::now() - awaited->begun);
  answer(*awaited, true);
}

void Publisher::answer(Awaited& awaited, bool live) {
  if (std::exchange(awaited.is_answered, true)) return;
  for (auto& planned : awaited.batch) {
    planned.outcome.live = live;
    if (observer_ && planned.stored.revision != 0) observer_->on_written(planned.stored, live);
    planned.submitted.done(planned.outcome);
  }
  awaited.batch.clear();
}

AuditRecord Publisher::audit(const Write& write, const Plan& plan, const Tip& before, std::uint64_t revision) const {
  AuditRecord record{0, unix_microseconds() / 1000, revision, write.who, write.action, {}};
  auto& detail = record.detail;
  detail = "{\"changes\":[";
  std::size_t noted = 0;
  const auto begin = [&](std::string_view kind, std::string_view name) {
    if (noted++ != 0) detail += ',';
    detail.append("{\"kind\":\"").append(kind).append("\",\"name\":");
    append_json_string(detail, name);
  };
  for (const auto& change : plan.changes) {
    if (noted == kAuditedChanges) break;
    begin(to_string(change.kind), change.name);
    if (const auto was = value_of(*before.snapshot, change.kind, change.name)) detail += ",\"before\":" + *was;
    if (const auto is = value_of(change)) detail += ",\"after\":" + *is;
    detail += '}';
  }
  for (const auto& certificate : plan.certificates) {
    if (noted == kAuditedChanges) break;
    begin("certificate", certificate.facts.host);
    detail += ",\"after\":{\"fingerprint\":\"" + certificate.facts.fingerprint + "\"}}";
  }
  for (const auto& host : plan.removed_certificates) {
    if (noted == kAuditedChanges) break;
    begin("certificate", host);
    detail += '}';
  }
  const auto all = plan.changes.size() + plan.certificates.size() + plan.removed_certificates.size();
  detail += "],\"count\":" + std::to_string(all) + "}";
  return record;
}

}  // namespace hybridge
