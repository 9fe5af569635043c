#include "admin/client_commands.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>

#include "admin/socket_client.h"
#include "base/clock.h"
#include "proxy/config.h"

namespace hybridge {

namespace json = boost::json;

namespace {
// For an upgrade beyond upgrade_timeout, and between two looks at it.
constexpr auto kGrace = std::chrono::seconds(10);
constexpr auto kBetween = std::chrono::milliseconds(50);

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

// A value for a column: text as it is, all else as JSON.
std::string text_of(const json::value* value) {
  if (!value || value->is_null()) return "-";
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}
std::string text_of(const json::object& object, std::string_view key) {
  return text_of(object.if_contains(key));
}

struct Call {
  std::string target;
  std::string method = "GET";
  std::string body = {};
};

Result<json::object> call(const Config& config, const Call& asked) {
  const auto answer = ask_admin(config.admin.socket, asked.target, asked.method, asked.body);
  if (!answer) return answer.error();
  boost::system::error_code error;
  auto value = json::parse(answer->body, error);
  if (error || !value.is_object()) {
    return make_error(Reason::kIo, asked.target + ": the answer is no JSON: " + answer->body);
  }
  if (answer->status >= 300) return make_error(Reason::kInvalid, text_of(value.get_object(), "detail"));
  return std::move(value.get_object());
}

int ask(const std::string& config_path, const Call& asked, bool as_json,
        const std::function<void(const json::object&)>& show) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  const auto answer = call(*config, asked);
  if (!answer) return fail(answer.error().detail);
  if (as_json) {
    std::printf("%s\n", json::serialize(*answer).c_str());
  } else {
    show(*answer);
  }
  return 0;
}

void show_host(const json::object& sites, const std::string& name, const std::string& site, const std::string& extra) {
  const auto* found = sites.if_contains(site);
  const auto* record = found ? found->if_object() : nullptr;
  const auto status = record && record->contains("status") ? text_of(*record, "status") : "active";
  std::printf("%-40s %-40s %-24s %s%s\n", name.c_str(), site.c_str(),
              record ? text_of(*record, "server").c_str() : "(no such site)", record ? status.c_str() : "",
              extra.c_str());
}

void show_hold(const json::object& hold) {
  if (const auto* why = hold.if_contains("why")) std::printf("%s\n", text_of(why).c_str());
  if (!hold.contains("id")) return;
  const auto& scope = hold.at("scope").as_object();
  const bool is_server = scope.contains("server");
  std::printf("%-24s %-10s %s%s, %s held, %s in flight, %s released, until %s  %s\n", text_of(hold, "id").c_str(),
              text_of(hold, "state").c_str(), is_server ? "server " : "",
              text_of(scope, is_server ? "server" : "site").c_str(), text_of(hold, "held").c_str(),
              text_of(hold, "in_flight").c_str(), text_of(hold, "released").c_str(),
              text_of(hold, "expires_at").c_str(), text_of(hold, "reason").c_str());
  for (const auto& value : hold.at("stragglers").as_array()) {
    const auto& each = value.as_object();
    std::printf("  still running: %s %s, for %s ms\n", text_of(each, "method").c_str(), text_of(each, "path").c_str(),
                text_of(each, "age_ms").c_str());
  }
}
}  // namespace

int show_status(const std::string& config_path, bool as_json) {
  return ask(config_path, {"/v1/status"}, as_json, [](const json::object& status) {
    for (const auto& [key, value] : status) {
      std::printf("%-24s %s\n", std::string(key).c_str(), text_of(&value).c_str());
    }
  });
}

int upgrade(const std::string& config_path) {
  const auto config = load_config(config_path);
  if (!config) return fail(config.error().detail);
  const auto begun = call(*config, {"/v1/upgrade", "POST"});
  if (!begun) return fail(begun.error().detail);
  const auto before = text_of(*begun, "pid");
  const auto deadline = Clock::now() + config->upgrade_timeout + kGrace;
  while (Clock::now() < deadline) {
    // A call that comes in the middle of it waits until somebody answers again.
    const auto status = call(*config, {"/v1/status"});
    if (status && text_of(*status, "pid") != before) {
      std::printf("process %s, hybridge %s, has taken over from process %s\n", text_of(*status, "pid").c_str(),
                  text_of(*status, "version").c_str(), before.c_str());
      return 0;
    }
    const auto outcome = status ? text_of(*status, "upgrade") : "";
    if (outcome.starts_with("failed")) return fail("process " + before + " goes on: the upgrade " + outcome);
    std::this_thread::sleep_for(kBetween);
  }
  return fail("process " + before + " has not said in time what became of the upgrade: see its messages");
}

int show_routes(const std::string& config_path, bool as_json) {
  return ask(config_path, {"/v1/snapshot"}, as_json, [](const json::object& document) {
    const auto& sites = document.at("sites").as_object();
    std::printf("%-40s %-40s %-24s %s\n", "HOST", "SITE", "SERVER", "STATUS");
    for (const auto& [name, site] : sites) show_host(sites, name, name, "");
    for (const auto& [name, value] : document.at("hosts").as_object()) {
      const auto& host = value.as_object();
      const std::string extra = host.contains("code_server") ? " code server" : "";
      if (host.contains("redirect")) {
        std::printf("%-40s -> https://%s\n", std::string(name).c_str(), text_of(host, "redirect").c_str());
      } else if (host.contains("site")) {
        show_host(sites, name, text_of(host, "site"), extra);
      } else {
        std::printf("%-40s any site by its own name%s\n", std::string(name).c_str(), extra.c_str());
      }
    }
    for (const auto& rule : document.at("rules").as_array()) std::printf("rule %s\n", json::serialize(rule).c_str());
  });
}

int show_holds(const std::string& config_path, bool as_json) {
  return ask(config_path, {"/v1/holds"}, as_json, [](const json::object& answer) {
    const auto& holds = answer.at("holds").as_array();
    for (const auto& hold : holds) show_hold(hold.as_object());
    if (holds.empty()) std::printf("nothing is held\n");
  });
}

int hold_site(const std::string& config_path, const std::string& site, const std::string& reason, bool as_json) {
  const json::object body{{"scope", {{"site", site}}}, {"reason", reason}};
  return ask(config_path, {"/v1/holds?wait=drained", "POST", json::serialize(body)}, as_json, show_hold);
}

int release_hold(const std::string& config_path, const std::string& id, bool as_json) {
  return ask(config_path, {"/v1/holds/" + id + "/release", "POST"}, as_json, show_hold);
}

int show_audit(const std::string& config_path, bool as_json, int limit) {
  return ask(config_path, {"/v1/audit?limit=" + std::to_string(limit)}, as_json, [](const json::object& page) {
    for (const auto& value : page.at("audit").as_array()) {
      const auto& entry = value.as_object();
      std::printf("%s  %-8s %-20s %s  %s\n", text_of(entry, "at").c_str(), text_of(entry, "revision").c_str(),
                  text_of(entry, "who").c_str(), text_of(entry, "action").c_str(), text_of(entry, "detail").c_str());
    }
  });
}

}  // namespace hybridge
