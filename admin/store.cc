#include "admin/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "admin/salvage.h"
#include "admin/schema.h"
#include "base/process_log.h"

namespace hybridge {

namespace {
constexpr std::array<const char*, 4> kTables = {"servers", "sites", "hosts", "rules"};  // by Change::Kind

Error failed(const std::string& path, const char* what) {
  return make_error(Reason::kIo, path + ": " + what + ": " + std::strerror(errno));
}

Result<void> make_directory(const std::string& path) {
  if (std::filesystem::is_directory(path)) return {};
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return make_error(Reason::kIo, path + ": cannot be made: " + error.message());
  if (::chmod(path.c_str(), 0700) != 0) return failed(path, "cannot be made private");
  return {};
}

// The file exists, is nobody else's to read, and belongs to whom the directory does: a command that root runs first
// must not lock the service out. SQLite gives its log and index the same mode and owner.
// A file that is there is not opened: closing it would take this process's POSIX locks on it away, also those of the
// connections that SQLite has to it already, and another process that ends would then take the log from under them.
Result<void> make_private_file(const std::string& path, const std::string& directory) {
  const Descriptor made(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made.is_open() && errno != EEXIST) return failed(path, "cannot be made");
  struct stat file {};
  struct stat parent {};
  if (::lstat(path.c_str(), &file) != 0 || ::stat(directory.c_str(), &parent) != 0)
    return failed(path, "cannot be read");
  if (!S_ISREG(file.st_mode)) return make_error(Reason::kIo, path + " is no file");
  bool is_private = (file.st_mode & 0777) == 0600 || ::chmod(path.c_str(), 0600) == 0;
  if (is_private && ::geteuid() == 0 && file.st_uid != parent.st_uid) {
    is_private = ::lchown(path.c_str(), parent.st_uid, parent.st_gid) == 0;
  }
  if (!is_private) return failed(path, "cannot be made private");
  return {};
}

bool is_same_file(int one, int other) {
  struct stat a {};
  struct stat b {};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += '\n';
    out += word;
  }
  return out;
}
}  // namespace

Result<void> Store::Lock::take(const std::string& state_dir, Descriptor inherited) {
  const auto path = state_dir + "/state.lock";
  Descriptor own(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!own.is_open()) return failed(path, "cannot be opened");
  // The lock is one of the open file that both processes have: it is held without a gap.
  descriptor_ = inherited.is_open() && is_same_file(inherited.get(), own.get()) ? std::move(inherited) : std::move(own);
  const int descriptor = descriptor_.get();
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> holder{};
    if (errno != EWOULDBLOCK) return failed(path, "cannot be locked");
    const auto length = ::pread(descriptor, holder.data(), holder.size() - 1, 0);
    const std::string pid(holder.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    return make_error(Reason::kConflict, "the state in " + state_dir + " is in use by another hybridge" +
                                             (pid.empty() ? "" : " (process " + pid + ")") +
                                             ": stop it, or give this one a state_dir of its own");
  }
  const auto pid = std::to_string(::getpid());
  // The number is only for that message.
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    return failed(path, "cannot be written");
  }
  return {};
}

Result<std::unique_ptr<Store>> Store::open(const std::string& state_dir, Access access, Descriptor lock) {
  std::unique_ptr<Store> store(new Store);
  store->state_dir_ = state_dir;
  // Who hands it down still reads from the file.
  const bool may_salvage = access == Access::kServe && !lock.is_open();
  if (auto made = make_directory(state_dir); !made) return made.error();
  if (access == Access::kServe) {
    if (auto taken = store->lock_.take(state_dir, std::move(lock)); !taken) return taken.error();
  }
  const auto path = state_file(state_dir);
  if (auto made = make_private_file(path, state_dir); !made) return made.error();
  if (may_salvage && is_suspected(state_dir)) {
    const auto salvaged = salvage_state(state_dir);
    if (!salvaged) log::error("the state serves as it is, damaged: {}", salvaged.error().detail);
  }
  auto opened = store->open_database(path);
  if (!opened && opened.error().reason == Reason::kInvalid && may_salvage) {
    opened = store->salvage_and_open(state_dir, opened.error());
  }
  if (!opened) return opened.error();
  return store;
}

Result<void> Store::open_database(const std::string& path) {
  auto database = Database::open(path, Database::Access::kReadWrite);
  if (!database) return database.error();
  database_ = std::move(*database);
  return prepare();
}

Result<void> Store::salvage_and_open(const std::string& state_dir, const Error& damage) {
  database_.reset();
  const auto salvaged = salvage_state(state_dir);
  if (salvaged) return open_database(state_file(state_dir));
  if (salvaged.error().detail == damage.detail) return damage;
  return make_error(salvaged.error().reason, damage.detail + "; it cannot be salvaged: " + salvaged.error().detail);
}

Store::~Store() = default;

Result<void> Store::use_vault(const std::string& key_file) {
  auto vault = KeyVault::open_or_make(*database_, key_file);
  if (!vault) return vault.error();
  vault_ = std::move(*vault);
  return {};
}

Result<void> Store::prepare() {
  const auto mode = database_->text("PRAGMA journal_mode = WAL");
  if (!mode) return mode.error();
  if (*mode != "wal") {
    return make_error(Reason::kIo, database_->path() + ": its file system has no room for a write-ahead log");
  }
  // FULL: synced at each commit, so that an acknowledged write survives a power cut. Deleted keys are overwritten.
  if (auto set = database_->execute("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
                                    "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192");
      !set) {
    return set;
  }
  if (auto made = prepare_schema(*database_); !made) return made;
  // The certificates' pairs are too many to be read at each start; a damaged one is found when it is loaded.
  for (const char* table :
       {"meta", "servers", "sites", "hosts", "rules", "certificates", "tokens", "holds", "site_groups"}) {
    const auto sound = database_->text(std::string("PRAGMA quick_check('") + table + "')");
    if (!sound) return sound.error();
    if (*sound != "ok") {
      return make_error(Reason::kInvalid, database_->path() + " is damaged (" + *sound + "): " + std::string(kRestore));
    }
  }
  const auto prepare_into = [&](Statement& into, const std::string& sql) -> Result<void> {
    auto statement = database_->prepare(sql);
    if (!statement) return statement.error();
    into = std::move(*statement);
    return {};
  };
  std::vector<std::pair<Statement*, std::string>> statements = {
      {&put_certificate_, "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&put_pair_, "INSERT INTO certificate_pairs VALUES (?, ?, ?, ?)"},
      {&delete_certificate_, "DELETE FROM certificates WHERE name = ?"},
      {&delete_pairs_, "DELETE FROM certificate_pairs WHERE name = ?"},
      {&put_meta_, "INSERT OR REPLACE INTO meta VALUES (?, ?)"},
      {&put_job_, "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&put_secret_, "INSERT OR REPLACE INTO secrets VALUES (?, ?)"},
      {&put_receipt_, "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)"},
      {&put_audit_, "INSERT INTO audit (at, revision, who, action, detail) VALUES (?, ?, ?, ?, ?)"},
  };
  for (std::size_t kind = 0; kind < kTables.size(); ++kind) {
    const std::string table = kTables[kind];
    statements.emplace_back(&put_[kind], "INSERT OR REPLACE INTO " + table + " VALUES (?, ?, ?)");
    statements.emplace_back(&delete_[kind], "DELETE FROM " + table + " WHERE name = ?");
  }
  for (auto& [statement, sql] : statements) {
    if (auto prepared = prepare_into(*statement, sql); !prepared) return prepared;
  }
  return {};
}

Result<void> Store::commit(std::span<const StoreWrite> writes) {
  auto committed = commit_all(writes);
  if (!committed && committed.error().reason == Reason::kInvalid) suspect_state(state_dir_);
  return committed;
}

Result<void> Store::commit_all(std::span<const StoreWrite> writes) {
  auto transaction = Transaction::begin(*database_);
  if (!transaction) return transaction.error();
  for (const auto& each : writes) {
    if (auto written = write(each); !written) return written;
  }
  return transaction->commit();
}

Result<void> Store::write(const StoreWrite& write) {
  for (const auto& change : write.changes) {
    if (auto written = write_change(change, write.revision); !written) return written;
  }
  for (const auto& host : write.removed_certificates) {
    if (auto removed = remove_certificate(host); !removed) return removed;
  }
  for (const auto& certificate : write.certificates) {
    if (auto written = write_certificate(certificate, write.revision); !written) return written;
  }
  for (const auto& job : write.jobs) {
    if (auto written = write_job(job); !written) return written;
  }
  for (const auto& [name, value] : write.secrets) {
    if (auto written = put_secret_.bind(1, name).bind(2, value).run(); !written) return written;
  }
  for (const auto& receipt : write.receipts) {
    if (auto written = put_receipt(receipt); !written) return written;
  }
  return write_revision(write);
}

Result<void> Store::write_change(const Change& change, std::uint64_t revision) {
  const auto kind = static_cast<std::size_t>(change.kind);
  const auto value = value_of(change);
  if (!value) return delete_[kind].bind(1, change.name).run();
  return put_[kind].bind(1, change.name).bind(2, *value).bind(3, static_cast<std::int64_t>(revision)).run();
}

Result<void> Store::write_certificate(const CertificateRecord& certificate, std::uint64_t revision) {
  const auto& facts = certificate.facts;
  if (auto removed = delete_pairs_.bind(1, facts.host).run(); !removed) return removed;
  const auto names = joined(facts.names);
  const auto key_types = joined(facts.key_types);
  put_certificate_.bind(1, facts.host).bind(2, static_cast<std::int64_t>(revision)).bind(3, facts.covers_host ? 1 : 0);
  put_certificate_.bind(4, names).bind(5, key_types).bind(6, facts.fingerprint).bind(7, facts.issuer);
  put_certificate_.bind(8, facts.not_before).bind(9, facts.not_after);
  if (auto written = put_certificate_.run(); !written) return written;
  for (std::size_t i = 0; i < certificate.pairs.size(); ++i) {
    const auto& pair = certificate.pairs[i];
    const auto position = static_cast<std::int64_t>(i);
    put_pair_.bind(1, facts.host).bind(2, position).bind(3, pair.chain);
    std::string sealed;
    if (vault_) {
      sealed = vault_->seal(pair.key, KeyVault::name_of_pair(facts.host, position));
      put_pair_.bind_blob(4, sealed);
    } else {
      put_pair_.bind(4, pair.key);
    }
    if (auto written = put_pair_.run(); !written) return written;
  }
  return {};
}

Result<void> Store::remove_certificate(std::string_view host) {
  if (auto removed = delete_pairs_.bind(1, host).run(); !removed) return removed;
  return delete_certificate_.bind(1, host).run();
}

Result<void> Store::write_job(const JobRecord& job) {
  const auto steps = joined(job.steps);
  put_job_.bind(1, job.id).bind(2, job.agent_job_id).bind(3, job.name).bind(4, job.failed ? 1 : 0).bind(5, job.at);
  put_job_.bind(6, static_cast<std::int64_t>(job.revision)).bind(7, steps).bind(8, job.data);
  std::string times;
  for (const auto time : job.times) times.append(std::to_string(time)) += '\n';
  put_job_.bind(9, times);
  return put_job_.run();
}

Result<void> Store::reserve_jobs(std::int64_t highest) {
  return put_meta_.bind(1, "highest_job").bind(2, highest).run();
}

Result<void> Store::put_secret(std::string_view name, std::string_view value) {
  return put_secret_.bind(1, name).bind(2, value).run();
}

Result<void> Store::put_receipt(const ReceiptRecord& receipt) {
  put_receipt_.bind(1, receipt.who).bind(2, receipt.key).bind(4, receipt.at).bind(5, receipt.status);
  put_receipt_.bind_blob(3, {reinterpret_cast<const char*>(receipt.fingerprint.data()), receipt.fingerprint.size()});
  return put_receipt_.bind(6, receipt.content_type).bind(7, receipt.body).run();
}

Result<std::size_t> Store::forget_jobs_before(std::int64_t unix_microseconds, std::size_t most) {
  return forget(
      "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE at < ? AND id < (SELECT max(id) FROM jobs) LIMIT ?)",
      unix_microseconds, most);
}

Result<std::size_t> Store::forget_receipts_before(std::int64_t unix_seconds, std::size_t most) {
  return forget("DELETE FROM receipts WHERE (who, key) IN (SELECT who, key FROM receipts WHERE at < ? LIMIT ?)",
                unix_seconds, most);
}

Result<std::size_t> Store::forget_audit_before(std::int64_t unix_milliseconds, std::size_t most) {
  // The oldest come first: what is younger than the limit is not looked at, however much of it there is.
  return forget("DELETE FROM audit WHERE at < ? AND id IN (SELECT id FROM audit ORDER BY id LIMIT ?)",
                unix_milliseconds, most);
}

Result<std::size_t> Store::forget(std::string_view sql, std::int64_t before, std::size_t most) {
  auto statement = database_->prepare(sql);
  if (!statement) return statement.error();
  if (auto ran = statement->bind(1, before).bind(2, static_cast<std::int64_t>(most)).run(); !ran) return ran.error();
  const auto count = database_->number("SELECT changes()");
  if (!count) return count.error();
  return static_cast<std::size_t>(*count);
}

Result<void> Store::write_revision(const StoreWrite& write) {
  const auto revision = static_cast<std::int64_t>(write.revision);
  if (auto put = put_meta_.bind(1, "revision").bind(2, revision).run(); !put) return put;
  if (!write.changes.empty()) {
    if (auto put = put_meta_.bind(1, "snapshot_revision").bind(2, revision).run(); !put) return put;
  }
  const auto& audit = write.audit;
  put_audit_.bind(1, audit.at).bind(2, revision).bind(3, audit.who).bind(4, audit.action).bind(5, audit.detail);
  return put_audit_.run();
}

Result<void> Store::add_token(const TokenRecord& token) {
  auto known = database_->prepare("SELECT 1 FROM tokens WHERE name = ?");
  if (!known) return known.error();
  const auto found = known->bind(1, token.name).step();
  if (!found) return found.error();
  if (*found) return make_error(Reason::kConflict, "there is a token of that name already: " + token.name);
  known->reset();
  auto insert = database_->prepare("INSERT INTO tokens VALUES (?, ?, ?, ?)");
  if (!insert) return insert.error();
  insert->bind(1, token.name).bind(2, to_string(token.role)).bind(4, token.created);
  insert->bind_blob(3, {reinterpret_cast<const char*>(token.hash.data()), token.hash.size()});
  return insert->run();
}

Result<bool> Store::remove_token(std::string_view name) {
  auto remove = database_->prepare("DELETE FROM tokens WHERE name = ? RETURNING 1");
  if (!remove) return remove.error();
  const auto found = remove->bind(1, name).step();
  if (!found) return found.error();
  if (*found) {
    if (auto finished = remove->run(); !finished) return finished.error();
  }
  return *found;
}

}  // namespace hybridge
