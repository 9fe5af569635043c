#include "admin/openapi.h"

#include <algorithm>
#include <array>
#include <map>

#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::string_view kIntroduction =
    "Routes, certificates, holds and what became of requests. A write answers when every worker serves it, and is on "
    "disk by then. Errors are application/problem+json with a stable code; a refused document lists every fault with "
    "its JSON path.";

// What the query parameters of all calls mean; one meaning a name.
struct Parameter {
  std::string_view name;
  std::string_view schema;
  std::string_view meaning;
};
constexpr auto kParameters = std::to_array<Parameter>({
    {"after", R"({"type":"string"})", "Only those behind this name: `next` of the page before."},
    {"before", R"({"type":"integer","minimum":1})", "Only those before this id: `next` of the page before."},
    {"dry_run", R"({"type":"boolean"})", "Check everything and change nothing."},
    {"from", R"({"type":"string"})", "A revision: what is newer is told first. Or the id of an event."},
    {"host", R"({"type":"string"})", "Those for this host."},
    {"limit", R"({"type":"integer","minimum":1,"maximum":1000})", "As many, at most."},
    {"method", R"({"type":"string","default":"GET"})", "The method of the request."},
    {"ended", R"({"type":"boolean"})", "Those that have ended within a week, too."},
    {"reason", R"({"type":"string"})", "Those that ended for this reason, a code as the access log has it."},
    {"ttl", R"({"type":"integer","minimum":60,"maximum":86400,"default":3600})", "Seconds that the token is good for."},
    {"wait", R"({"type":"string"})",
     "Of a begin: `drained`, or `0` for an answer when it has begun. Of a release: seconds, 30 at most unless it says "
     "more."},
    {"url", R"({"type":"string"})", "An http or https URL; a host alone is taken as https."},
});

std::string_view name_of(http::Method method) {
  switch (method) {
    case http::Method::kPut:
      return "put";
    case http::Method::kPost:
      return "post";
    case http::Method::kPatch:
      return "patch";
    case http::Method::kDelete:
      return "delete";
    default:
      return "get";
  }
}

// `get_v1_sites_name`: the call by a word, for generators of clients.
std::string operation_id(const ApiRoute& route) {
  std::string id(name_of(route.method));
  for (const char c : route.pattern) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_plain) {
      id += c;
    } else if (id.back() != '_') {
      id += '_';
    }
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out.append(",\"").append(name).append("\":");
  append_json_string(out, text);
}

std::string header_parameter(std::string_view name, std::string_view meaning) {
  std::string out = R"({"in":"header","schema":{"type":"string"})";
  append_member(out, "name", name);
  append_member(out, "description", meaning);
  return out += '}';
}

std::string parameters_of(const ApiRoute& route) {
  std::vector<std::string> all;
  for (auto rest = route.pattern; rest.find('{') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('{') + 1);
    std::string one = R"({"in":"path","required":true,"schema":{"type":"string"})";
    append_member(one, "name", rest.substr(0, rest.find('}')));
    all.push_back(one + '}');
  }
  for (const auto name : route.query) {
    std::string one = R"({"in":"query")";
    append_member(one, "name", name);
    const auto* const known =
        std::find_if(kParameters.begin(), kParameters.end(), [&](const auto& each) { return each.name == name; });
    if (known != kParameters.end()) {
      one.append(",\"schema\":").append(known->schema);
      append_member(one, "description", known->meaning);
    }
    all.push_back(one + '}');
  }
  if (route.method != http::Method::kGet) {
    all.push_back(header_parameter("If-Match", "The revision that the caller knows: 412 when there is a newer one."));
    all.push_back(header_parameter("Idempotency-Key",
                                   "A name for this call: repeated under it, the call is carried out once and "
                                   "answered as it was. Kept for a day."));
  }
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : ",") + one;
  return "[" + out + "]";
}

// `gives` and `takes` are the name of a schema, or a media type of which there is nothing more to say.
std::string content_of(std::string_view what) {
  const bool is_media_type = what.find('/') != std::string_view::npos;
  std::string out = "{";
  append_json_string(out, is_media_type ? what : "application/json");
  out += is_media_type ? R"(:{"schema":{"type":"string"}}})" : ":{\"schema\":{\"$ref\":\"#/components/schemas/";
  if (!is_media_type) out.append(what).append("\"}}}");
  return out;
}

std::string responses_of(const ApiRoute& route) {
  std::string out = R"({"200":{"description":"Done","content":)" + content_of(route.gives) + '}';
  if (route.gives == "Written") {
    out += R"(,"202":{"description":"Stored, but not yet served by every worker","content":)" +
           content_of(route.gives) + '}';
  }
  out += R"(,"default":{"description":"Refused; `code` says why","content":{"application/problem+json":)"
         R"({"schema":{"$ref":"#/components/schemas/Problem"}}}}})";
  return out;
}

std::string_view security_of(const ApiRoute& route) {
  if (route.access == ApiRoute::Access::kPublic) return "[]";
  return route.access == ApiRoute::Access::kPublicOnLoopback ? R"([{},{"token":[]}])" : R"([{"token":[]}])";
}

std::string operation_of(const ApiRoute& route) {
  std::string out = "{\"operationId\":";
  append_json_string(out, operation_id(route));
  append_member(out, "summary", route.summary);
  out.append(",\"security\":").append(security_of(route));
  if (route.access != ApiRoute::Access::kPublic) append_member(out, "x-role", to_string(route.role));
  out += ",\"parameters\":" + parameters_of(route);
  if (!route.takes.empty()) {
    out += ",\"requestBody\":{\"required\":true,\"x-most-bytes\":" + std::to_string(route.body_limit) +
           ",\"content\":" + content_of(route.takes) + '}';
  }
  return out + ",\"responses\":" + responses_of(route) + '}';
}
}  // namespace

std::string write_openapi(const std::vector<ApiRoute>& routes, std::string_view version) {
  std::map<std::string_view, std::string> paths;
  for (const auto& route : routes) {
    if (route.is_page) continue;
    auto& path = paths[route.pattern];
    path.append(path.empty() ? "\"" : ",\"").append(name_of(route.method)).append("\":") += operation_of(route);
  }
  std::string out = R"({"openapi":"3.1.0","info":{"title":"Hybridge, admin API")";
  append_member(out, "version", version);
  append_member(out, "description", kIntroduction);
  out += R"(},"servers":[{"url":"/"}],"paths":{)";
  for (const auto& [pattern, operations] : paths) {
    if (out.back() != '{') out += ',';
    append_json_string(out, pattern);
    out += ":{" + operations + '}';
  }
  out += R"(},"components":{"securitySchemes":{"token":{"type":"http","scheme":"bearer"}},"schemas":{)";
  return out.append(kOpenApiSchemas).append("}}}\n");
}

void add_openapi_route(std::vector<ApiRoute>& routes, std::string_view version) {
  routes.push_back({.pattern = "/v1/openapi.json", .is_instant = true, .summary = "This document", .gives = "OpenApi"});
  const auto document = std::make_shared<const std::string>(write_openapi(routes, version));
  routes.back().run = [document](const ApiRequest&, const Answered& answered) {
    ApiAnswer answer;
    answer.body = *document;
    answered(std::move(answer));
  };
}

}  // namespace hybridge
