#include "proxy/agent_call.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace hybridge {

namespace json = boost::json;

namespace {
// benches/BENCH/sites/SITE/ACTION…: the longest action has three words.
constexpr std::size_t kMostParts = 8;

struct Path {
  std::array<std::string_view, kMostParts> parts;
  std::size_t count = 0;
  bool is_too_long = false;
};

Path split(std::string_view path) {
  Path split;
  while (!path.empty()) {
    const auto part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part.empty()) continue;
    if (split.count == kMostParts) {
      split.is_too_long = true;
      break;
    }
    split.parts[split.count++] = part;
  }
  return split;
}

struct Action {
  std::array<std::string_view, 3> words;
  AgentCall::Kind kind;
  bool stays_stopped = false;
};

constexpr Action kActions[] = {
    {{"update", "migrate"}, AgentCall::Kind::kBegins},
    {{"update", "pull"}, AgentCall::Kind::kBegins},
    {{"move_to_bench"}, AgentCall::Kind::kBegins},
    {{"rename"}, AgentCall::Kind::kBegins},
    {{"restore"}, AgentCall::Kind::kBegins},
    {{"reinstall"}, AgentCall::Kind::kBegins},
    {{"migrate"}, AgentCall::Kind::kBegins},
    {{"deactivate"}, AgentCall::Kind::kBegins, true},
    {{"update", "migrate", "recover"}, AgentCall::Kind::kRecovers},
    {{"update", "recover"}, AgentCall::Kind::kRecovers},
    {{"activate"}, AgentCall::Kind::kActivates},
    {{"config"}, AgentCall::Kind::kConfig},
};

json::value parse(std::string_view body) {
  if (body.size() > kAgentBody) return nullptr;
  json::error_code fault;
  auto value = json::parse(body, fault);
  return fault ? json::value(nullptr) : value;
}

const json::value* find(const json::value& value, std::string_view name) {
  const auto* object = value.if_object();
  return object ? object->if_contains(name) : nullptr;
}

bool is_text(const json::value* value, std::string_view text) {
  const auto* string = value ? value->if_string() : nullptr;
  return string && std::string_view(*string) == text;
}

std::optional<std::uint64_t> to_id(const json::value* value) {
  if (!value) return std::nullopt;
  json::error_code fault;
  const auto id = value->to_number<std::uint64_t>(fault);
  if (fault || id == 0) return std::nullopt;
  return id;
}

std::optional<AgentJob> to_job(const json::value& value) {
  const auto id = to_id(find(value, "id"));
  if (!id) return std::nullopt;
  AgentJob job{.id = *id};
  const auto* status = find(value, "status");
  if (is_text(status, "Success")) job.status = AgentJob::Status::kSuccess;
  if (is_text(status, "Failure")) job.status = AgentJob::Status::kFailure;
  const auto* list = find(value, "steps");
  const auto* steps = list ? list->if_array() : nullptr;
  if (steps) {
    job.has_started_site = std::any_of(steps->begin(), steps->end(), [](const json::value& step) {
      return is_text(find(step, "name"), "Disable Maintenance Mode") && is_text(find(step, "status"), "Success");
    });
  }
  return job;
}
}  // namespace

AgentCall read_agent_call(http::Method method, std::string_view path) {
  const auto [parts, count, is_too_long] = split(path);
  if (is_too_long) return {};
  if (method == http::Method::kGet && count == 2 && parts[0] == "jobs")
    return {.kind = AgentCall::Kind::kJobs, .site = {}};
  if (method != http::Method::kPost || count < 5 || parts[0] != "benches" || parts[2] != "sites") return {};
  for (const auto& action : kActions) {
    const auto words = static_cast<std::size_t>(
        std::find(action.words.begin(), action.words.end(), std::string_view{}) - action.words.begin());
    if (count == 4 + words && std::equal(action.words.begin(), action.words.begin() + words, parts.begin() + 4)) {
      return {.kind = action.kind, .site = parts[3], .stays_stopped = action.stays_stopped};
    }
  }
  return {};
}

std::optional<bool> read_maintenance_mode(std::string_view body) {
  const auto document = parse(body);
  const auto* config = find(document, "config");
  const auto* mode = config ? find(*config, "maintenance_mode") : nullptr;
  if (!mode) return std::nullopt;
  if (const auto* flag = mode->if_bool()) return *flag;
  json::error_code fault;
  const auto number = mode->to_number<std::int64_t>(fault);
  if (!fault) return number != 0;
  return std::nullopt;
}

std::optional<std::uint64_t> read_begun_job(std::string_view body) {
  const auto document = parse(body);
  return to_id(find(document, "job"));
}

std::vector<AgentJob> read_agent_jobs(std::string_view body) {
  const auto document = parse(body);
  std::vector<AgentJob> jobs;
  if (const auto* list = document.if_array()) {
    for (const auto& each : *list) {
      if (const auto job = to_job(each)) jobs.push_back(*job);
    }
  } else if (const auto job = to_job(document)) {
    jobs.push_back(*job);
  }
  return jobs;
}

}  // namespace hybridge
