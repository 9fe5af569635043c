// The command line: what `hybridge` can be asked to do, and where each command's work is done.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "admin/client_commands.h"
#include "admin/commands.h"
#include "admin/daemon.h"
#include "admin/password_admission.h"
#include "admin/press_api/press_api.h"
#include "admin/records.h"
#include "admin/state_commands.h"
#include "base/version.h"

namespace {
constexpr const char* kDefaultConfig = "/etc/hybridge/hybridge.yaml";

// What an upgrade starts: the file of that name, which by then may be another one. A name without a path was found by
// the shell, and the kernel knows where.
std::string program_of(const std::string& name) {
  std::error_code unknown;
  if (name.find('/') != std::string::npos) return std::filesystem::absolute(name, unknown).string();
  return std::filesystem::read_symlink("/proc/self/exe", unknown).string();
}

// What is below /agent/ of the proxy's own name.
hybridge::Result<std::unique_ptr<hybridge::OwnApi>> make_press_api(hybridge::OwnApiSources sources) {
  auto api = hybridge::PressApi::make({.publisher = sources.publisher,
                                       .reader = sources.reader,
                                       .config = std::move(sources.config),
                                       .holds = &sources.holds});
  if (!api) return api.error();
  return std::unique_ptr<hybridge::OwnApi>(std::move(*api));
}

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

  add_command(app, "run", "serve until SIGTERM", config)->callback([&] {
    status = hybridge::run_daemon(program_of(argv[0]), config, make_press_api);
  });
  add_command(app, "check", "check configuration and stored state", config)->callback([&] {
    status = hybridge::check(config);
  });
  const auto build =
      "hybridge " + std::string(hybridge::kVersion) + " (" + std::string(hybridge::kSourceRevision) + ")";
  app.set_version_flag("--version", build, "the same as the command version");
  app.add_subcommand("version", "say which build this is")->callback([&] { std::printf("%s\n", build.c_str()); });

  add_command(app, "upgrade", "let the binary on disk take over from the running process", config)->callback([&] {
    status = hybridge::upgrade(config);
  });

  bool as_json = false;
  std::string url;
  auto* explain = add_command(app, "explain", "what would become of a URL, and why", config);
  explain->add_option("URL", url, "https://host/path")->required();
  explain->callback([&] { status = hybridge::explain_url(config, url, as_json); });

  int limit = 100;
  auto* status_command = add_command(app, "status", "how the running process is", config);
  status_command->callback([&] { status = hybridge::show_status(config, as_json); });
  auto* routes = add_command(app, "routes", "what the running process serves where", config);
  routes->callback([&] { status = hybridge::show_routes(config, as_json); });
  auto* audit = add_command(app, "audit", "who changed what, the newest first", config);
  audit->add_option("--limit", limit, "entries")->check(CLI::Range(1, 1000))->capture_default_str();
  audit->callback([&] { status = hybridge::show_audit(config, as_json, limit); });
  std::string what;
  std::string reason;
  auto* holds = add_command(app, "holds", "which sites are held, and how many wait", config);
  holds->callback([&] { status = hybridge::show_holds(config, as_json); });
  auto* hold = add_command(app, "hold", "let a site's requests wait, and say when nothing of it is under way", config);
  hold->add_option("SITE", what, "its name in the table")->required();
  hold->add_option("--reason", reason, "for the audit, and for who looks");
  hold->callback([&] { status = hybridge::hold_site(config, what, reason, as_json); });
  auto* release = add_command(app, "release", "let those who wait go on", config);
  release->add_option("ID", what, "of the window, as `holds` shows it")->required();
  release->callback([&] { status = hybridge::release_hold(config, what, as_json); });
  for (auto* command : {explain, status_command, routes, audit, holds, hold, release}) {
    command->add_flag("--json", as_json, "as the API answers");
  }

  std::string path;
  auto* backup = add_command(app, "backup", "copy the stored state, whether or not the process runs", config);
  backup->add_option("FILE", path, "a new file")->required();
  backup->callback([&] { status = hybridge::back_up(config, path); });
  auto* rotate = add_command(app, "rotate-state-key", "let another key open the stored private keys, too", config);
  rotate->add_option("FILE", path, "with the new key, which state_key is to name next")->required();
  rotate->callback([&] { status = hybridge::rotate_state_key(config, path); });
  auto* from_agent = add_command(app, "import-agent", "take over an existing Frappe agent folder", config);
  from_agent->add_option("DIR", path, "where its config.json is")->required();
  from_agent->callback([&] { status = hybridge::import_agent(config, path); });
  auto* to_agent = add_command(app, "export-agent", "write that layout, so that one can go back", config);
  to_agent->add_option("DIR", path, "a new directory")->required();
  to_agent->callback([&] { status = hybridge::export_agent(config, path); });

  std::string name;
  std::string role = "read";
  auto* token = app.add_subcommand("token", "tokens of the admin API");
  token->require_subcommand(1);
  auto* add = add_command(*token, "add", "make a token and print it, once", config);
  add->add_option("NAME", name, "who will use it")->required();
  add->add_option("--role", role, "read, route, certificate, hold or admin")->required();
  add->callback([&] { status = hybridge::add_token(config, name, role, as_json); });
  auto* list = add_command(*token, "list", "names and roles", config);
  list->callback([&] { status = hybridge::list_tokens(config, as_json); });
  for (auto* command : {add, list}) command->add_flag("--json", as_json, "as JSON");
  auto* remove = add_command(*token, "remove", "from now on it opens nothing", config);
  remove->add_option("NAME", name, "as it was added")->required();
  remove->callback([&] { status = hybridge::remove_token(config, name); });

  add_command(app, "agent-password", "store the hash of the press API's password, read on standard input", config)
      ->callback([&] { status = hybridge::set_password(config, hybridge::kAgentPassword); });
  add_command(app, "monitoring-password",
              "store the hash of the password that /metrics/ and /status of the proxy's own name ask for", config)
      ->callback([&] { status = hybridge::set_password(config, hybridge::kMonitoringPassword); });

  CLI11_PARSE(app, argc, argv);
  return status;
}
