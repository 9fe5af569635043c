#include "admin/inquiry_api.h"

#include <array>
#include <cstdint>
#include <limits>

#include "admin/patience.h"
#include "admin/problem.h"
#include "admin/reasons.h"
#include "admin/unix_time.h"
#include "base/host_name.h"
#include "proxy/log_format.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::int64_t kMostAudited = 1000;
constexpr std::int64_t kAudited = 100;
constexpr std::int64_t kMostRequests = 1000;
constexpr std::int64_t kRequests = 100;

std::string_view parameter(const ApiRequest& request, std::string_view name, std::string_view otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : std::string_view(found->second);
}

void show_explanation(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  const auto url = parameter(request, "url", "");
  if (url.empty()) return answered(problem(400, "bad_query", "url is missing: ?url=https://erp.example.com/app"));
  const auto steps = explain_now(api, url, parameter(request, "method", "GET"));
  if (!steps) return answered(problem(400, "bad_url", steps.error().detail));
  ApiAnswer answer;
  answer.body = write_explanation(*steps);
  answered(std::move(answer));
}

void append_audit(std::string& body, const AuditRecord& record) {
  body += "{\"id\":" + std::to_string(record.id) + ",\"at\":";
  append_json_string(body, iso_time(record.at / 1000));
  body += ",\"revision\":" + std::to_string(record.revision) + ",\"who\":";
  append_json_string(body, record.who);
  body += ",\"action\":";
  append_json_string(body, record.action);
  body += ",\"detail\":" + (record.detail.empty() ? "{}" : record.detail) + '}';
}

void show_audit(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  const auto limit = number_of(request, "limit", 1, kMostAudited, kAudited);
  const auto before = number_of(request, "before", 1, std::numeric_limits<std::int64_t>::max(),
                                std::numeric_limits<std::int64_t>::max());
  if (!limit || !before) {
    return answered(problem(400, "bad_query", "limit must be a number from 1 to 1000, before the id of an entry"));
  }
  const auto count = static_cast<std::size_t>(*limit);
  auto found = api.reader.audit(count + 1, *before);
  if (!found) return answered(problem(found.error()));
  const bool has_more = found->size() > count;
  if (has_more) found->pop_back();
  ApiAnswer answer;
  answer.body = "{\"audit\":[";
  for (const auto& record : *found) {
    if (&record != found->data()) answer.body += ',';
    append_audit(answer.body, record);
  }
  answer.body += ']';
  if (has_more) answer.body += ",\"next\":" + std::to_string(found->back().id);
  answer.body += "}\n";
  answered(std::move(answer));
}

// The same fields as the access log's line.
void append_request(std::string& body, const ExchangeRecord& record) {
  LogFormat json(Config::LogFormat::kJson);
  auto line = json.line(record);
  line.remove_suffix(1);
  body.append("{\"request\":").append(line).append(",\"why\":");
  append_json_string(body, meaning_of(record.reason));
  if (!record.detail.empty()) {
    body += ",\"detail\":";
    append_json_string(body, record.detail);
  }
  body += '}';
}

void show_request(const RecentRequest& found, const Answered& answered) {
  ApiAnswer answer;
  append_request(answer.body, found.record());
  answer.body += '\n';
  answered(std::move(answer));
}

ApiAnswer worker_busy() {
  return problem(503, "worker_busy", "a worker did not look in time");
}

// Those that failed last, of all hosts and reasons or of one.
void list_failures(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  const auto limit = number_of(request, "limit", 1, kMostRequests, kRequests);
  if (!limit) return answered(problem(400, "bad_query", "limit must be a number from 1 to 1000"));
  const std::string host(parameter(request, "host", ""));
  const auto normal = host.empty() ? Result<std::string>(host) : normalize_host_name(host);
  if (!normal) return answered(problem(400, "bad_query", "host: " + normal.error().detail));
  const std::string reason(parameter(request, "reason", ""));
  if (!reason.empty() && !is_reason(reason)) {
    return answered(
        problem(400, "bad_query", in_quotes(reason) + " is no reason: upstream_connect_failed, for instance"));
  }
  using Found = std::vector<RecentRequest>;
  const auto most = static_cast<std::size_t>(*limit);
  const auto show = [answered, host = *normal, reason, most](const std::optional<Found>& found) {
    if (!found) return answered(worker_busy());
    ApiAnswer answer;
    answer.body = "{\"requests\":[";
    std::size_t shown = 0;
    for (const auto& each : *found) {
      const auto record = each.record();
      if (!host.empty() && record.host != host) continue;
      if (!reason.empty() && code(record.reason) != reason) continue;
      if (shown == most) break;
      if (shown++ > 0) answer.body += ',';
      append_request(answer.body, record);
    }
    answer.body += "]}\n";
    answered(std::move(answer));
  };
  const bool is_filtered = !host.empty() || !reason.empty();
  api.workers.recent_failures(is_filtered ? std::numeric_limits<std::size_t>::max() : most,
                              within<Found>(api.workers.patience, api.executor, show));
}

void find_request(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  using Found = std::optional<RecentRequest>;
  const auto answer = [answered, id = request.parameter()](const std::optional<Found>& found) {
    if (!found) return answered(worker_busy());
    if (*found) return show_request(**found, answered);
    answered(problem(404, "not_found",
                     "no request " + in_quotes(id) + " is remembered: each worker knows the last " +
                         std::to_string(RecentRequests::kRequests) + " that ended well and the last " +
                         std::to_string(RecentRequests::kFailures) + " others; older ones are in the access log"));
  };
  api.workers.find_request(request.parameter(), within<Found>(api.workers.patience, api.executor, answer));
}

void show_stats(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  const auto name = normalize_host_name(request.parameter());
  if (!name) return answered(problem(400, "bad_name", name.error().detail));
  const auto totals = totals_of(*name, api.workers.counters);
  if (totals.requests() == 0 && !api.publisher.tip().snapshot->has_site(*name)) {
    return answered(problem(404, "not_found", "there is no site " + in_quotes(*name)));
  }
  constexpr std::array<std::string_view, SiteCounters::kClasses> kClasses = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
  ApiAnswer answer;
  answer.body = "{\"site\":";
  append_json_string(answer.body, *name);
  answer.body += ",\"requests\":" + std::to_string(totals.requests()) + ",\"by_class\":{";
  for (std::size_t at = 0; at < kClasses.size(); ++at) {
    if (at != 0) answer.body += ',';
    answer.body.append("\"").append(kClasses[at]).append("\":").append(std::to_string(totals.by_class[at]));
  }
  answer.body += "},\"bytes_in\":" + std::to_string(totals.body_bytes_in) +
                 ",\"bytes_out\":" + std::to_string(totals.body_bytes_out) +
                 ",\"duration_ms\":" + std::to_string(totals.microseconds / 1000) + "}\n";
  answered(std::move(answer));
}
}  // namespace

Result<std::vector<ExplainedStep>> explain_now(const InquiryApi& api, std::string_view url, std::string_view method) {
  const auto tip = api.publisher.tip();
  const auto live = api.holds ? api.holds->live() : nullptr;
  const auto holds = [&](std::string_view site, std::string_view server) {
    return live ? describe_hold(*live, site, server) : std::string();
  };
  return explain(*api.config(), *tip.snapshot, *tip.certificates, url, method, holds);
}

std::string write_explanation(const std::vector<ExplainedStep>& steps) {
  std::string out = "{\"answer\":";
  append_json_string(out, steps.back().value);
  out += ",\"steps\":[";
  for (const auto& [name, value] : steps) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":";
    append_json_string(out, name);
    out += ",\"value\":";
    append_json_string(out, value);
    out += '}';
  }
  return out += "]}\n";
}

void add_inquiry_routes(std::vector<ApiRoute>& routes, const InquiryApi& api) {
  routes.push_back({.pattern = "/v1/explain",
                    .query = {"url", "method"},
                    .summary = "What would become of a request, and why; sends nothing",
                    .gives = "Explanation",
                    .run = [api](const ApiRequest& request, const Answered& answered) {
                      show_explanation(api, request, answered);
                    }});
  if (api.workers.recent_failures) {
    routes.push_back(
        {.pattern = "/v1/requests",
         .query = {"host", "reason", "limit"},
         .summary = "The requests that failed lately, the newest first; a site's own 4xx is no failure",
         .gives = "Requests",
         .run = [api](const ApiRequest& request, const Answered& answered) { list_failures(api, request, answered); }});
  }
  routes.push_back({.pattern = "/v1/requests/{id}",
                    .summary = "What became of a request that ended lately",
                    .gives = "Request",
                    .run = [api](const ApiRequest& request, Answered answered) {
                      find_request(api, request, std::move(answered));
                    }});
  routes.push_back(
      {.pattern = "/v1/sites/{name}/stats",
       .summary = "How many requests a site had, and how they ended",
       .gives = "SiteStats",
       .run = [api](const ApiRequest& request, const Answered& answered) { show_stats(api, request, answered); }});
  routes.push_back(
      {.pattern = "/v1/audit",
       .query = {"limit", "before"},
       .summary = "Who changed what, before and after; the newest first",
       .gives = "Audit",
       .run = [api](const ApiRequest& request, const Answered& answered) { show_audit(api, request, answered); }});
}

}  // namespace hybridge
