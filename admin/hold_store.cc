#include "admin/hold_store.h"

#include <sstream>
#include <utility>

#include "admin/schema.h"
#include "base/digest.h"

namespace hybridge {

Result<std::unique_ptr<HoldStore>> HoldStore::open(const std::string& state_dir) {
  std::unique_ptr<HoldStore> store(new HoldStore);
  auto database = Database::open(state_file(state_dir), Database::Access::kReadWrite);
  if (!database) return database.error();
  store->database_ = std::move(*database);
  if (auto set = store->database_->execute("PRAGMA synchronous = FULL; PRAGMA cache_size = -512"); !set) {
    return set.error();
  }
  const auto prepare = [&](Statement& into, const char* sql) -> Result<void> {
    auto statement = store->database_->prepare(sql);
    if (!statement) return statement.error();
    into = std::move(*statement);
    return {};
  };
  const std::pair<Statement*, const char*> statements[] = {
      {&store->put_, "INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?)"},
      {&store->put_audit_,
       "INSERT INTO audit (at, revision, who, action, detail, is_of_hold) VALUES (?, ?, ?, ?, ?, 1)"},
      {&store->forget_, "DELETE FROM holds WHERE ended > 0 AND ended < ?"},
      {&store->put_group_, "INSERT OR REPLACE INTO site_groups VALUES (?, ?)"},
      {&store->delete_group_, "DELETE FROM site_groups WHERE site = ?"},
  };
  for (const auto& [statement, sql] : statements) {
    if (auto made = prepare(*statement, sql); !made) return made.error();
  }
  return store;
}

namespace {
Result<HoldStore::Loaded> load_from(Database& database) {
  HoldStore::Loaded loaded;
  auto rows = database.prepare("SELECT id, value, digest FROM holds ORDER BY ended");
  if (!rows) return rows.error();
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return loaded;
    const std::string id(rows->text(0));
    if (sha512_hex(rows->text(1)) != rows->text(2)) {
      loaded.damaged.push_back(id + " is not as it was written");
      continue;
    }
    auto record = read_stored(rows->text(1));
    if (record) {
      loaded.records.push_back(std::move(*record));
    } else {
      loaded.damaged.push_back(id + ' ' + record.error().detail);
    }
  }
}
}  // namespace

Result<HoldStore::Loaded> HoldStore::load() {
  return load_from(*database_);
}

Result<std::vector<HoldRecord>> HoldStore::read_live(const std::string& state_dir) {
  auto database = Database::open(state_file(state_dir), Database::Access::kReadOnly);
  if (!database) return database.error();
  const auto tables = (*database)->number("SELECT count(*) FROM sqlite_schema WHERE name = 'holds'");
  if (!tables) return tables.error();
  if (*tables == 0) return std::vector<HoldRecord>{};  // of an older hybridge, which held nothing
  auto loaded = load_from(**database);
  if (!loaded) return loaded.error();
  std::erase_if(loaded->records, [](const HoldRecord& record) { return !record.is_live(); });
  return std::move(loaded->records);
}

Result<void> HoldStore::put(std::span<const HoldRecord> records, std::span<const AuditRecord> audit) {
  auto transaction = Transaction::begin(*database_);
  if (!transaction) return transaction.error();
  for (const auto& record : records) {
    const auto value = to_stored(record);
    const auto digest = sha512_hex(value);
    put_.bind(1, record.id).bind(2, record.ended_at).bind(3, value).bind(4, digest);
    if (auto written = put_.run(); !written) return written;
  }
  for (const auto& line : audit) {
    put_audit_.bind(1, line.at).bind(2, static_cast<std::int64_t>(line.revision)).bind(3, line.who);
    put_audit_.bind(4, line.action).bind(5, line.detail);
    if (auto written = put_audit_.run(); !written) return written;
  }
  return transaction->commit();
}

Result<void> HoldStore::forget_ended_before(std::int64_t unix_milliseconds) {
  return forget_.bind(1, unix_milliseconds).run();
}

Result<HoldStore::Groups> HoldStore::load_groups() {
  auto rows = database_->prepare("SELECT site, others FROM site_groups");
  if (!rows) return rows.error();
  Groups groups;
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return groups;
    auto& others = groups[std::string(rows->text(0))];
    std::istringstream lines{std::string(rows->text(1))};
    for (std::string line; std::getline(lines, line);) others.push_back(line);
  }
}

Result<void> HoldStore::put_group(const std::string& site, const std::vector<std::string>& others) {
  if (others.empty()) return delete_group_.bind(1, site).run();
  std::string lines;
  for (const auto& name : others) lines += name + '\n';
  return put_group_.bind(1, site).bind(2, lines).run();
}

}  // namespace hybridge
