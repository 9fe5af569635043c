#include "admin/salvage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "admin/database.h"
#include "admin/salvaged_table.h"
#include "admin/schema.h"
#include "admin/unix_time.h"
#include "base/descriptor.h"
#include "base/host_name.h"
#include "base/process_log.h"

namespace hybridge {

namespace {
namespace fs = std::filesystem;

constexpr std::string_view kMissing = ".missing";

// What serves comes first: `certificates` before its pairs.
constexpr std::array<SalvagedTable, 13> kTables = {{
    {"meta", "key", false, 2},
    {"servers", "name", false, 3},
    {"sites", "name", false, 3},
    {"hosts", "name", false, 3},
    {"rules", "name", false, 3},
    {"certificates", "name", false, 9},
    {"certificate_pairs", "rowid", true, 4},
    {"tokens", "name", false, 4},
    {"secrets", "name", false, 2},
    {"holds", "id", false, 4},
    {"site_groups", "site", false, 2},
    {"jobs", "id", true, 9},
    {"audit", "id", true, 7},
}};

Error failed(const std::string& path, const char* what) {
  return make_error(Reason::kIo, path + ": " + what + ": " + std::strerror(errno));
}

// Another table than anybody has seen: its revision is a new one. New jobs stay clear of those that are lost.
Result<void> renumber(Database& fresh, bool are_jobs_missing) {
  const auto highest = fresh.number(
      "SELECT max(coalesce((SELECT max(value) FROM meta WHERE key LIKE '%revision'), 0), "
      "coalesce((SELECT max(revision) FROM servers), 0), coalesce((SELECT max(revision) FROM sites), 0), "
      "coalesce((SELECT max(revision) FROM hosts), 0), coalesce((SELECT max(revision) FROM rules), 0), "
      "coalesce((SELECT max(version) FROM certificates), 0), coalesce((SELECT max(revision) FROM audit), 0))");
  if (!highest) return highest.error();
  const auto revision = std::to_string(*highest + 1);
  auto sql = "INSERT OR REPLACE INTO meta VALUES ('revision', " + revision + "), ('snapshot_revision', " + revision +
             "); INSERT INTO audit (at, revision, who, action, detail) VALUES (" +
             std::to_string(unix_microseconds() / 1000) + ", " + revision + ", 'hybridge', 'salvage', '{}');";
  if (are_jobs_missing) {
    sql +=
        "INSERT OR REPLACE INTO meta SELECT 'highest_job', 1000000 + max(coalesce((SELECT max(id) FROM jobs), 0), "
        "coalesce((SELECT value FROM meta WHERE key = 'highest_job'), 0));";
  }
  return fresh.execute(sql.c_str());
}

// Facts without pairs, and pairs without facts, serve nobody; but they know names.
Result<void> drop_half_certificates(Database& fresh, std::vector<std::string>& missing) {
  constexpr std::array<const char*, 2> kHalves = {
      "DELETE FROM certificates WHERE name NOT IN (SELECT name FROM certificate_pairs) RETURNING name",
      "DELETE FROM certificate_pairs WHERE name NOT IN (SELECT name FROM certificates) RETURNING name"};
  for (const auto* half : kHalves) {
    auto rows = fresh.prepare(half);
    if (!rows) return rows.error();
    for (;;) {
      const auto row = rows->step();
      if (!row) return row.error();
      if (!*row) break;
      missing.push_back("certificates[" + in_quotes(rows->text(0)) + "]: a part of it could not be read");
    }
  }
  return {};
}

// What is missing, a line each.
Result<std::vector<std::string>> copy_records(Database& damaged, Database& fresh) {
  if (auto made = prepare_schema(fresh); !made) return made.error();
  auto transaction = Transaction::begin(fresh);
  if (!transaction) return transaction.error();
  std::vector<std::string> missing;
  bool are_jobs_missing = false;
  for (const auto& table : kTables) {
    const auto before = missing.size();
    if (auto copied = table.copy(damaged, fresh, missing); !copied) return copied.error();
    const bool counts_jobs = std::strcmp(table.name, "jobs") == 0 || std::strcmp(table.name, "meta") == 0;
    are_jobs_missing = are_jobs_missing || (counts_jobs && missing.size() > before);
  }
  const auto routes = fresh.number(
      "SELECT (SELECT count(*) FROM servers) + (SELECT count(*) FROM sites) + (SELECT count(*) FROM hosts)");
  if (!routes) return routes.error();
  if (*routes == 0 && !missing.empty()) return make_error(Reason::kInvalid, "no server, site or host can be read");
  if (auto dropped = drop_half_certificates(fresh, missing); !dropped) return dropped.error();
  if (auto numbered = renumber(fresh, are_jobs_missing); !numbered) return numbered.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return missing;
}

Result<std::vector<std::string>> copy_into(const std::string& path, const std::string& fresh_path) {
  auto damaged = Database::open(path, Database::Access::kReadWrite);  // its log wants to be written to
  if (!damaged) return damaged.error();
  // Tables that are named before the damage in the list of tables are known by then.
  static_cast<void>((*damaged)->execute("PRAGMA writable_schema = ON"));
  if (auto checked = check_schema(**damaged); !checked) return checked.error();
  auto fresh = Database::open(fresh_path, Database::Access::kReadWrite);
  if (!fresh) return fresh.error();
  return copy_records(**damaged, **fresh);
}

Result<void> make_beside(const std::string& path, const std::string& beside) {
  ::unlink(beside.c_str());  // of a salvage that was interrupted
  ::unlink((beside + "-journal").c_str());
  struct stat owner {};
  const Descriptor made(::open(beside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made.is_open() || ::stat(path.c_str(), &owner) != 0) return failed(beside, "cannot be made");
  if (::geteuid() == 0 && ::fchown(made.get(), owner.st_uid, owner.st_gid) != 0) {
    return failed(beside, "cannot be given to its owner");
  }
  return {};
}

Result<void> write_synced(const std::string& path, const std::vector<std::string>& lines) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  std::string text;
  for (const auto& line : lines) text.append(line) += '\n';
  const bool is_written = file.is_open() &&
                          ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                          ::fsync(file.get()) == 0;
  return is_written ? Result<void>() : failed(path, "cannot be written");
}

// The damaged one keeps a name until the other has its place.
Result<void> change_places(const std::string& state_dir, const std::string& fresh, const std::string& kept) {
  const auto path = state_file(state_dir);
  std::error_code unknown;
  const auto log = fs::file_size(path + "-wal", unknown);
  if (!unknown && log > 0) {
    return make_error(Reason::kConflict, path + " is damaged, and another process has it open: stop that first");
  }
  if (::link(path.c_str(), kept.c_str()) != 0) return failed(kept, "cannot be made");
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(path, "cannot be replaced");
  const Descriptor directory(::open(state_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::fsync(directory.get()) != 0) return failed(state_dir, "cannot be synced");
  return {};
}

std::string suspicion(const std::string& state_dir) {
  return state_file(state_dir) + ".suspect";
}
}  // namespace

Result<void> salvage_state(const std::string& state_dir) {
  const auto path = state_file(state_dir);
  const auto fresh = path + ".salvage";
  const auto kept = path + ".damaged-" + iso_time(unix_microseconds() / 1'000'000);
  if (auto made = make_beside(path, fresh); !made) return made;
  const auto missing = copy_into(path, fresh);
  Result<void> done = missing ? Result<void>() : missing.error();
  if (done && !missing->empty()) done = write_synced(kept + std::string(kMissing), *missing);
  if (done) done = change_places(state_dir, fresh, kept);
  if (!done) {
    ::unlink(fresh.c_str());
    ::unlink((kept + std::string(kMissing)).c_str());
    return done;
  }
  ::unlink(suspicion(state_dir).c_str());
  log::error("{} was damaged: what can be read of it serves, {} parts are missing ({}{})", path, missing->size(), kept,
             missing->empty() ? "" : kMissing);
  return {};
}

void add_missing(const std::string& state_dir, Faults& faults) {
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(state_dir, unknown)) {
    const auto file = entry.path().filename().string();
    if (!file.starts_with("state.db.damaged-") || !file.ends_with(kMissing)) continue;
    std::ifstream lines(entry.path());
    for (std::string line; std::getline(lines, line);) {
      const auto colon = line.find(": ");
      if (colon == std::string::npos) continue;
      faults.add(line.substr(0, colon), line.substr(colon + 2) + ": push it anew, then remove " + file);
    }
  }
}

void suspect_state(const std::string& state_dir) {
  if (is_suspected(state_dir)) return;
  std::ofstream(suspicion(state_dir)).flush();
  log::error("{} is damaged: the next start takes what can be read of it into a fresh one", state_file(state_dir));
}

bool is_suspected(const std::string& state_dir) {
  std::error_code unknown;
  return fs::exists(suspicion(state_dir), unknown);
}

}  // namespace hybridge
