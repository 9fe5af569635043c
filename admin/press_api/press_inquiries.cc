// What is answered at once: how jobs stand, what is served, who we are.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "admin/password_hash.h"
#include "admin/press_api/job_call.h"
#include "admin/press_api/job_json.h"
#include "admin/press_api/press_routes.h"
#include "admin/problem.h"
#include "base/host_name.h"
#include "base/process_log.h"
#include "base/version.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kListed = 100;
constexpr std::size_t kSearched = 1'000;  // of the newest, for a list by status
constexpr std::size_t kMostAsked = 1'000;
constexpr std::size_t kSmallBody = 64 * 1024;
constexpr std::size_t kMostPassword = 1'024;

ApiAnswer answer_json(std::string body) {
  ApiAnswer answer;
  answer.body = std::move(body);
  return answer;
}

ApiAnswer message(std::string_view text) {
  return answer_json(R"({"message":")" + std::string(text) + "\"}");
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    if (!text.substr(0, comma).empty()) parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos || parts.size() >= kMostAsked) return parts;
    text.remove_prefix(comma + 1);
  }
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::int64_t> to_id(std::string_view text) {
  std::int64_t id = 0;
  const auto* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, id);
  if (!is_number(text) || error != std::errc{} || last != end) return std::nullopt;
  return id;
}

// A name of one: the job itself, or none of that name. A list gives a list, without those that are not there.
ApiAnswer one_job(const PressInquiries& inquiries, const Result<std::vector<JobRecord>>& found,
                  const std::string& name) {
  if (!found) return problem(found.error());
  if (found->empty()) return problem(404, "not_found", "there is no job " + in_quotes(name));
  return answer_json(write_job(found->front(), inquiries.publisher.live_revision()));
}

ApiAnswer many_jobs(const PressInquiries& inquiries, const Result<std::vector<JobRecord>>& found) {
  if (!found) return problem(found.error());
  return answer_json(write_jobs(*found, inquiries.publisher.live_revision()));
}

ApiAnswer jobs_by_id(const PressInquiries& inquiries, const ApiRequest& request) {
  const auto& text = request.parameter();
  std::vector<std::int64_t> ids;
  for (const auto& part : split(text)) {
    if (const auto id = to_id(part)) ids.push_back(*id);
  }
  const auto found = inquiries.book.find(ids);
  return is_number(text) ? one_job(inquiries, found, text) : many_jobs(inquiries, found);
}

// Of a single name that is all digits the agent thinks as of an id: it gives the job, not a list of one.
ApiAnswer jobs_by_name(const PressInquiries& inquiries, const ApiRequest& request) {
  const auto& text = request.parameter();
  const auto found = inquiries.book.find(std::span<const std::string>(split(text)));
  return is_number(text) ? one_job(inquiries, found, text) : many_jobs(inquiries, found);
}

ApiAnswer newest_jobs(const PressInquiries& inquiries) {
  const auto found = inquiries.book.newest(kListed);
  if (!found) return problem(found.error());
  return answer_json(write_job_summaries(*found, inquiries.publisher.live_revision()));
}

ApiAnswer jobs_by_status(const PressInquiries& inquiries, const ApiRequest& request) {
  const auto& wanted = request.parameter();
  const auto statuses = {JobStatus::kPending, JobStatus::kRunning, JobStatus::kSuccess, JobStatus::kFailure};
  const auto is_wanted = [&](JobStatus status) { return to_string(status) == wanted; };
  // Of a word that is no status the agent thinks as of none.
  if (std::none_of(statuses.begin(), statuses.end(), is_wanted)) return newest_jobs(inquiries);
  auto found = inquiries.book.newest(kSearched);
  if (!found) return problem(found.error());
  const auto live = inquiries.publisher.live_revision();
  std::erase_if(*found, [&](const JobRecord& job) { return !is_wanted(status_of(job, live)); });
  return answer_json(write_job_names(*found));
}

// Nothing can be called back: a job is done when it has its id. The agent would call a finished job failed.
ApiAnswer cancel_job(const PressInquiries& inquiries, const ApiRequest& request) {
  const auto& text = request.parameter();
  const auto id = to_id(text).value_or(0);
  return one_job(inquiries, inquiries.book.find(std::span<const std::int64_t>(&id, 1)), text);
}

ApiAnswer version(const PressInquiries&, const ApiRequest&) {
  json::object said;
  said["commit"] = std::string(kSourceRevision);
  said["product"] = "hybridge";
  said["status"] = "";
  said["upstream"] = "";
  said["version"] = std::string(kVersion);
  return answer_json(json::serialize(said));
}

// What its answers call it in X-Proxy-Upstream.
std::string hash_of(const Server& server) {
  return server.proxy_upstream.substr(server.proxy_upstream.rfind('/') + 1);
}

// The servers as upstreams: `{address: {"sites", "secondaries", "hash"}}`.
ApiAnswer upstreams(const PressInquiries& inquiries, const ApiRequest&) {
  const auto snapshot = inquiries.publisher.tip().snapshot;
  std::map<std::string, json::array, std::less<>> sites;
  snapshot->for_each_site([&](const std::string& name, const Site& site) {
    const auto server = snapshot->server(site.server);
    if (!server) return;
    const bool is_active = site.status == SiteStatus::kActive;
    sites[site.server].push_back(json::object{
        {"is_auto_scaled", server->endpoints.size() > 1},
        {"name", name},
        {"upstream", is_active ? hash_of(*server) : std::string(to_string(site.status))},
    });
  });
  json::object all;
  snapshot->for_each_server([&](const std::shared_ptr<const Server>& server) {
    json::array secondaries;
    for (std::size_t i = 1; i < server->endpoints.size(); ++i) {
      secondaries.push_back(json::object{{server->endpoints[i].address, server->endpoints[i].weight}});
    }
    all[server->name] = json::object{
        {"hash", hash_of(*server)},
        {"secondaries", std::move(secondaries)},
        {"sites", std::move(sites[server->name])},
    };
  });
  return answer_json(json::serialize(all));
}

// What may be told of the configuration; secrets are not in it.
ApiAnswer server_config(const PressInquiries& inquiries, const ApiRequest&) {
  const auto config = inquiries.config();
  json::object said;
  said["domain"] = config->domain;
  said["name"] = config->server_name;
  said["workers"] = config->workers;
  return answer_json(json::serialize(said));
}

ApiAnswer update(const PressInquiries&, const ApiRequest& request) {
  auto refusal = read_call(request, kSmallBody, [](JobCall& call) { static_cast<void>(call.text("url")); });
  if (refusal) return std::move(*refusal);
  log::info("the control plane asks for an update of the agent: hybridge is updated by its package, nothing was done");
  return message("Success");
}

// An agent keeps such lists in its nginx. Ours has nothing to take away from an empty one, and keeps no other.
ApiAnswer update_access(const PressInquiries&, const ApiRequest& request) {
  std::vector<std::string> accept;
  std::vector<std::string> drop;
  auto refusal = read_call(request, kSmallBody, [&](JobCall& call) {
    accept = call.optional_texts("ip_accept");
    drop = call.optional_texts("ip_drop");
  });
  if (refusal) return std::move(*refusal);
  if (accept.empty() && drop.empty()) return message("Success");
  return problem(422, "not_supported", "lists of addresses are not kept here: nothing was changed");
}

ApiAnswer update_config(const PressInquiries&, const ApiRequest&) {
  return problem(422, "not_supported", "the configuration is a file of the proxy's own: nothing was changed");
}

void set_password(const PressInquiries& inquiries, const ApiRequest& request, const Answered& answered) {
  std::string password;
  auto refusal = read_call(request, kSmallBody, [&](JobCall& call) { password = call.text("token"); });
  if (!refusal && (password.empty() || password.size() > kMostPassword)) {
    refusal = problem(400, "bad_request", "token: must have 1 to " + std::to_string(kMostPassword) + " bytes");
  }
  if (refusal) return answered(std::move(*refusal));
  auto hash = hash_password(password);
  if (!hash) return answered(problem(hash.error()));
  Write write;
  write.who = request.who;
  write.action = request.action;
  write.plan = [hash = std::move(*hash)](const Tip&) {
    Plan plan;
    plan.secrets = {{std::string(kAgentPassword), hash}};
    return plan;
  };
  inquiries.publisher.submit(std::move(write), [answered](const Outcome& outcome) {
    if (outcome.kind == Outcome::Kind::kAccepted) return answered(message("Success"));
    answered(problem(507, "not_stored", "nothing was changed: " + outcome.error.detail));
  });
}
}  // namespace

void add_press_inquiry_routes(std::vector<ApiRoute>& routes, const PressInquiries& inquiries) {
  using Answer = ApiAnswer (*)(const PressInquiries&, const ApiRequest&);
  const auto add = [&](http::Method method, std::string_view pattern, Answer answer) {
    routes.push_back({.method = method,
                      .pattern = pattern,
                      .body_limit = method == http::Method::kPost ? kSmallBody : 0,
                      .run = [inquiries, answer](const ApiRequest& request, const Answered& answered) {
                        answered(answer(inquiries, request));
                      }});
  };
  constexpr auto kGet = http::Method::kGet;
  constexpr auto kPost = http::Method::kPost;
  add(kGet, "/ping", [](const PressInquiries&, const ApiRequest&) { return message("pong"); });
  add(kGet, "/version", version);
  add(kPost, "/update", update);
  add(kGet, "/jobs", [](const PressInquiries& in, const ApiRequest&) { return newest_jobs(in); });
  add(kGet, "/jobs/status/{status}", jobs_by_status);
  add(kGet, "/jobs/{ids}", jobs_by_id);
  add(kPost, "/jobs/{id}/cancel", cancel_job);
  add(kGet, "/agent-jobs/{names}", jobs_by_name);
  add(kGet, "/proxy/upstreams", upstreams);
  add(kGet, "/server", server_config);
  add(kGet, "/server/get-config", server_config);
  add(kPost, "/server/update-config", update_config);
  add(kPost, "/server/update-nginx-access", update_access);
  routes.push_back({.method = kPost,
                    .pattern = "/authentication",
                    .body_limit = kSmallBody,
                    .run = [inquiries](const ApiRequest& request, const Answered& answered) {
                      set_password(inquiries, request, answered);
                    }});
}

}  // namespace hybridge
