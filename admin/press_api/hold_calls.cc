#include "admin/press_api/hold_calls.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "admin/hold_json.h"
#include "admin/press_api/job_call.h"
#include "admin/press_api/press_api.h"
#include "base/host_name.h"

namespace hybridge {

namespace {
// A control plane gives a call up after 30 s: the window is in force, and goes on draining.
constexpr std::int64_t kMostDrainMs = 8'000;
constexpr std::int64_t kLongestSeconds = 30 * 24 * 3600;

// Seconds, as a number; nothing: as it is by default.
void take_seconds(JobCall& call, std::string_view key, std::int64_t& ms) {
  const auto* object = call.body().if_object();
  const auto* member = object ? object->if_contains(key) : nullptr;
  if (!member || member->is_null()) return;
  const auto* seconds = member->if_int64();
  if (!seconds || *seconds < 1 || *seconds > kLongestSeconds) {
    return call.faults.add(std::string(key), "must be a whole number of seconds, from 1 up");
  }
  ms = *seconds * 1000;
}

std::string spelled(const std::string& name) {
  auto normal = normalize_host_name(name);
  return normal ? std::move(*normal) : name;
}

HoldScope scope_of(JobCall& call) {
  HoldScope scope{false, spelled(call.parameter(1)), {}};
  for (const auto& domain : call.optional_texts("extra_domains")) scope.extra.push_back(spelled(domain));
  std::erase(scope.extra, scope.name);
  return scope;
}

// The sites that are one for their users: told in many calls, for those that come by other ways.
void learn_group(HoldRegistry& holds, const JobCall& call, const HoldScope& scope) {
  const auto* object = call.body().if_object();
  if (object && object->contains("extra_domains")) holds.learn_group(scope.name, scope.extra);
}

std::string id_of(JobCall& call) {
  auto id = call.text("hold_id");
  if (!id.empty() && !is_hold_id(id)) {
    call.faults.add("hold_id", "is no id of a window: up to 64 letters, digits, '-', '_' and '.'");
  }
  return id;
}

HoldBegin read_hold(JobCall& call) {
  HoldBegin begin;
  begin.id = id_of(call);
  begin.scope = scope_of(call);
  const auto* object = call.body().if_object();
  if (object && object->contains("reason")) begin.reason = call.text("reason");
  auto& wishes = begin.wishes;
  take_seconds(call, "drain_timeout", wishes.drain_timeout_ms);
  wishes.drain_timeout_ms = std::min(wishes.drain_timeout_ms, kMostDrainMs);
  take_seconds(call, "lease", wishes.lease_ms);
  // Longer than that nobody is kept waiting: then its users see the page.
  auto most = wishes.hard_max_ms;
  take_seconds(call, "max_hold", most);
  wishes.lease_ms = std::min(wishes.lease_ms, most);
  if (object && object->contains("on_expire")) {
    const auto word = call.text("on_expire");
    if (const auto known = to_on_expire(word)) {
      wishes.on_expire = *known;
    } else {
      call.faults.add("on_expire", in_quotes(word) + " is neither page nor pass");
    }
  }
  return begin;
}

// A job of one step that is done, or has failed for a reason.
Job made(const std::string& name, std::optional<std::string> why_not) {
  return {name,
          [name, why_not = std::move(why_not)](Draft& draft) -> Result<void> {
            draft.step(name);
            if (why_not) return make_error(Reason::kInvalid, *why_not);
            return {};
          },
          true};
}

bool is_refusal(const HoldReply& reply) {
  using Kind = HoldReply::Kind;
  return reply.kind == Kind::kNotFound || reply.kind == Kind::kConflict || reply.kind == Kind::kNotStored ||
         reply.kind == Kind::kNotLive;
}

// `{"job": 4711}` with what became of the window beside it.
Answered with_hold(const HoldReply& reply, Answered answered) {
  return [hold = to_json(reply), answered = std::move(answered)](ApiAnswer answer) {
    if (answer.status == 200 && answer.body.ends_with('}')) {
      answer.body.pop_back();
      answer.body += ",\"hold\":" + hold + '}';
    }
    answered(std::move(answer));
  };
}

void finish(JobRunner& runner, const ApiRequest& request, const std::string& name, const HoldReply& reply,
            Answered answered) {
  const auto why = is_refusal(reply) ? std::optional<std::string>(reply.why) : std::nullopt;
  runner.run(request, made(name, why), with_hold(reply, std::move(answered)));
}

void hold(JobRunner& runner, HoldRegistry& holds, const ApiRequest& request, Answered answered) {
  HoldBegin begin;
  auto refusal = read_call(request, PressApi::kBodyBytes, [&](JobCall& call) {
    begin = read_hold(call);
    if (call.faults.empty()) learn_group(holds, call, begin.scope);
  });
  if (refusal) return answered(std::move(*refusal));
  begin.who = request.who;
  holds.begin(std::move(begin), [&runner, &holds, request, answered = std::move(answered)](const HoldReply& reply) {
    if (is_refusal(reply)) return finish(runner, request, "Hold Site", reply, answered);
    holds.await_drained(reply.record->id, [&runner, request, answered](const HoldReply& drained) {
      finish(runner, request, "Hold Site", drained, answered);
    });
  });
}

void release(JobRunner& runner, HoldRegistry& holds, const ApiRequest& request, Answered answered) {
  HoldRelease release;
  auto refusal = read_call(request, PressApi::kBodyBytes, [&](JobCall& call) {
    release.id = id_of(call);
    const auto* object = call.body().if_object();
    if (!object || !object->contains("outcome")) return;
    const auto outcome = call.text("outcome");
    if (outcome == "failure" || outcome == "rolled_back") {
      release.result = HoldResult::kAborted;
    } else if (outcome != "success") {
      call.faults.add("outcome", in_quotes(outcome) + " is none of success, failure, rolled_back");
    }
  });
  if (refusal) return answered(std::move(*refusal));
  release.who = request.who;
  holds.release(std::move(release), [&runner, request, answered = std::move(answered)](const HoldReply& reply) {
    finish(runner, request, "Release Site", reply, answered);
  });
}

void list(HoldRegistry& holds, const Answered& answered) {
  holds.list(false, [answered](const std::vector<HoldReply>& all) {
    ApiAnswer answer;
    answer.body = "{\"holds\":[";
    for (const auto& reply : all) {
      if (answer.body.back() != '[') answer.body += ',';
      answer.body += to_json(reply);
    }
    answer.body += "]}";
    answered(std::move(answer));
  });
}
}  // namespace

void add_hold_calls(std::vector<ApiRoute>& routes, JobRunner& runner, HoldRegistry& holds) {
  const auto add = [&](http::Method method, std::string_view pattern,
                       std::function<void(const ApiRequest&, Answered)> run) {
    routes.push_back({.method = method,
                      .pattern = pattern,
                      .body_limit = method == http::Method::kGet ? 0 : PressApi::kBodyBytes,
                      .run = std::move(run)});
  };
  add(http::Method::kPost, "/proxy/upstreams/{upstream}/sites/{site}/hold",
      [&](const ApiRequest& request, Answered answered) { hold(runner, holds, request, std::move(answered)); });
  add(http::Method::kPost, "/proxy/upstreams/{upstream}/sites/{site}/release",
      [&](const ApiRequest& request, Answered answered) { release(runner, holds, request, std::move(answered)); });
  add(http::Method::kGet, "/proxy/holds", [&](const ApiRequest&, const Answered& answered) { list(holds, answered); });
}

void run_status_call(HoldRegistry& holds, const ApiRequest& request, RunCall run, Answered answered) {
  HoldBegin begin;
  std::string status;
  auto refusal = read_call(request, PressApi::kBodyBytes, [&](JobCall& call) {
    status = call.text("status");
    begin.scope = scope_of(call);
    if (call.faults.empty()) learn_group(holds, call, begin.scope);
  });
  if (refusal) return answered(std::move(*refusal));
  const auto site = begin.scope.name;
  if (status == "hold") {
    begin.claim = {HoldClaim::Kind::kStatus, ""};
    begin.reason = "status hold";
    begin.who = request.who;
    holds.begin(std::move(begin), [run = std::move(run), answered = std::move(answered)](const HoldReply& reply) {
      run(with_hold(reply, answered));
    });
    return;
  }
  if (status != "activated") return run(std::move(answered));
  // First the site is active again, then those who wait for it go on.
  run([&holds, site, who = request.who, answered = std::move(answered)](const ApiAnswer& answer) {
    const auto end = [&holds, site, who](HoldClaim::Kind kind, HoldRegistry::Done done) {
      holds.end_claims(site, {kind, ""}, HoldResult::kReleased, who, std::move(done));
    };
    end(HoldClaim::Kind::kInBand, [end, answered, answer](const HoldReply&) {
      end(HoldClaim::Kind::kStatus, [answered, answer](const HoldReply&) { answered(answer); });
    });
  });
}

}  // namespace hybridge
