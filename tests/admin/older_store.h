// A store as the first version of the schema made it: what later steps of admin/schema.cc add is taken away again.
#pragma once

namespace hybridge::test {

inline constexpr const char* kBackToVersion1 =
    "DROP TABLE rules; DROP TABLE jobs; DROP TABLE secrets;"  // 2
    "DROP TABLE receipts; DROP INDEX audit_by_revision;"      // 3
    "DROP TABLE holds;"                                       // 4
    "DROP TABLE site_groups;"                                 // 5
    "ALTER TABLE audit DROP COLUMN is_of_hold;"               // 6
    // 7 added a column to a table that is gone
    "PRAGMA user_version = 1";

}  // namespace hybridge::test
