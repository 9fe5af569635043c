#include "admin/state_commands.h"

#include <chrono>
#include <cstdio>
#include <vector>

#include "admin/agent_folder.h"
#include "admin/key_vault.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "proxy/config.h"

namespace hybridge {

namespace {
int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

void say(const std::vector<std::string>& notes) {
  for (const auto& note : notes) std::fprintf(stderr, "%s\n", note.c_str());
}

// What is in the folder over what is stored: records of the same names are replaced, the others stay.
Result<StoreWrite> write_of(AgentFolder folder, const LoadedState& state, const std::string& directory) {
  StoreWrite write;
  write.revision = state.revision + 1;
  for (auto& change : difference(Snapshot{}, folder.snapshot)) {
    if (value_of(change) != value_of(state.snapshot, change.kind, change.name))
      write.changes.push_back(std::move(change));
  }
  Faults faults;
  find_faults_after(apply(state.snapshot, write.changes, write.revision), write.changes, faults);
  if (!faults.empty()) {
    return make_error(Reason::kInvalid, faults.kept().front().path + ": " + faults.kept().front().message);
  }
  write.certificates = std::move(folder.certificates);
  if (!folder.access_token.empty()) write.secrets = {{std::string(kAgentPassword), folder.access_token}};
  write.audit.at =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  write.audit.revision = write.revision;
  write.audit.who = "command line";
  write.audit.action = "import-agent " + directory;
  write.audit.detail = "{}";
  return write;
}
}  // namespace

int back_up(const std::string& config_path, const std::string& file) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  const auto reader = StateReader::open(config->state_dir);
  if (!reader) return fail(reader.error().detail);
  const auto copied = (*reader)->back_up(file);
  if (!copied) return fail(copied.error().detail);
  std::printf("%s is the state of %s, as one consistent copy; it holds private keys\n", file.c_str(),
              config->state_dir.c_str());
  return 0;
}

int rotate_state_key(const std::string& config_path, const std::string& new_key_file) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  const auto store = Store::open(config->state_dir, Store::Access::kCommand);
  if (!store) return fail(store.error().detail);
  const auto rotated = KeyVault::rotate((*store)->database(), config->state_key, new_key_file);
  if (!rotated) return fail(rotated.error().detail);
  std::printf(
      "%s opens the private keys in %s, and %s does until a start finds the new one: name it by state_key, "
      "then restart or upgrade\n",
      new_key_file.c_str(), config->state_dir.c_str(), config->state_key.c_str());
  return 0;
}

int import_agent(const std::string& config_path, const std::string& directory) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  auto folder = read_agent_folder(directory);
  if (!folder) return fail(folder.error().detail);
  say(folder->notes);
  // Nobody else writes meanwhile: the one that serves has the lock.
  const auto store = Store::open(config->state_dir, Store::Access::kServe);
  if (!store) return fail(store.error().detail);
  const auto reader = StateReader::open(config->state_dir);
  if (!reader) return fail(reader.error().detail);
  if (const auto unlocked = (*store)->use_vault(config->state_key); !unlocked) return fail(unlocked.error().detail);
  const auto state = (*reader)->load();
  if (!state) return fail(state.error().detail);
  const auto highest_job = folder->highest_job;
  const auto certificates = folder->certificates.size();
  const auto& snapshot = folder->snapshot;
  std::printf("%s: %zu servers, %zu sites, %zu hosts, %zu certificates%s\n", directory.c_str(), snapshot.server_count(),
              snapshot.site_count(), snapshot.host_count(), certificates,
              folder->access_token.empty() ? "" : ", the agent's password");
  const auto write = write_of(std::move(*folder), *state, directory);
  if (!write) return fail(write.error().detail);
  const auto stored = (*store)->commit(std::span(&*write, 1));
  if (!stored) return fail(stored.error().detail);
  const auto reserved = (*store)->reserve_jobs(highest_job);
  if (!reserved) return fail(reserved.error().detail);
  std::printf("stored in %s as revision %llu\n", config->state_dir.c_str(),
              static_cast<unsigned long long>(write->revision));
  return 0;
}

int export_agent(const std::string& config_path, const std::string& directory) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  const auto reader = StateReader::open(config->state_dir);
  if (!reader) return fail(reader.error().detail);
  if (const auto unlocked = (*reader)->use_vault(config->state_key); !unlocked) return fail(unlocked.error().detail);
  const auto state = (*reader)->load();
  if (!state) return fail(state.error().detail);
  AgentFolder folder;
  folder.snapshot = state->snapshot;
  std::string after;
  for (;;) {
    constexpr std::size_t kPage = 1000;
    auto page = (*reader)->certificates(after, kPage);
    if (!page) return fail(page.error().detail);
    for (auto& facts : *page) {
      auto pairs = (*reader)->pairs(facts.host);
      if (!pairs) return fail(pairs.error().detail);
      after = facts.host;
      folder.certificates.push_back({std::move(facts), std::move(*pairs)});
    }
    if (page->size() < kPage) break;
  }
  if (auto token = (*reader)->secret(kAgentPassword)) folder.access_token = std::move(*token);
  std::vector<std::string> notes;
  const auto written = write_agent_folder(directory, folder, notes);
  say(notes);
  if (!written) return fail(written.error().detail);
  std::printf("%s: %zu servers, %zu sites, %zu hosts, %zu certificates\n", directory.c_str(),
              state->snapshot.server_count(), state->snapshot.site_count(), state->snapshot.host_count(),
              folder.certificates.size());
  return 0;
}

}  // namespace hybridge
