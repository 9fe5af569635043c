// What a call of the admin API is made of: the request as its handler sees it, the answer, and the table of routes.
// Values; no sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/records.h"
#include "base/task.h"
#include "proxy/downstream/stream.h"
#include "proxy/http/message.h"

namespace hybridge {

struct Receipt;

struct ApiRequest {
  std::string action;                   // `PUT /v1/snapshot`, for the audit
  std::string who;                      // a token's name; `uid` of the socket; "" where no token is asked for
  std::vector<std::string> parameters;  // what stands for {…} in the pattern, decoded
  std::map<std::string, std::string, std::less<>> query;
  std::string if_match;
  std::string if_none_match;
  std::string agent_job_id;  // X-Agent-Job-Id, by which a control plane knows its calls of the press API
  std::string last_event_id;
  std::string idempotency_key;
  std::string body;
  Role role = Role::kRead;  // the caller's
  std::string host;         // of the Host field, without port; IPv6 in brackets

  std::shared_ptr<Receipt> receipt = {};  // goes with the write; null: the call has no Idempotency-Key

  const std::string& parameter() const { return parameters.front(); }
};

struct ApiAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// Called once, on any thread.
using Answered = std::function<void(ApiAnswer)>;

// Runs work on the loop that a stream belongs to; from any thread.
using LoopPost = std::function<void(std::function<void()>)>;

struct ApiRoute {
  enum class Access : std::uint8_t {
    kPublic,            // nobody is asked: probes
    kPublicOnLoopback,  // else the role
    kToken,
  };
  http::Method method = http::Method::kGet;
  std::string_view pattern;  // `/v1/certificates/{host}`
  Access access = Access::kToken;
  Role role = Role::kRead;
  std::size_t body_limit = 0;                // bytes; 0: no body is read
  std::vector<std::string_view> query = {};  // the parameters there are; others are refused, for they are typing errors
  bool is_page = false;                      // for people with a browser; not described to programs
  bool is_instant = false;                   // needs no background thread
  // For the description of the API (admin/openapi.h): what the call does, in a few words; the schema of its body, ""
  // when it takes none; the schema of its answer, or that answer's media type.
  std::string_view summary = {};
  std::string_view takes = {};
  std::string_view gives = {};
  // On a background thread, unless it is instant; must not block for long.
  std::function<void(const ApiRequest&, Answered)> run = {};
  // Instead of `run`, for an answer without end: on the loop of the stream, which it answers by itself.
  std::function<Task<void>(std::shared_ptr<const ApiRequest>, Stream&, const LoopPost&)> stream = {};
};

// Finds the route of a method and path. The error is the answer: 404, 405 with Allow, 400 for a path that cannot be
// decoded.
struct ApiMatch {
  const ApiRoute* route = nullptr;
  ApiAnswer refusal;  // when there is no route
  std::vector<std::string> parameters;
};
ApiMatch match_route(const std::vector<ApiRoute>& routes, http::Method method, std::string_view path);

// `a=1&b` → its parts, decoded; false: it cannot be.
bool parse_query(std::string_view text, std::map<std::string, std::string, std::less<>>& query);

// `?dry_run`, `?dry_run=true`, `=1`; false for `=false`, `=0` and when it is not there.
bool is_set(const ApiRequest& request, std::string_view parameter);

// A parameter that is a number; `otherwise` where it is not there, nullopt where it is none, or out of range.
std::optional<std::int64_t> number_of(const ApiRequest& request, std::string_view parameter, std::int64_t least,
                                      std::int64_t most, std::int64_t otherwise);

// Is one of the entity tags of If-Match (or If-None-Match) this revision's? `*` is any that exists (revision > 0).
bool names_revision(std::string_view tags, std::uint64_t revision);
std::string entity_tag(std::uint64_t revision);  // `"41"`

}  // namespace hybridge
