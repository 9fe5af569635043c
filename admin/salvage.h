// A state on damaged pages: every record of it that can still be reached is taken into a fresh database, which takes
// its place, so that the rest serves.
//
// The damaged file is kept beside it as `state.db.damaged-TIME`, with a list of what is missing
// (`state.db.damaged-TIME.missing`). Each line of that is told as a fault at every start, until somebody who has pushed
// it anew takes the files away. For whoever has the store's lock, before anybody has opened the state.
#pragma once

#include <string>

#include "base/error.h"
#include "routing/fault.h"

namespace hybridge {

// The state is as it was unless it succeeds. kInvalid: it is no state of ours, or nothing of the routing table can be
// read; kConflict: of another schema, or somebody has it open; kIo: there is no room for a second copy.
Result<void> salvage_state(const std::string& state_dir);

// What salvages have found missing, for as long as their lists are there.
void add_missing(const std::string& state_dir, Faults& faults);

// A write met damage in what is not read at a start: the next one is to look at every page.
void suspect_state(const std::string& state_dir);
bool is_suspected(const std::string& state_dir);

}  // namespace hybridge
