// SQLite, as much of it as the store needs: a connection, statements that are prepared once, and errors as values.
//
// A Database and its Statements are for one thread at a time; whoever shares them locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hybridge {

class Database;

// What to do about a damaged one.
inline constexpr std::string_view kRestore =
    "put a copy made by `hybridge backup` in its place, or move it away to begin anew";

class Statement {
 public:
  Statement() = default;
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // Parameters count from 1, columns from 0. Bound text must live until the statement has run.
  Statement& bind(int parameter, std::string_view text);
  Statement& bind_blob(int parameter, std::string_view bytes);
  Statement& bind(int parameter, std::int64_t number);
  Statement& bind_null(int parameter);
  Statement& bind_column(int parameter, const Statement& row, int column);  // as it is, a copy

  Result<bool> step();  // false: no more rows
  Result<void> run();   // to its end, and ready to be bound again
  void reset();

  std::string_view text(int column) const;  // valid until the next step; of a blob its bytes
  std::int64_t number(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  Database* database_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

class Database {
 public:
  enum class Access { kReadWrite, kReadOnly };

  // The file must exist (of no bytes: a new database). kIo, kInvalid (no database).
  static Result<std::unique_ptr<Database>> open(const std::string& path, Access access);
  ~Database();
  Database(const Database&) = delete;

  Result<void> execute(const char* sql);  // one or more statements without results
  Result<Statement> prepare(std::string_view sql);
  Result<std::int64_t> number(std::string_view sql);  // the first column of the first row
  Result<std::string> text(std::string_view sql);

  // One consistent copy into a file that is new (kConflict), for nobody else to read.
  Result<void> back_up(const std::string& file) const;

  // What just failed, for humans: `/var/lib/hybridge/state.db: the disk is full`.
  Error last_error() const;
  const std::string& path() const { return path_; }

 private:
  Database(std::string path, sqlite3* connection) : path_(std::move(path)), connection_(connection) {}

  std::string path_;
  sqlite3* connection_;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it goes without commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  Result<void> commit();  // durable when it succeeds; else nothing was written

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace hybridge
