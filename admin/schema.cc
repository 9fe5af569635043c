#include "admin/schema.h"

namespace hybridge {

namespace {
constexpr std::int64_t kApplication = 0x48796272;  // "Hybr"

// Routing records are single rows, so that a change writes what changed. A certificate's facts are apart from its
// pairs, so that the index of 100,000 is read without touching a key.
constexpr const char* kTables = R"(
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE servers (name TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE sites (name TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE hosts (name TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE certificates (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, covers INTEGER NOT NULL, names TEXT NOT NULL,
    key_types TEXT NOT NULL, fingerprint TEXT NOT NULL, issuer TEXT NOT NULL,
    not_before INTEGER NOT NULL, not_after INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE certificate_pairs (
    name TEXT NOT NULL, position INTEGER NOT NULL, chain TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (name, position));
  CREATE TABLE tokens (name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BLOB NOT NULL, created INTEGER NOT NULL)
    WITHOUT ROWID;
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, revision INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
    detail TEXT NOT NULL);
)";
}  // namespace

std::string state_file(const std::string& state_dir) {
  return state_dir + "/state.db";
}

Result<void> prepare_schema(Database& database) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  const auto tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  const auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  if (*tables != 0 || *version != 0) return check_schema(database);
  if (auto made = database.execute(kTables); !made) return made;
  const auto stamp = "PRAGMA application_id = " + std::to_string(kApplication) +
                     "; PRAGMA user_version = " + std::to_string(kSchemaVersion);
  if (auto stamped = database.execute(stamp.c_str()); !stamped) return stamped;
  return transaction->commit();
}

Result<void> check_schema(Database& database) {
  const auto application = database.number("PRAGMA application_id");
  if (!application) return application.error();
  if (*application != kApplication) {
    return make_error(Reason::kInvalid, database.path() + " is an SQLite database, but not Hybridge's");
  }
  const auto version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  if (*version > kSchemaVersion) {
    return make_error(Reason::kConflict, database.path() + " has schema version " + std::to_string(*version) +
                                             ", this hybridge knows " + std::to_string(kSchemaVersion) +
                                             ": run the newer hybridge, or restore a backup made before it");
  }
  return {};
}

}  // namespace hybridge
