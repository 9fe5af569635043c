// The commands that are about the state as a whole: `backup`, `rotate-state-key`, `import-agent`, `export-agent`. Each
// prints its result on standard output, its faults on standard error, and gives the exit status.
#pragma once

#include <string>

namespace hybridge {

int back_up(const std::string& config_path, const std::string& file);
int rotate_state_key(const std::string& config_path, const std::string& new_key_file);
int import_agent(const std::string& config_path, const std::string& directory);
int export_agent(const std::string& config_path, const std::string& directory);

}  // namespace hybridge
