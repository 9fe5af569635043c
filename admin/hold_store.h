// Windows on disk: each transition, and its line in the audit, in one synced transaction of the state store, before
// anybody is told of it. A torn write is none: SQLite's log rolls it back; a record that is not as it was written is
// told and left out.
//
// A connection of its own, so that a large change of the table keeps no window waiting for longer than its commit.
// One thread: the registry's.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "admin/database.h"
#include "admin/hold_record.h"
#include "admin/records.h"

namespace hybridge {

class HoldStore {
 public:
  // Behind Store::open(), which brings the schema up to date.
  static Result<std::unique_ptr<HoldStore>> open(const std::string& state_dir);

  struct Loaded {
    std::vector<HoldRecord> records;   // the live ones, and those that ended lately
    std::vector<std::string> damaged;  // what was left out, and why
  };
  Result<Loaded> load();

  // All of it or nothing. kIo: the disk is full, or fails.
  Result<void> put(std::span<const HoldRecord> records, std::span<const AuditRecord> audit);
  // The live ones, for who only looks; whether or not a process runs.
  static Result<std::vector<HoldRecord>> read_live(const std::string& state_dir);
  Result<void> forget_ended_before(std::int64_t unix_milliseconds);

  // Sites that are the same to their users, by the one that the others belong to. None: that is forgotten.
  using Groups = std::map<std::string, std::vector<std::string>, std::less<>>;
  Result<Groups> load_groups();
  Result<void> put_group(const std::string& site, const std::vector<std::string>& others);

  Database& database() { return *database_; }

 private:
  HoldStore() = default;

  std::unique_ptr<Database> database_;
  Statement put_;
  Statement put_audit_;
  Statement forget_;
  Statement put_group_;
  Statement delete_group_;
};

}  // namespace hybridge
