// The commands that move the state as a whole: `backup`, `import-agent`, `export-agent`. Each prints its result on
// standard output, its faults on standard error, and gives the exit status.
#pragma once

#include <string>

namespace hybridge {

int back_up(const std::string& config_path, const std::string& file);
int import_agent(const std::string& config_path, const std::string& directory);
int export_agent(const std::string& config_path, const std::string& directory);

}  // namespace hybridge
