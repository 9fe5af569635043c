#include "admin/state_reader.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "admin/salvage.h"
#include "admin/schema.h"
#include "base/host_name.h"
#include "routing/rule_json.h"
#include "routing/snapshot_json.h"

namespace hybridge {

namespace {
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (const auto& line : lines_of(text)) {
    std::int64_t number = 0;
    std::from_chars(line.data(), line.data() + line.size(), number);
    numbers.push_back(number);
  }
  return numbers;
}

// Values are small: one buffer serves for all of them.
class ValueReader {
 public:
  explicit ValueReader(Faults& faults) : faults_(faults) {}

  const boost::json::value* read(std::string_view text, const std::string& path) {
    memory_.release();
    Faults found;
    const auto* value = read_json(text, {.bytes = std::size_t{1} << 20, .depth = 16}, memory_, found);
    for (const auto& fault : found.kept()) faults_.add(path, fault.path + " " + fault.message);
    return value;
  }

 private:
  Faults& faults_;
  unsigned char buffer_[4096];
  boost::json::monotonic_resource memory_{buffer_, sizeof buffer_};
};

using Normalize = Result<std::string> (*)(std::string_view);

// visit(name, value, path) for each row that has a name and a value.
template <class Visit>
Result<void> for_each_record(Database& database, const std::string& table, Normalize normalize, Faults& faults,
                             Visit&& visit) {
  auto rows = database.prepare("SELECT name, value FROM " + table);
  if (!rows) return rows.error();
  ValueReader values(faults);
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return {};
    std::string name(rows->text(0));
    const auto path = table + "[" + in_quotes(name) + "]";
    const auto normal = normalize(name);
    if (!normal || *normal != name) {
      faults.add(path, "the name is damaged");
      continue;
    }
    const auto* value = values.read(rows->text(1), path);
    if (value) visit(std::move(name), *value, path);
  }
}
}  // namespace

Result<std::unique_ptr<StateReader>> StateReader::open(const std::string& state_dir) {
  std::unique_ptr<StateReader> reader(new StateReader(state_dir));
  if (auto opened = reader->read_from(state_file(state_dir)); !opened) return opened.error();
  return reader;
}

Result<std::unique_ptr<StateReader>> StateReader::open_beside_older(const std::string& state_dir) {
  auto present = Database::open(state_file(state_dir), Database::Access::kReadOnly);
  if (!present) return present.error();
  const auto is_current = is_current_schema(**present);
  if (!is_current) return is_current.error();
  if (*is_current) return open(state_dir);
  const auto copy = state_dir + "/upgrade.db";
  ::unlink(copy.c_str());  // of a rehearsal that was interrupted
  if (auto copied = (*present)->back_up(copy); !copied) return copied.error();
  std::unique_ptr<StateReader> reader(new StateReader(state_dir));
  reader->is_copy_ = true;
  auto database = Database::open(copy, Database::Access::kReadWrite);
  if (!database) return database.error();
  if (auto prepared = prepare_schema(**database); !prepared) return prepared.error();
  // One file, without a log beside it: it will have no name.
  if (auto set = (*database)->execute("PRAGMA journal_mode = DELETE"); !set) return set.error();
  database->reset();
  if (auto opened = reader->read_from(copy); !opened) return opened.error();
  ::unlink(copy.c_str());  // it is there for as long as it is read
  return reader;
}

Result<void> StateReader::reopen() {
  const std::lock_guard lock(mutex_);
  auto opened = read_from(state_file(state_dir_));
  if (opened) is_copy_ = false;
  return opened;
}

Result<void> StateReader::read_from(const std::string& file) {
  auto database = Database::open(file, Database::Access::kReadOnly);
  if (!database) return database.error();
  if (auto checked = check_schema(**database); !checked) return checked.error();
  const std::pair<Statement*, std::string_view> statements[] = {
      {&pairs_, "SELECT chain, key, position FROM certificate_pairs WHERE name = ? ORDER BY position"},
      {&certificate_, "SELECT * FROM certificates WHERE name = ?"},
      {&certificates_, "SELECT * FROM certificates WHERE name > ? ORDER BY name LIMIT ?"},
      {&data_version_, "PRAGMA data_version"},
  };
  for (const auto& [into, sql] : statements) {
    auto statement = (*database)->prepare(sql);
    if (!statement) return statement.error();
    *into = std::move(*statement);
  }
  database_.swap(*database);  // the one before goes when its statements have gone: sqlite3_close_v2
  return {};
}

Result<void> StateReader::use_vault(const std::string& key_file) {
  const std::lock_guard lock(mutex_);
  auto vault = KeyVault::open(*database_, key_file);
  if (!vault) return vault.error();
  vault_ = std::move(*vault);
  return {};
}

Result<LoadedState> StateReader::load() {
  const std::lock_guard lock(mutex_);
  LoadedState state;
  // One read transaction, so that the parts are of one moment.
  if (auto begun = database_->execute("BEGIN"); !begun) return begun.error();
  auto loaded = load_routing(state);
  if (loaded) loaded = load_certificates(state);
  static_cast<void>(database_->execute("COMMIT"));
  if (!loaded) return loaded.error();
  add_missing(state_dir_, state.quarantined);
  return state;
}

Result<void> StateReader::load_routing(LoadedState& state) {
  const auto revision = database_->number("SELECT value FROM meta WHERE key = 'revision'");
  if (!revision) return revision.error();
  state.revision = static_cast<std::uint64_t>(*revision);
  const auto snapshot_revision = database_->number("SELECT value FROM meta WHERE key = 'snapshot_revision'");
  if (!snapshot_revision) return snapshot_revision.error();

  auto& faults = state.quarantined;
  Snapshot::Builder builder;
  auto loaded = for_each_record(*database_, "servers", normalize_endpoint_address, faults,
                                [&](std::string name, const boost::json::value& value, const std::string& path) {
                                  auto server = read_server(name, value, path, faults);
                                  if (server) builder.set_server(std::move(*server));
                                });
  if (!loaded) return loaded;
  loaded = for_each_record(*database_, "sites", normalize_host_name, faults,
                           [&](std::string name, const boost::json::value& value, const std::string& path) {
                             const auto site = read_site(value, path, faults);
                             if (site) builder.set_site(std::move(name), *site);
                           });
  if (!loaded) return loaded;
  loaded = for_each_record(*database_, "hosts", normalize_host_pattern, faults,
                           [&](std::string name, const boost::json::value& value, const std::string& path) {
                             auto host = read_host(value, path, faults);
                             if (host) builder.set_host(std::move(name), std::move(*host));
                           });
  if (!loaded) return loaded;
  loaded = for_each_record(*database_, "rules", normalize_rule_id, faults,
                           [&](const std::string& id, const boost::json::value& value, const std::string& path) {
                             auto read = read_rule(id, value, path, faults);
                             if (read) builder.set_rule(std::move(read->rule));
                           });
  state.snapshot = std::move(builder).build(static_cast<std::uint64_t>(*snapshot_revision));
  return loaded;
}

Result<void> StateReader::load_certificates(LoadedState& state) {
  auto rows = database_->prepare("SELECT * FROM certificates");
  if (!rows) return rows.error();
  CertificateTable::Builder builder;
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) break;
    auto facts = facts_of(*rows);
    const auto normal = normalize_host_pattern(facts.host);
    if (!normal || *normal != facts.host) {
      state.quarantined.add("certificates[" + in_quotes(facts.host) + "]", "the name is damaged");
      continue;
    }
    auto entry = table_entry(facts);
    builder.set(std::move(facts.host), std::move(entry));
  }
  state.certificates = std::move(builder).build();
  return {};
}

CertificateFacts StateReader::facts_of(const Statement& row) {
  CertificateFacts facts;
  facts.host = row.text(0);
  facts.version = static_cast<std::uint64_t>(row.number(1));
  facts.covers_host = row.number(2) != 0;
  facts.names = lines_of(row.text(3));
  facts.key_types = lines_of(row.text(4));
  facts.fingerprint = row.text(5);
  facts.issuer = row.text(6);
  facts.not_before = row.number(7);
  facts.not_after = row.number(8);
  return facts;
}

Result<std::string> StateReader::plain_key(std::string_view host, std::int64_t position,
                                           std::string_view stored) const {
  if (vault_) return vault_->unseal(stored, KeyVault::name_of_pair(host, position));
  if (!KeyVault::is_sealed(stored)) return std::string(stored);
  return make_error(Reason::kInvalid, "the key of " + in_quotes(host) + " is encrypted, and there is no state_key");
}

Result<PemPairs> StateReader::pairs(std::string_view host) {
  const std::lock_guard lock(mutex_);
  pairs_.bind(1, host);
  PemPairs pairs;
  for (;;) {
    const auto row = pairs_.step();
    if (!row) return row.error();
    if (!*row) break;
    auto key = plain_key(host, pairs_.number(2), pairs_.text(1));
    if (!key) {
      pairs_.reset();
      return key.error();
    }
    pairs.push_back({std::string(pairs_.text(0)), std::move(*key)});
  }
  pairs_.reset();
  if (pairs.empty()) return make_error(Reason::kNotFound, "no certificate is stored for " + in_quotes(host));
  return pairs;
}

Result<CertificateFacts> StateReader::certificate(std::string_view host) {
  const std::lock_guard lock(mutex_);
  const auto row = certificate_.bind(1, host).step();
  if (!row) return row.error();
  if (!*row) {
    certificate_.reset();
    return make_error(Reason::kNotFound, "no certificate is stored for " + in_quotes(host));
  }
  auto facts = facts_of(certificate_);
  certificate_.reset();
  return facts;
}

Result<std::vector<CertificateFacts>> StateReader::certificates(std::string_view after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  certificates_.bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  std::vector<CertificateFacts> found;
  for (;;) {
    const auto row = certificates_.step();
    if (!row) return row.error();
    if (!*row) break;
    found.push_back(facts_of(certificates_));
  }
  certificates_.reset();
  return found;
}

Result<std::vector<TokenRecord>> StateReader::tokens() {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare("SELECT name, role, hash, created FROM tokens ORDER BY name");
  if (!rows) return rows.error();
  std::vector<TokenRecord> tokens;
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return tokens;
    TokenRecord token;
    const auto role = to_role(rows->text(1));
    const auto hash = rows->text(2);
    // A damaged row opens nothing.
    if (!role || hash.size() != token.hash.size()) continue;
    token.name = rows->text(0);
    token.role = *role;
    std::copy(hash.begin(), hash.end(), token.hash.begin());
    token.created = rows->number(3);
    tokens.push_back(std::move(token));
  }
}

Result<std::vector<AuditRecord>> StateReader::audit(std::size_t limit, std::int64_t before) {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare(
      "SELECT id, at, revision, who, action, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?");
  if (!rows) return rows.error();
  rows->bind(1, before).bind(2, static_cast<std::int64_t>(limit));
  return take_audit(*rows);
}

Result<std::vector<AuditRecord>> StateReader::audit_behind(std::uint64_t revision, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare(
      "SELECT id, at, revision, who, action, detail FROM audit WHERE revision > ? AND is_of_hold = 0 ORDER BY revision "
      "LIMIT ?");
  if (!rows) return rows.error();
  rows->bind(1, static_cast<std::int64_t>(revision)).bind(2, static_cast<std::int64_t>(limit));
  return take_audit(*rows);
}

Result<std::vector<AuditRecord>> StateReader::take_audit(Statement& rows) {
  std::vector<AuditRecord> found;
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return found;
    found.push_back({rows.number(0), rows.number(1), static_cast<std::uint64_t>(rows.number(2)),
                     std::string(rows.text(3)), std::string(rows.text(4)), std::string(rows.text(5))});
  }
}

Result<void> StateReader::add_jobs(Statement& rows, std::vector<JobRecord>& jobs) {
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) break;
    jobs.push_back({rows.number(0), std::string(rows.text(1)), std::string(rows.text(2)), rows.number(3) != 0,
                    rows.number(4), static_cast<std::uint64_t>(rows.number(5)), lines_of(rows.text(6)),
                    numbers_of(rows.text(8)), std::string(rows.text(7))});
  }
  rows.reset();
  return {};
}

Result<std::vector<JobRecord>> StateReader::jobs(std::span<const std::int64_t> ids) {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare("SELECT * FROM jobs WHERE id = ?");
  if (!rows) return rows.error();
  std::vector<JobRecord> found;
  for (const auto id : ids) {
    if (auto added = add_jobs(rows->bind(1, id), found); !added) return added.error();
  }
  return found;
}

Result<std::vector<JobRecord>> StateReader::jobs(std::span<const std::string> agent_job_ids) {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare("SELECT * FROM jobs WHERE agent_job_id = ? AND agent_job_id != ''");
  if (!rows) return rows.error();
  std::vector<JobRecord> found;
  for (const auto& id : agent_job_ids) {
    if (auto added = add_jobs(rows->bind(1, id), found); !added) return added.error();
  }
  return found;
}

Result<std::vector<JobRecord>> StateReader::newest_jobs(std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto rows = database_->prepare("SELECT * FROM jobs ORDER BY id DESC LIMIT ?");
  if (!rows) return rows.error();
  std::vector<JobRecord> found;
  if (auto added = add_jobs(rows->bind(1, static_cast<std::int64_t>(limit)), found); !added) return added.error();
  return found;
}

Result<std::optional<ReceiptRecord>> StateReader::receipt(std::string_view who, std::string_view key) {
  const std::lock_guard lock(mutex_);
  auto row =
      database_->prepare("SELECT fingerprint, at, status, content_type, body FROM receipts WHERE who = ? AND key = ?");
  if (!row) return row.error();
  const auto found = row->bind(1, who).bind(2, key).step();
  if (!found) return found.error();
  if (!*found) return std::optional<ReceiptRecord>();
  ReceiptRecord receipt{
      std::string(who),          std::string(key),         {}, row->number(1), static_cast<int>(row->number(2)),
      std::string(row->text(3)), std::string(row->text(4))};
  const auto fingerprint = row->text(0);
  std::copy_n(fingerprint.begin(), std::min(fingerprint.size(), receipt.fingerprint.size()),
              receipt.fingerprint.begin());
  return std::optional(std::move(receipt));
}

Result<std::int64_t> StateReader::highest_job() {
  const std::lock_guard lock(mutex_);
  return database_->number(
      "SELECT max(coalesce((SELECT max(id) FROM jobs), 0), "
      "coalesce((SELECT value FROM meta WHERE key = 'highest_job'), 0))");
}

Result<std::string> StateReader::secret(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto row = database_->prepare("SELECT value FROM secrets WHERE name = ?");
  if (!row) return row.error();
  const auto found = row->bind(1, name).step();
  if (!found) return found.error();
  if (!*found) return make_error(Reason::kNotFound, "there is no secret named " + in_quotes(name));
  return std::string(row->text(0));
}

Result<void> StateReader::back_up(const std::string& file) {
  const std::lock_guard lock(mutex_);
  return database_->back_up(file);
}

Result<void> StateReader::check_integrity() {
  const std::lock_guard lock(mutex_);
  const auto sound = database_->text("PRAGMA integrity_check(1)");
  if (!sound) return sound.error();
  if (*sound == "ok") return {};
  return make_error(Reason::kInvalid, database_->path() + " is damaged (" + *sound +
                                          "): restart to take over what can be read, or " + std::string(kRestore));
}

Result<std::int64_t> StateReader::data_version() {
  const std::lock_guard lock(mutex_);
  const auto row = data_version_.step();
  if (!row) return row.error();
  const auto version = data_version_.number(0);
  data_version_.reset();
  return version;
}

}  // namespace hybridge
