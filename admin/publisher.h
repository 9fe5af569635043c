// The only door by which the tables change: plan against the newest tables → persist → hand to every worker → answer
// when all of them serve by it.
//
// Any thread submits; everything else happens on the Publisher's executor, which has one thread, so that no two writers
// ever lose each other's change. Writes that came in together share one commit. A write that is durable but that some
// worker has not taken up within 2 s is answered as not yet live; nothing is taken back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "admin/executor.h"
#include "admin/records.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "proxy/live_tables.h"

namespace hybridge {

// The newest accepted tables; what is planned against.
struct Tip {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const CertificateTable> certificates;
};

// What a write wants, seen from the newest tables.
struct Plan {
  bool is_conflict = false;  // the tables are not those the writer knew: nothing is done
  Faults faults;             // it cannot be right: nothing is done
  std::vector<Change> changes;
  std::vector<CertificateRecord> certificates;
  std::vector<std::string> removed_certificates;
  std::vector<JobRecord> jobs;                               // stored with the rest, or alone
  std::vector<std::pair<std::string, std::string>> secrets;  // of the store, by name

  bool changes_tables() const { return !changes.empty() || !certificates.empty() || !removed_certificates.empty(); }
  bool changes_nothing() const { return !changes_tables() && jobs.empty() && secrets.empty(); }
};

// Of a call under an Idempotency-Key: stored with the write, with the answer that the write most likely gets.
struct Receipt {
  ReceiptRecord record;
  bool is_stored = false;  // as it is here; told before the write's `done`
};

struct Write {
  std::function<Plan(const Tip&)> plan;  // on the Publisher's thread; must not block for long
  std::string who;
  std::string action;                // `PUT /v1/snapshot`
  bool dry_run = false;              // plan and check, and leave it at that
  std::shared_ptr<Receipt> receipt;  // may be null
  bool frees = false;  // takes away only: is served even when it cannot be stored (then stored with the next)
};

struct Outcome {
  enum class Kind : std::uint8_t {
    kAccepted,
    kUnchanged,  // the tables are so already
    kConflict,
    kInvalid,
    kNotStored,
  };
  Kind kind = Kind::kAccepted;
  std::uint64_t revision = 0;  // of the write; of the newest tables when nothing was written
  bool live = true;            // every worker serves by it
  bool durable = true;         // false: only for writes that free
  bool dry_run = false;
  Faults faults;         // of kInvalid
  Error error;           // of kNotStored
  Tip tip;               // as they are now
  std::size_t puts = 0;  // records and certificates
  std::size_t deletions = 0;
};

class Publisher {
 public:
  using Done = std::function<void(const Outcome&)>;

  // What happened, for metrics and logs; on the Publisher's thread.
  struct Observer {
    virtual void on_published(std::uint64_t revision, Duration took) = 0;  // all workers have it
    // A write is accepted, and about to be stored: the workers are not handed what it makes of the table before this
    // returns. One that cannot be stored with others comes again by itself.
    virtual void on_planned(const StoreWrite&, const Snapshot& /*before*/) {}
    // A write is about to be answered; in the order of their revisions.
    virtual void on_written(const StoreWrite& write, bool live) = 0;
    virtual void on_store_failed(const Error& error) = 0;

   protected:
    ~Observer() = default;
  };

  static constexpr std::chrono::seconds kPatience{2};

  // Executor, store, workers and observer (may be null) outlive the Publisher; the executor is stopped before it goes.
  Publisher(Executor& executor, Store& store, LiveTables& workers, const LoadedState& state,
            Observer* observer = nullptr, Duration patience = kPatience);
  Publisher(const Publisher&) = delete;

  // `done` is called once, on the Publisher's thread.
  void submit(Write write, Done done);

  // Work on the store that is no write of the tables, once, on the Publisher's thread: when this process may write,
  // which during a handover it may not. Null: it no longer may.
  using Chore = std::function<void(Store*)>;
  void submit(Chore chore);

  // Hands the tables that were loaded to the workers; `done` (may be empty) when all have them.
  void publish_loaded(std::function<void()> done);

  // Writes wait from now on; `done` is called, on the Publisher's thread, when those before are stored.
  void pause(std::function<void()> done);
  void resume();
  // After pause(): this process writes no more, and says so to whoever wants it to.
  void retire(const Error& why);
  // What the process that has the store now has made of the table: served here too, for requests that still end here.
  // `done` is called when every worker serves by it.
  void follow(std::vector<Change> changes, std::uint64_t revision, std::function<void()> done);

  Tip tip() const;                                       // any thread
  std::uint64_t revision() const { return revision_; }   // of the last write of any kind; any thread
  std::uint64_t live_revision() const { return live_; }  // the newest that every worker serves by; any thread
  bool has_published() const { return has_published_; }  // the workers have tables to serve by; any thread

 private:
  struct Submitted {
    Write write;
    Done done;
  };
  struct Planned {
    Submitted submitted;
    Outcome outcome;
    StoreWrite stored;  // of no revision: the writes before it in the batch do all that it wants
  };
  struct Awaited;

  void run_submitted();
  void process(std::vector<Submitted> batch);
  Outcome judge(const Write& write, Plan& plan, const Tip& tip, std::uint64_t revision) const;
  Result<void> persist(const std::vector<Planned>& batch);
  void refuse(std::vector<Planned> batch, const Error& error);
  void accept(std::vector<Planned> batch, const Tip& tip, std::uint64_t revision, bool durable);
  void publish(std::vector<Planned> batch, const Tip& before);
  void acknowledged(const std::shared_ptr<Awaited>& awaited);
  void answer(Awaited& awaited, bool live);
  AuditRecord audit(const Write& write, const Plan& plan, const Tip& before, std::uint64_t revision) const;

  Executor& executor_;
  Store& store_;
  LiveTables& workers_;
  Observer* const observer_;
  const Duration patience_;

  mutable std::mutex mutex_;  // of what stands here
  Tip tip_;
  std::vector<Submitted> submitted_;
  std::vector<Chore> chores_;
  bool is_paused_ = false;
  std::optional<Error> retired_;

  std::atomic<std::uint64_t> revision_;
  std::atomic<std::uint64_t> live_{0};
  std::atomic<bool> has_published_{false};
  // Served but not stored: goes first into the next commit.
  std::vector<StoreWrite> owed_;
};

}  // namespace hybridge
