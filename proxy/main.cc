// The command line: what `hybridge` can be asked to do, and where each command's work is done.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "admin/commands.h"
#include "admin/daemon.h"
#include "base/version.h"

namespace {
constexpr const char* kDefaultConfig = "/etc/hybridge/hybridge.yaml";

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& purpose, std::string& config) {
  auto* command = app.add_subcommand(name, purpose);
  command->add_option("-c,--config", config, "configuration file")->capture_default_str();
  return command;
}
}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Hybridge, the edge of a hybrid cloud"};
  app.require_subcommand(1);
  int status = 0;
  std::string config = kDefaultConfig;

  add_command(app, "run", "serve until SIGTERM", config)->callback([&] { status = hybridge::run_daemon(config); });
  add_command(app, "check", "check configuration and stored state", config)->callback([&] {
    status = hybridge::check(config);
  });
  app.add_subcommand("version", "say which build this is")->callback([] {
    std::printf("hybridge %.*s (%.*s)\n", static_cast<int>(hybridge::kVersion.size()), hybridge::kVersion.data(),
                static_cast<int>(hybridge::kSourceRevision.size()), hybridge::kSourceRevision.data());
  });

  std::string url;
  auto* explain = add_command(app, "explain", "what would become of a URL, and why", config);
  explain->add_option("URL", url, "https://host/path")->required();
  explain->callback([&] { status = hybridge::explain_url(config, url); });

  std::string name;
  std::string role = "read";
  auto* token = app.add_subcommand("token", "tokens of the admin API");
  token->require_subcommand(1);
  auto* add = add_command(*token, "add", "make a token and print it, once", config);
  add->add_option("NAME", name, "who will use it")->required();
  add->add_option("--role", role, "read, route, certificate, hold or admin")->required();
  add->callback([&] { status = hybridge::add_token(config, name, role); });
  add_command(*token, "list", "names and roles", config)->callback([&] { status = hybridge::list_tokens(config); });
  auto* remove = add_command(*token, "remove", "from now on it opens nothing", config);
  remove->add_option("NAME", name, "as it was added")->required();
  remove->callback([&] { status = hybridge::remove_token(config, name); });

  CLI11_PARSE(app, argc, argv);
  return status;
}
