// The process `hybridge run`: everything it is made of, in the order in which it comes and goes, and what it does at
// signals.
#pragma once

#include <string>

namespace hybridge {

// Serves until TERM, INT or QUIT. The exit status: 0, or 1 with the reason on standard error.
int run_daemon(const std::string& config_path);

}  // namespace hybridge
