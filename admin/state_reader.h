// The state on disk, its read side: a read-only connection beside the Store's, for the boot, for certificates at their
// first use, for tokens and for the API.
//
// Any thread; calls wait for each other (a read takes microseconds, the boot's a fraction of a second). Sees what was
// committed last. A record that cannot be right is left out and told: the rest serves.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/database.h"
#include "admin/key_vault.h"
#include "admin/records.h"
#include "routing/fault.h"
#include "routing/snapshot.h"
#include "tls/certificate_table.h"

namespace hybridge {

// What there is to serve from.
struct LoadedState {
  Snapshot snapshot;
  CertificateTable certificates;
  std::uint64_t revision = 0;  // of the last write of any kind
  Faults quarantined;          // records that were left out, and why
};

class StateReader {
 public:
  // kIo: there is no state (Store::open() makes it), or it cannot be read; kInvalid, kConflict: as Store::open().
  static Result<std::unique_ptr<StateReader>> open(const std::string& state_dir);
  // The same while an older process still has the state. Where its schema is older, a copy is brought up to date and
  // read, beside it: the rehearsal of what Store::open() will do, after which reopen() reads the state itself.
  static Result<std::unique_ptr<StateReader>> open_beside_older(const std::string& state_dir);
  Result<void> reopen();
  bool reads_copy() const { return is_copy_; }

  // Private keys that are stored encrypted can be read from now on.
  Result<void> use_vault(const std::string& key_file);

  Result<LoadedState> load();

  // kNotFound: none is stored under that name.
  Result<PemPairs> pairs(std::string_view host);
  Result<CertificateFacts> certificate(std::string_view host);
  // By name, after the given one; `limit` at most.
  Result<std::vector<CertificateFacts>> certificates(std::string_view after, std::size_t limit);

  Result<std::vector<TokenRecord>> tokens();
  // Newest first; `before`: only those with a smaller id.
  Result<std::vector<AuditRecord>> audit(std::size_t limit, std::int64_t before = INT64_MAX);
  // Oldest first: the writes that made later revisions.
  Result<std::vector<AuditRecord>> audit_behind(std::uint64_t revision, std::size_t limit);
  // Jobs of the press API that are still kept; those that are not there are left out.
  Result<std::vector<JobRecord>> jobs(std::span<const std::int64_t> ids);
  Result<std::vector<JobRecord>> jobs(std::span<const std::string> agent_job_ids);
  Result<std::vector<JobRecord>> newest_jobs(std::size_t limit);
  Result<std::optional<ReceiptRecord>> receipt(std::string_view who, std::string_view key);
  Result<std::int64_t> highest_job();  // that there is, or that is reserved; 0: there was none
  // kNotFound: there is none of that name.
  Result<std::string> secret(std::string_view name);
  // One consistent copy of everything into a new file, whoever writes meanwhile. kConflict: the file is there; kIo.
  Result<void> back_up(const std::string& file);
  Result<void> check_integrity();  // of every page: seconds for a large state
  // Another number whenever any other connection has committed something.
  Result<std::int64_t> data_version();

 private:
  explicit StateReader(std::string state_dir) : state_dir_(std::move(state_dir)) {}

  Result<void> read_from(const std::string& file);
  Result<void> load_routing(LoadedState& state);
  Result<void> load_certificates(LoadedState& state);
  Result<std::string> plain_key(std::string_view host, std::int64_t position, std::string_view stored) const;
  static Result<std::vector<AuditRecord>> take_audit(Statement& rows);
  Result<void> add_jobs(Statement& rows, std::vector<JobRecord>& jobs);
  static CertificateFacts facts_of(const Statement& row);

  const std::string state_dir_;
  bool is_copy_ = false;  // what is read is the rehearsal's
  std::mutex mutex_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<const KeyVault> vault_;  // null: none
  Statement pairs_;
  Statement certificate_;
  Statement certificates_;
  Statement data_version_;
};

}  // namespace hybridge
