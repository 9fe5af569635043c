// The commands that work on configuration and state and end: `check`, `explain`, `token`, the passwords. Each prints
// its result on standard output, for humans or as JSON, its faults on standard error, and gives the exit status.
#pragma once

#include <string>
#include <string_view>

namespace hybridge {

int check(const std::string& config_path);
// Asks the running process, which knows more; where none answers, the stored state.
int explain_url(const std::string& config_path, const std::string& url, bool as_json);
int add_token(const std::string& config_path, const std::string& name, const std::string& role, bool as_json);
int list_tokens(const std::string& config_path, bool as_json);
int remove_token(const std::string& config_path, const std::string& name);
// The first line of standard input; `secret`: kAgentPassword, kMonitoringPassword.
int set_password(const std::string& config_path, std::string_view secret);

}  // namespace hybridge
