// The state on disk, its write side: what was acknowledged is here, whatever happens to the process or the power.
//
// SQLite in `<state_dir>/state.db`, write-ahead log, synced at each commit, mode 0600. One process serves from a store
// at a time (Access::kServe takes its lock); commands change tokens beside it (Access::kCommand). One thread at a time:
// the Publisher's. Reading is StateReader's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/database.h"
#include "admin/key_vault.h"
#include "admin/records.h"
#include "base/descriptor.h"

namespace hybridge {

class Store {
 public:
  enum class Access { kServe, kCommand };

  // Makes the directory and the database where they are missing. A damaged one is salvaged by kServe, if nobody handed
  // the lock down. kConflict: another process serves from it, or a newer hybridge made it; kInvalid: no store, or
  // damaged; kIo.
  // `lock`: as lock_descriptor() of the process that this one takes over from; the store is never without its lock.
  static Result<std::unique_ptr<Store>> open(const std::string& state_dir, Access access, Descriptor lock = {});
  ~Store();
  Store(const Store&) = delete;

  // Private keys are encrypted from now on, those that are stored too; "": they are not, and none is.
  Result<void> use_vault(const std::string& key_file);

  // All writes in one transaction: on disk when it succeeds; else nothing of them is. kIo: the disk is full, or fails.
  Result<void> commit(std::span<const StoreWrite> writes);

  Result<void> add_token(const TokenRecord& token);  // kConflict: the name is taken
  Result<bool> remove_token(std::string_view name);  // false: there is none
  // The oldest, `most` at most; how many it was. Of jobs the newest stays, so that ids grow.
  Result<std::size_t> forget_audit_before(std::int64_t unix_milliseconds, std::size_t most);
  Result<std::size_t> forget_jobs_before(std::int64_t unix_microseconds, std::size_t most);
  Result<std::size_t> forget_receipts_before(std::int64_t unix_seconds, std::size_t most);
  Result<void> put_receipt(const ReceiptRecord& receipt);
  Result<void> reserve_jobs(std::int64_t highest);  // new jobs count on from here
  Result<void> put_secret(std::string_view name, std::string_view value);

  Database& database() { return *database_; }
  int lock_descriptor() const { return lock_.descriptor(); }  // for the process that takes over
  void leave_lock() { lock_.leave(); }  // it has it: this one writes no more, and does not hold it up when it ends

 private:
  Store() = default;

  Result<void> open_database(const std::string& path);
  Result<void> salvage_and_open(const std::string& state_dir, const Error& damage);
  Result<void> prepare();
  Result<void> commit_all(std::span<const StoreWrite> writes);
  Result<void> write(const StoreWrite& write);
  Result<void> write_change(const Change& change, std::uint64_t revision);
  Result<void> write_certificate(const CertificateRecord& certificate, std::uint64_t revision);
  Result<void> remove_certificate(std::string_view host);
  Result<void> write_job(const JobRecord& job);
  Result<std::size_t> forget(std::string_view sql, std::int64_t before, std::size_t most);
  Result<void> write_revision(const StoreWrite& write);

  class Lock {
   public:
    Result<void> take(const std::string& state_dir, Descriptor inherited);
    int descriptor() const { return descriptor_.get(); }
    void leave() { descriptor_ = Descriptor(); }

   private:
    Descriptor descriptor_;
  };

  std::string state_dir_;
  Lock lock_;  // goes last: until then nobody else may write
  std::unique_ptr<Database> database_;
  std::shared_ptr<const KeyVault> vault_;  // null: none
  Statement put_[4];                       // by Change::Kind
  Statement delete_[4];                    // by Change::Kind
  Statement put_certificate_;
  Statement put_pair_;
  Statement delete_certificate_;
  Statement delete_pairs_;
  Statement put_meta_;
  Statement put_audit_;
  Statement put_job_;
  Statement put_secret_;
  Statement put_receipt_;
};

}  // namespace hybridge
