// The commands that ask the running process by its admin socket: `status`, `routes`, `audit`, `upgrade`. For humans, or
// the API's own JSON. Each prints its result on standard output, faults on standard error, and gives the exit status.
#pragma once

#include <string>

namespace hybridge {

int show_status(const std::string& config_path, bool as_json);
int show_routes(const std::string& config_path, bool as_json);
int upgrade(const std::string& config_path);  // returns when another process has taken over, or why none has
int show_holds(const std::string& config_path, bool as_json);
int hold_site(const std::string& config_path, const std::string& site, const std::string& reason, bool as_json);
int release_hold(const std::string& config_path, const std::string& id, bool as_json);
int show_audit(const std::string& config_path, bool as_json, int limit);

}  // namespace hybridge
