// A table of a damaged database, read around what cannot be read.
#pragma once

#include <string>
#include <vector>

#include "admin/database.h"

namespace hybridge {

struct SalvagedTable {
  const char* name;
  const char* key;  // by whose order it is stored
  bool is_number;   // the key; else it is text
  int columns;

  // Every row that can be reached from either end, or from a key tried in between. `missing` gets a line for each part
  // that cannot: `hosts: those between "a.test" and "c.test" could not be read`. Fails as `fresh` does.
  Result<void> copy(Database& damaged, Database& fresh, std::vector<std::string>& missing) const;
};

}  // namespace hybridge
