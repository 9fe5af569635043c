// The tables of the state store, their version, and where the store's files are.
#pragma once

#include <cstdint>
#include <string>

#include "admin/database.h"

namespace hybridge {

inline constexpr std::int64_t kSchemaVersion = 7;

std::string state_file(const std::string& state_dir);  // `<state_dir>/state.db`

// Makes the tables in an empty database, and brings an older one up to date, in one transaction; refuses what is no
// store of ours (kInvalid) or of a newer version (kConflict).
Result<void> prepare_schema(Database& database);
Result<bool> is_current_schema(Database& database);  // false: an older one
// For those who only read: refuses an older one too (kConflict), which `hybridge run` brings up to date.
Result<void> check_schema(Database& database);

}  // namespace hybridge
