#include "admin/commands.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include "admin/hold_store.h"
#include "admin/inquiry_api.h"
#include "admin/password_hash.h"
#include "admin/records.h"
#include "admin/socket_client.h"
#include "admin/state_reader.h"
#include "admin/store.h"
#include "admin/unix_time.h"
#include "base/digest.h"
#include "proxy/config.h"
#include "proxy/explain.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kLongestTokenName = 64;

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

bool is_token_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kLongestTokenName && std::all_of(name.begin(), name.end(), is_allowed);
}

Result<std::string> make_token() {
  std::array<std::uint8_t, 32> secret{};
  if (getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
    return make_error(Reason::kIo, "the kernel has no randomness to give");
  }
  return "hyb_" + to_hex(secret);
}

Result<std::unique_ptr<Store>> open_store(const std::string& config_path) {
  const auto config = load_config(config_path);
  if (!config) return config.error();
  return Store::open(config->state_dir, Store::Access::kCommand);
}

enum class Look { kAtRecords, kAtEveryPage };

// What is stored; where nothing was ever stored, nothing.
Result<LoadedState> stored_state(const Config& config, Look look = Look::kAtRecords) {
  std::error_code failed;
  if (!std::filesystem::exists(config.state_dir + "/state.db", failed) && !failed) return LoadedState{};
  auto reader = StateReader::open(config.state_dir);
  if (!reader) return reader.error();
  if (const auto unlocked = (*reader)->use_vault(config.state_key); !unlocked) return unlocked.error();
  if (look == Look::kAtEveryPage) {
    if (const auto sound = (*reader)->check_integrity(); !sound) return sound.error();
  }
  return (*reader)->load();
}
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (is_plain) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%' + to_hex(std::span(&byte, 1));
    }
  }
  return out;
}

int show_explanation(const PlainAnswer& answer, bool as_json) {
  boost::system::error_code failed;
  const auto value = json::parse(answer.body, failed);
  if (failed || !value.is_object()) return fail("the answer is no JSON: " + answer.body);
  const auto& object = value.get_object();
  if (answer.status != 200) return fail(std::string(object.at("detail").as_string()));
  if (as_json) {
    std::fputs(answer.body.c_str(), stdout);
    return 0;
  }
  std::vector<ExplainedStep> steps;
  for (const auto& step : object.at("steps").as_array()) {
    steps.push_back({std::string(step.at("name").as_string()), std::string(step.at("value").as_string())});
  }
  std::fputs(to_text(steps).c_str(), stdout);
  return 0;
}

// A token of the list, or the one that was just made.
std::string token_json(const TokenRecord& token, const std::string& secret = {}) {
  std::string out = "{\"name\":\"" + token.name + "\",\"role\":\"" + std::string(to_string(token.role)) +
                    "\",\"created\":\"" + iso_time(token.created) + '"';
  if (!secret.empty()) out += ",\"token\":\"" + secret + '"';
  return out + '}';
}

Result<std::vector<HoldRecord>> stored_holds(const Config& config) {
  std::error_code failed;
  if (!std::filesystem::exists(config.state_dir + "/state.db", failed) && !failed) return std::vector<HoldRecord>{};
  return HoldStore::read_live(config.state_dir);
}
}  // namespace

int check(const std::string& config_path) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  bool is_sound = true;
  for (const auto& fault : check_files(*config)) {
    std::fprintf(stderr, "%s\n", fault.c_str());
    is_sound = false;
  }
  const auto state = stored_state(*config, Look::kAtEveryPage);
  if (!state) return fail(config->state_dir + ": " + state.error().detail);
  for (const auto& fault : state->quarantined.kept()) {
    std::fprintf(stderr, "%s: %s: %s\n", config->state_dir.c_str(), fault.path.c_str(), fault.message.c_str());
    is_sound = false;
  }
  if (!is_sound) return 1;
  std::printf("%s is sound; %s holds revision %llu: %zu servers, %zu sites, %zu hosts, %zu certificates\n",
              config_path.c_str(), config->state_dir.c_str(), static_cast<unsigned long long>(state->revision),
              state->snapshot.server_count(), state->snapshot.site_count(), state->snapshot.host_count(),
              state->certificates.size());
  return 0;
}

int explain_url(const std::string& config_path, const std::string& url, bool as_json) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  if (const auto answer = ask_admin(config->admin.socket, "/v1/explain?url=" + percent_encoded(url))) {
    return show_explanation(*answer, as_json);
  }
  const auto state = stored_state(*config);
  if (!state) return fail(config->state_dir + ": " + state.error().detail);
  const auto live = stored_holds(*config);
  if (!live) return fail(config->state_dir + ": " + live.error().detail);
  const auto holds = [&](std::string_view site, std::string_view server) { return describe_hold(*live, site, server); };
  const auto explanation = explain(*config, state->snapshot, state->certificates, url, "GET", holds);
  if (!explanation) return fail(explanation.error().detail);
  std::fputs((as_json ? write_explanation(*explanation) : to_text(*explanation)).c_str(), stdout);
  return 0;
}

int add_token(const std::string& config_path, const std::string& name, const std::string& role, bool as_json) {
  const auto known = to_role(role);
  if (!known) return fail("\"" + role + "\" is no role: read, route, certificate, hold or admin");
  if (!is_token_name(name)) {
    return fail("\"" + name + "\" is no name for a token: up to 64 letters, digits, '-', '_' and '.'");
  }
  auto store = open_store(config_path);
  if (!store) return fail(store.error().detail);
  const auto token = make_token();
  if (!token) return fail(token.error().detail);
  const TokenRecord record{.name = name, .role = *known, .hash = sha256(*token), .created = std::time(nullptr)};
  const auto added = (*store)->add_token(record);
  if (!added) return fail(added.error().detail);
  std::printf("%s\n", as_json ? token_json(record, *token).c_str() : token->c_str());
  return 0;
}

int list_tokens(const std::string& config_path, bool as_json) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  auto reader = StateReader::open(config->state_dir);
  if (!reader) return fail(reader.error().detail);
  const auto tokens = (*reader)->tokens();
  if (!tokens) return fail(tokens.error().detail);
  std::string all;
  for (const auto& token : *tokens) {
    if (as_json) {
      all += (all.empty() ? "" : ",") + token_json(token);
    } else {
      all += token.name + '\t' + std::string(to_string(token.role)) + '\t' + iso_time(token.created) + '\n';
    }
  }
  std::fputs(as_json ? ("[" + all + "]\n").c_str() : all.c_str(), stdout);
  return 0;
}

int remove_token(const std::string& config_path, const std::string& name) {
  auto store = open_store(config_path);
  if (!store) return fail(store.error().detail);
  const auto removed = (*store)->remove_token(name);
  if (!removed) return fail(removed.error().detail);
  if (!*removed) return fail("there is no token named \"" + name + "\"");
  return 0;
}

int set_password(const std::string& config_path, std::string_view secret) {
  std::string password;
  std::getline(std::cin, password);
  if (password.ends_with('\r')) password.pop_back();
  if (password.empty()) return fail("no password was given: its line is expected on standard input");
  auto store = open_store(config_path);
  if (!store) return fail(store.error().detail);
  const auto hash = hash_password(password);
  if (!hash) return fail(hash.error().detail);
  const auto put = (*store)->put_secret(secret, *hash);
  if (!put) return fail(put.error().detail);
  return 0;
}

}  // namespace hybridge
