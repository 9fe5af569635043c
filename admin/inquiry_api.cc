#include "admin/inquiry_api.h"

#include <cstdint>
#include <limits>

#include "admin/problem.h"
#include "admin/unix_time.h"
#include "proxy/explain.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::int64_t kMostAudited = 1000;
constexpr std::int64_t kAudited = 100;

std::string_view parameter(const ApiRequest& request, std::string_view name, std::string_view otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : std::string_view(found->second);
}

void show_explanation(const InquiryApi& api, const ApiRequest& request, const Answered& answered) {
  const auto url = parameter(request, "url", "");
  if (url.empty()) return answered(problem(400, "bad_query", "url is missing: ?url=https://erp.example.com/app"));
  const auto tip = api.publisher.tip();
  const auto method = parameter(request, "method", "GET");
  const auto steps = explain(*api.config(), *tip.snapshot, *tip.certificates, url, method);
  if (!steps) return answered(problem(400, "bad_url", steps.error().detail));
  ApiAnswer answer;
  answer.body = "{\"answer\":";
  append_json_string(answer.body, steps->back().value);
  answer.body += ",\"steps\":[";
  for (const auto& [name, value] : *steps) {
    if (answer.body.back() != '[') answer.body += ',';
    answer.body += "{\"name\":";
    append_json_string(answer.body, name);
    answer.body += ",\"value\":";
    append_json_string(answer.body, value);
    answer.body += '}';
  }
  answer.body += "]}\n";
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
}  // namespace

void add_inquiry_routes(std::vector<ApiRoute>& routes, const InquiryApi& api) {
  routes.push_back({.pattern = "/v1/explain",
                    .query = {"url", "method"},
                    .run = [api](const ApiRequest& request, const Answered& answered) {
                      show_explanation(api, request, answered);
                    }});
  routes.push_back(
      {.pattern = "/v1/audit",
       .query = {"limit", "before"},
       .run = [api](const ApiRequest& request, const Answered& answered) { show_audit(api, request, answered); }});
}

}  // namespace hybridge
