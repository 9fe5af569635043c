#include "admin/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hybridge {

namespace {
// Another process (a command of ours) may be writing for a moment.
constexpr int kBusyMilliseconds = 5000;

const Result<void> kFine{};

bool is_damage(int code) {
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}
}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int parameter, std::string_view text) {
  sqlite3_bind_text64(statement_, parameter, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  sqlite3_bind_blob64(statement_, parameter, bytes.data() ? bytes.data() : "", bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind(int parameter, std::int64_t number) {
  sqlite3_bind_int64(statement_, parameter, number);
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  sqlite3_bind_null(statement_, parameter);
  return *this;
}

Statement& Statement::bind_column(int parameter, const Statement& row, int column) {
  sqlite3_bind_value(statement_, parameter, sqlite3_column_value(row.statement_, column));
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  auto error = database_->last_error();
  reset();
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    const auto row = step();
    if (!row) return row.error();
    if (!*row) break;
  }
  reset();
  return kFine;
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::string_view Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {bytes, bytes ? static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)) : 0};
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Access access) {
  sqlite3* connection = nullptr;
  const int flags = access == Access::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(path, connection));
  if (code != SQLITE_OK) return database->last_error();
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_timeout(connection, kBusyMilliseconds);
  return database;
}

Database::~Database() {
  sqlite3_close_v2(connection_);
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return last_error();
  return kFine;
}

Result<Statement> Database::prepare(std::string_view sql) {
  Statement statement;
  statement.database_ = this;
  const int code = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement.statement_, nullptr);
  if (code != SQLITE_OK) return last_error();
  return statement;
}

Result<std::int64_t> Database::number(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  const auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->number(0) : 0;
}

Result<std::string> Database::text(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  const auto row = statement->step();
  if (!row) return row.error();
  return *row ? std::string(statement->text(0)) : std::string();
}

Result<void> Database::back_up(const std::string& file) const {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return make_error(errno == EEXIST ? Reason::kConflict : Reason::kIo, file + ": " + std::strerror(errno));
  }
  ::close(descriptor);
  auto copy = open(file, Access::kReadWrite);
  if (!copy) return copy.error();
  sqlite3_backup* const backup = sqlite3_backup_init((*copy)->connection_, "main", connection_, "main");
  if (!backup) return (*copy)->last_error();
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return (*copy)->last_error();
  return kFine;
}

Error Database::last_error() const {
  const int extended = sqlite3_extended_errcode(connection_);
  const int code = extended & 0xff;
  const int system = sqlite3_system_errno(connection_);
  const bool is_full = code == SQLITE_FULL || (code == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT));
  if (is_full) return make_error(Reason::kIo, path_ + ": the disk is full");
  if (is_damage(code)) {
    return make_error(Reason::kInvalid,
                      path_ + " is damaged (" + sqlite3_errmsg(connection_) + "): " + std::string(kRestore));
  }
  if (code == SQLITE_BUSY) return make_error(Reason::kIo, path_ + ": another process has been writing for 5 s");
  std::string detail = path_ + ": " + sqlite3_errmsg(connection_);
  if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN) {
    if (system != 0) detail.append(" (").append(std::strerror(system)) += ')';
  }
  return make_error(Reason::kIo, std::move(detail));
}

Result<Transaction> Transaction::begin(Database& database) {
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun.error();
  return Transaction(database);
}

Transaction::~Transaction() {
  // A failed statement may have rolled back already; the error that says so helps nobody.
  if (database_) static_cast<void>(database_->execute("ROLLBACK"));
}

Result<void> Transaction::commit() {
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;
  return committed;
}

}  // namespace hybridge
