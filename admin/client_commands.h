// The commands that ask the running process by its admin socket: `status`, `routes`, `audit`, `upgrade`. For humans, or
// the API's own JSON. Each prints its result on standard output, faults on standard error, and gives the exit status.
#pragma once

#include <string>

namespace hybridge {

int show_status(const std::string& config_path, bool as_json);
int show_routes(const std::string& config_path, bool as_json);
int upgrade(const std::string& config_path);  // returns when another process has taken over, or why none has
int show_audit(const std::string& config_path, bool as_json, int limit);

}  // namespace hybridge
