#include "admin/schema.h"

#include <array>

namespace hybridge {

namespace {
constexpr std::int64_t kApplication = 0x48796272;  // "Hybr"

// Routing records are single rows, so that a change writes what changed. A certificate's facts are apart from its
// pairs, so that the index of 100,000 is read without touching a key.
constexpr const char* kVersion1 = R"(
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

constexpr const char* kVersion2 = R"(
  CREATE TABLE rules (name TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, agent_job_id TEXT NOT NULL, name TEXT NOT NULL, failed INTEGER NOT NULL,
    at INTEGER NOT NULL, revision INTEGER NOT NULL, steps TEXT NOT NULL, data TEXT NOT NULL);
  CREATE INDEX jobs_by_agent_job_id ON jobs (agent_job_id) WHERE agent_job_id != '';
  CREATE INDEX jobs_by_time ON jobs (at);
)";

// Whoever follows the events goes on from a revision. Receipts are looked up by key, and forgotten by time.
constexpr const char* kVersion3 = R"(
  CREATE INDEX audit_by_revision ON audit (revision);
  CREATE TABLE receipts (
    who TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL,
    content_type TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (who, key)) WITHOUT ROWID;
  CREATE INDEX receipts_by_time ON receipts (at);
)";

// Windows that hold sites; `ended`: Unix milliseconds, 0 while one is on. `digest`: SHA-512 of the value.
constexpr const char* kVersion4 = R"(
  CREATE TABLE holds (id TEXT PRIMARY KEY, ended INTEGER NOT NULL, value TEXT NOT NULL, digest TEXT NOT NULL)
    WITHOUT ROWID;
)";

// Sites that are the same to their users: those of `others`, a line each, as the control plane said it last.
constexpr const char* kVersion5 = R"(
  CREATE TABLE site_groups (site TEXT PRIMARY KEY, others TEXT NOT NULL) WITHOUT ROWID;
)";

// Lines that no write of the table made have its revision, too: 1 in `is_of_hold`. They had none before.
constexpr const char* kVersion6 = R"(
  ALTER TABLE audit ADD COLUMN is_of_hold INTEGER NOT NULL DEFAULT 0;
  UPDATE audit SET is_of_hold = 1 WHERE revision = 0;
)";

// When a job's steps began and ended: a number a line.
constexpr const char* kVersion7 = R"(
  ALTER TABLE jobs ADD COLUMN times TEXT NOT NULL DEFAULT '';
)";

// Each makes its version of the one before. What was released is never edited: a step is added.
constexpr std::array<const char*, kSchemaVersion> kSteps = {kVersion1, kVersion2, kVersion3, kVersion4,
                                                            kVersion5, kVersion6, kVersion7};

Result<std::int64_t> version_of(Database& database) {
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
  return *version;
}
}  // namespace

std::string state_file(const std::string& state_dir) {
  return state_dir + "/state.db";
}

Result<void> prepare_schema(Database& database) {
  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  const auto tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  const auto stamp = database.number("PRAGMA user_version");
  if (!stamp) return stamp.error();
  std::int64_t version = 0;
  if (*tables != 0 || *stamp != 0) {
    const auto known = version_of(database);
    if (!known) return known.error();
    version = *known;
  }
  if (version == kSchemaVersion) return {};
  for (auto step = version; step < kSchemaVersion; ++step) {
    if (auto made = database.execute(kSteps[static_cast<std::size_t>(step)]); !made) return made;
  }
  const auto stamps = "PRAGMA application_id = " + std::to_string(kApplication) +
                      "; PRAGMA user_version = " + std::to_string(kSchemaVersion);
  if (auto stamped = database.execute(stamps.c_str()); !stamped) return stamped;
  return transaction->commit();
}

Result<bool> is_current_schema(Database& database) {
  const auto version = version_of(database);
  if (!version) return version.error();
  return *version == kSchemaVersion;
}

Result<void> check_schema(Database& database) {
  const auto version = version_of(database);
  if (!version) return version.error();
  if (*version == kSchemaVersion) return {};
  return make_error(Reason::kConflict, database.path() + " has the older schema version " + std::to_string(*version) +
                                           ": `hybridge run` brings it up to date");
}

}  // namespace hybridge
