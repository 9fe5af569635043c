#include "admin/holds_api.h"

#include <chrono>
#include <memory>
#include <optional>

#include "admin/hold_json.h"
#include "admin/problem.h"
#include "base/host_name.h"
#include "proxy/hold_preview.h"
#include "routing/json_reader.h"
#include "routing/record_reader.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kBodyBytes = 64 * 1024;
constexpr auto kReleaseWait = std::chrono::seconds(30);
constexpr std::int64_t kLongestWait = 300;        // seconds
constexpr std::int64_t kLongestPreview = 86'400;  // seconds

// The body as an object; an empty one is {}. nullopt: `refusal` says why.
template <class Read>
bool with_body(const ApiRequest& request, ApiAnswer& refusal, Read read) {
  json::monotonic_resource memory;
  Faults faults;
  const json::object nothing;
  const auto* value =
      request.body.empty() ? nullptr : read_json(request.body, {.bytes = kBodyBytes, .depth = 8}, memory, faults);
  if (!request.body.empty() && !value) {
    refusal = problem(400, "bad_json", "the body " + faults.kept().front().message, faults);
    return false;
  }
  const auto* object = value ? take_object(*value, "", faults) : &nothing;
  if (object) read(*object, faults);
  if (faults.empty()) return true;
  refusal = problem(422, "invalid_document", "nothing was changed: the body has faults", faults);
  return false;
}

// `wait=20`: so many seconds at most; nullopt: it is none.
std::optional<Duration> release_wait(const ApiRequest& request) {
  const auto found = request.query.find("wait");
  if (found == request.query.end() || found->second == "released") return kReleaseWait;
  const auto seconds = number_of(request, "wait", 0, kLongestWait, 0);
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

void begin(const HoldsApi& api, const ApiRequest& request, const std::string& id, const Answered& answered) {
  const auto wait = request.query.find("wait");
  const bool waits = wait != request.query.end() && wait->second != "0";
  if (waits && wait->second != "drained") {
    return answered(problem(400, "bad_query", "wait is drained, or 0: to be answered when the window has begun"));
  }
  std::optional<HoldBegin> begin;
  ApiAnswer refusal;
  const bool is_sound = with_body(request, refusal, [&](const json::object& body, Faults& faults) {
    begin = read_begin(body, api.now() * 1000, faults);
    if (begin && !id.empty() && !begin->id.empty() && begin->id != id) faults.add("id", "is another than in the path");
  });
  if (!is_sound) return answered(std::move(refusal));
  if (!id.empty()) begin->id = id;
  begin->who = request.who;
  begin->dry_run = begin->dry_run || is_set(request, "dry_run");
  const bool is_dry = begin->dry_run;
  api.registry.begin(std::move(*begin), [&registry = api.registry, waits = waits && !is_dry,
                                         answered](const HoldReply& reply) {
    const bool is_on = reply.kind == HoldReply::Kind::kBegun || reply.kind == HoldReply::Kind::kRenewed ||
                       reply.kind == HoldReply::Kind::kJoined;
    if (!waits || !is_on) return answered(hold_answer(reply));
    registry.await_drained(reply.record->id, [answered](const HoldReply& drained) { answered(hold_answer(drained)); });
  });
}

void release(const HoldsApi& api, const ApiRequest& request, HoldResult result, const Answered& answered) {
  const auto wait = release_wait(request);
  if (!wait) return answered(problem(400, "bad_query", "wait is a number of seconds, up to 300"));
  HoldRelease release;
  ApiAnswer refusal;
  const bool is_sound = with_body(request, refusal, [&](const json::object& body, Faults& faults) {
    refuse_unknown_keys(body, {"outcome", "server", "if_revision"}, "", faults);
    release.server = std::string(take_string(body, "server", "", faults).value_or(""));
    const auto outcome = take_string(body, "outcome", "", faults).value_or(to_string(result));
    if (outcome == "aborted") {
      result = HoldResult::kAborted;
    } else if (outcome != "released") {
      faults.add("outcome", in_quotes(outcome) + " is neither released nor aborted");
    }
    const auto* revision = body.if_contains("if_revision");
    if (!revision) return;
    if (revision->is_int64() && revision->get_int64() >= 0) {
      release.if_revision = static_cast<std::uint64_t>(revision->get_int64());
    } else {
      faults.add("if_revision", "must be a revision of the table: a whole number");
    }
  });
  if (!is_sound) return answered(std::move(refusal));
  release.id = request.parameter();
  release.result = result;
  release.who = request.who;
  api.registry.release(std::move(release), [&registry = api.registry, wait = *wait, answered](const HoldReply& reply) {
    const bool is_under_way = reply.record && reply.record->state == HoldState::kReleasing;
    if (!is_under_way || wait == Duration::zero() || reply.kind == HoldReply::Kind::kNoop) {
      return answered(hold_answer(reply));
    }
    registry.await_ended(reply.record->id, wait, [answered](const HoldReply& ended) { answered(hold_answer(ended)); });
  });
}

void list(const HoldsApi& api, const ApiRequest& request, const Answered& answered) {
  api.registry.list(is_set(request, "ended"), [answered](const std::vector<HoldReply>& all) {
    ApiAnswer answer;
    answer.body = "{\"holds\":[";
    for (const auto& reply : all) {
      if (answer.body.back() != '[') answer.body += ',';
      answer.body += to_json(reply);
    }
    answer.body += "]}\n";
    answered(std::move(answer));
  });
}

void preview(const HoldsApi& api, const ApiRequest& request, const Answered& answered) {
  const auto seconds = number_of(request, "ttl", 60, kLongestPreview, 3600);
  if (!seconds) return answered(problem(400, "bad_query", "ttl is a number of seconds from 60 to 86400"));
  const auto secret = api.registry.preview_secret(request.parameter());
  if (secret.empty()) {
    return answered(problem(404, "not_found", "there is no window " + in_quotes(request.parameter()) + " that is on"));
  }
  const auto token = make_preview_token(secret, request.parameter(), api.now() + *seconds);
  ApiAnswer answer;
  answer.body = "{\"token\":";
  append_json_string(answer.body, token);
  answer.body += ",\"cookie\":";
  append_json_string(answer.body, std::string(kPreviewCookie) + '=' + token);
  answer.body += ",\"header\":";
  append_json_string(answer.body, std::string(kPreviewHeader).append(": ").append(token));
  answer.body += "}\n";
  answered(std::move(answer));
}

bool take_id(const ApiRequest& request, const Answered& answered) {
  if (is_hold_id(request.parameter())) return true;
  answered(problem(400, "bad_name", in_quotes(request.parameter()) + " is no id of a window"));
  return false;
}
}  // namespace

ApiAnswer hold_answer(const HoldReply& reply) {
  using Kind = HoldReply::Kind;
  switch (reply.kind) {
    case Kind::kNotFound:
      return problem(404, "not_found", reply.why);
    case Kind::kConflict:
      return problem(409, "conflict", reply.why);
    case Kind::kNotStored:
      return problem(507, "not_stored", reply.why);
    case Kind::kNotLive:
      return problem(503, "not_live", reply.why);
    default:
      break;
  }
  ApiAnswer answer;
  answer.body = to_json(reply) + "\n";
  return answer;
}

void add_hold_routes(std::vector<ApiRoute>& routes, const HoldsApi& api) {
  using Run = std::function<void(const HoldsApi&, const ApiRequest&, const Answered&)>;
  const auto add = [&](ApiRoute route, Run run) {
    const bool is_read = route.method == http::Method::kGet;
    const bool has_id = route.pattern.find("{id}") != std::string_view::npos;
    route.role = is_read ? Role::kRead : Role::kHold;
    route.body_limit = is_read ? 0 : kBodyBytes;
    route.run = [api, has_id, run = std::move(run)](const ApiRequest& request, const Answered& answered) {
      if (!has_id || take_id(request, answered)) run(api, request, answered);
    };
    routes.push_back(std::move(route));
  };
  using http::Method;
  add({.method = Method::kPost,
       .pattern = "/v1/holds",
       .query = {"wait", "dry_run"},
       .summary = "Begins a window: requests of the site, or of a server's sites, wait",
       .takes = "HoldWish",
       .gives = "Hold"},
      [](const HoldsApi& its, const ApiRequest& request, const Answered& answered) {
        begin(its, request, "", answered);
      });
  add({.pattern = "/v1/holds", .query = {"ended"}, .summary = "The windows that are on", .gives = "Holds"}, list);
  add({.pattern = "/v1/holds/{id}", .summary = "A window, and what still runs of its site", .gives = "Hold"},
      [](const HoldsApi& its, const ApiRequest& request, const Answered& answered) {
        its.registry.find(request.parameter(), [answered](const HoldReply& reply) { answered(hold_answer(reply)); });
      });
  add({.method = Method::kPut,
       .pattern = "/v1/holds/{id}",
       .query = {"wait", "dry_run"},
       .summary = "Begins the window of that id, or renews its lease",
       .takes = "HoldWish",
       .gives = "Hold"},
      [](const HoldsApi& its, const ApiRequest& request, const Answered& answered) {
        begin(its, request, request.parameter(), answered);
      });
  add({.method = Method::kPost,
       .pattern = "/v1/holds/{id}/release",
       .query = {"wait"},
       .summary = "Lets those who wait go on, in their order",
       .takes = "HoldRelease",
       .gives = "Hold"},
      [](const HoldsApi& its, const ApiRequest& request, const Answered& answered) {
        release(its, request, HoldResult::kReleased, answered);
      });
  add({.method = Method::kPost,
       .pattern = "/v1/holds/{id}/abort",
       .query = {"wait"},
       .summary = "Gives the window up: back to the route as it was",
       .takes = "HoldRelease",
       .gives = "Hold"},
      [](const HoldsApi& its, const ApiRequest& request, const Answered& answered) {
        release(its, request, HoldResult::kAborted, answered);
      });
  add({.method = Method::kPost,
       .pattern = "/v1/holds/{id}/preview",
       .query = {"ttl"},
       .summary = "A token for one who may pass the closed gate",
       .gives = "HoldPreview"},
      preview);
}

}  // namespace hybridge
