// The commands that work on configuration and state and end: `check`, `explain`, `token`, `agent-password`. Each prints
// its result on standard output, its faults on standard error, and gives the exit status.
#pragma once

#include <string>

namespace hybridge {

int check(const std::string& config_path);
int explain_url(const std::string& config_path, const std::string& url);
int add_token(const std::string& config_path, const std::string& name, const std::string& role);
int list_tokens(const std::string& config_path);
int remove_token(const std::string& config_path, const std::string& name);
int set_agent_password(const std::string& config_path);  // the first line of standard input

}  // namespace hybridge
