#include "admin/page_api.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "admin/admission.h"
#include "admin/hold_json.h"
#include "admin/holds_api.h"
#include "admin/page_frame.h"
#include "admin/page_guard.h"
#include "admin/patience.h"
#include "admin/problem.h"
#include "admin/reasons.h"
#include "admin/status_page.h"
#include "base/host_name.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kServers = 50;  // shown, those that want attention first
constexpr std::size_t kHolds = 50;
constexpr std::size_t kExpiring = 20;
constexpr std::size_t kFailures = 25;
constexpr std::size_t kFormBytes = 8192;
constexpr auto kReleaseWait = std::chrono::seconds(1);  // so that most answers can say that it is over

struct Pages {
  PageApi api;
  FormTokens tokens = {};

  HoldRegistry& holds() const { return *api.inquiry.holds; }
};
using Shared = std::shared_ptr<const Pages>;
using Fields = std::map<std::string, std::string, std::less<>>;

std::string field(const Fields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

// --- Facts

using Health = PageFacts::ServerLine::Health;

// What the workers last saw of each server, the latest of all.
std::map<std::string_view, Health> seen_by(const std::vector<const WorkerCounters*>& workers) {
  std::map<std::string_view, std::uint64_t> latest;
  for (const auto* worker : workers) {
    for (const auto* server = worker->servers(); server; server = server->next) {
      auto& seen = latest[server->name];
      seen = std::max(seen, server->seen.load(std::memory_order_relaxed));
    }
  }
  std::map<std::string_view, Health> all;
  for (const auto& [name, seen] : latest) {
    if (seen != 0) all[name] = (seen & 1) != 0 ? Health::kUp : Health::kDown;
  }
  return all;
}

void take_servers(const PageApi& api, const Snapshot& table, PageFacts& facts) {
  const auto states = api.health ? api.health() : ServerStates();
  const auto seen = seen_by(api.inquiry.workers.counters);
  table.for_each_server([&](const std::shared_ptr<const Server>& server) {
    PageFacts::ServerLine line{.name = server->name, .endpoints = server->endpoints.size(), .why = {}};
    if (const auto found = seen.find(server->name); found != seen.end()) line.seen = found->second;
    if (const auto found = states.find(server->name); found != states.end()) {
      const auto& state = found->second;
      line.probed = state.is_up ? Health::kUp : Health::kDown;
      line.since = state.since_ms / 1000;
      for (const auto& endpoint : state.endpoints) {
        if (endpoint.is_up) continue;
        ++line.endpoints_down;
        if (line.why.empty()) line.why = endpoint.endpoint + ": " + endpoint.fault;
      }
    }
    facts.servers.push_back(std::move(line));
  });
  const auto rank = [](const auto& line) { return line.is_down() ? 0 : line.wants_attention() ? 1 : 2; };
  std::sort(facts.servers.begin(), facts.servers.end(),
            [&](const auto& a, const auto& b) { return rank(a) != rank(b) ? rank(a) < rank(b) : a.name < b.name; });
  if (facts.servers.size() > kServers) facts.servers.resize(kServers);
}

void take_process(const PageApi& api, const ApiRequest& request, PageFacts& facts) {
  facts.process = api.status.status();
  facts.not_ready = why_not_ready(api.status, facts.process);
  facts.server_name = api.inquiry.config()->server_name;
  facts.who = request.who;
  facts.may_hold = may(request.role, Role::kHold);
  facts.has_holds = api.inquiry.holds != nullptr;
  facts.now = api.status.now();
  const auto tip = api.status.publisher.tip();
  facts.revision = tip.snapshot->revision();
  facts.server_count = tip.snapshot->server_count();
  facts.site_count = tip.snapshot->site_count();
  facts.host_count = tip.snapshot->host_count();
  facts.certificate_count = tip.certificates->size();
  facts.expiring = expiring_certificates(*tip.certificates, facts.now);
  facts.expiring_count = facts.expiring.size();
  if (facts.expiring.size() > kExpiring) facts.expiring.resize(kExpiring);
  if (api.traffic) facts.traffic = api.traffic();
  for (const auto* worker : api.inquiry.workers.counters) facts.in_flight += worker->requests_in_flight.value();
  take_servers(api, *tip.snapshot, facts);
  facts.asked_host = field(request.query, "host");
  if (facts.asked_host.empty()) return;
  auto steps = explain_now(api.inquiry, facts.asked_host);
  if (steps) {
    facts.explained = std::move(*steps);
  } else {
    facts.explain_fault = steps.error().detail;
  }
}

PageFacts::Failure failure_of(const RecentRequest& request) {
  const auto record = request.record();
  return {.at = (record.start_ms + record.timings.total / 1000) / 1000,
          .status = record.status,
          .method = std::string(record.method),
          .host = std::string(record.host),
          .path = std::string(record.target.substr(0, record.target.find('?'))),
          .server = std::string(record.server),
          .reason = std::string(code(record.reason)),
          .meaning = std::string(record.reason == Reason::kOk ? "the server's own answer" : meaning_of(record.reason)),
          .detail = std::string(record.detail),
          .request_id = std::string(record.request_id)};
}

// What the registry and the workers know comes by their own threads, one after the other.
using Gathered = std::function<void(const PageFacts&)>;

void take_failures(const PageApi& api, const std::shared_ptr<PageFacts>& facts, Gathered done) {
  if (!api.inquiry.workers.recent_failures) return done(*facts);
  using Found = std::vector<RecentRequest>;
  const auto take = [facts, done = std::move(done)](const std::optional<Found>& found) {
    if (found) {
      facts->failures.emplace();
      for (const auto& request : *found) facts->failures->push_back(failure_of(request));
    }
    done(*facts);
  };
  const auto& workers = api.inquiry.workers;
  workers.recent_failures(kFailures, within<Found>(workers.patience, api.inquiry.executor, take));
}

void gather(const Shared& pages, const ApiRequest& request, Gathered done) {
  const auto facts = std::make_shared<PageFacts>();
  take_process(pages->api, request, *facts);
  if (!facts->has_holds) return take_failures(pages->api, facts, std::move(done));
  const auto id = field(request.query, "window");
  pages->holds().list(false, [pages, facts, id, done = std::move(done)](std::vector<HoldReply> all) {
    facts->hold_count = all.size();
    if (all.size() > kHolds) all.resize(kHolds);
    facts->holds = std::move(all);
    if (id.empty()) return take_failures(pages->api, facts, done);
    pages->holds().find(id, [pages, facts, done](const HoldReply& reply) {
      facts->told = reply;
      take_failures(pages->api, facts, done);
    });
  });
}

void show_page(const Shared& pages, const ApiRequest& request, const Answered& answered) {
  gather(pages, request, [answered](const PageFacts& facts) {
    const auto title = facts.server_name.empty() ? "Hybridge" : facts.server_name + " · Hybridge";
    answered(page_answer(200, {.title = title, .is_live = true}, render_status(facts)));
  });
}

// --- Forms

void show(const Confirmation& confirmation, const Answered& answered) {
  answered(page_answer(200, {.title = confirmation.title}, render_confirmation(confirmation)));
}

void lead_back(const std::string& window, const Answered& answered) {
  ApiAnswer answer;
  answer.status = 303;
  answer.headers = {{"Location", "/?window=" + window}};
  answered(std::move(answer));
}

// What went wrong; nothing: it did not.
std::optional<ApiAnswer> refusal_of(const HoldReply& reply, std::string_view title) {
  const auto status = hold_answer(reply).status;
  if (status == 200 && reply.record) return std::nullopt;
  return notice_page(status == 200 ? 409 : status, title, reply.why);
}

void refuse_token(const Answered& answered) {
  answered(notice_page(403, "Not done",
                       "This form was not made for this login and this deed, or Hybridge has been started anew since. "
                       "Nothing was changed: begin again from the status page."));
}

struct HoldForm {
  std::string scope;
  std::string name;
  std::string reason;
  std::string lease;

  explicit HoldForm(const Fields& fields)
      : scope(field(fields, "scope")),
        name(field(fields, "name")),
        reason(field(fields, "reason")),
        lease(field(fields, "lease")) {}

  std::string token(const FormTokens& tokens, std::string_view who) const {
    return tokens.make(who, {"hold", scope, name, reason, lease});
  }

  // As POST /v1/holds would read it.
  std::optional<HoldBegin> begin(const ApiRequest& request, std::int64_t now, const Answered& answered) const {
    json::object body{{"scope", {{scope, name}}}, {"reason", reason}};
    if (!lease.empty()) body["lease"] = lease;
    Faults faults;
    auto begin = read_begin(body, now * 1000, faults);
    if (!begin) {
      const auto& fault = faults.kept().front();
      answered(notice_page(422, "That cannot be held", fault.path + " " + fault.message));
      return std::nullopt;
    }
    begin->who = request.who;
    return begin;
  }
};

void ask_hold(const Shared& pages, const ApiRequest& request, const Answered& answered) {
  const HoldForm form(request.query);
  auto begin = form.begin(request, pages->api.status.now(), answered);
  if (!begin) return;
  begin->dry_run = true;
  const auto lease = begin->wishes.lease_ms / 1000;
  pages->holds().begin(std::move(*begin), [pages, form, lease, who = request.who, answered](const HoldReply& reply) {
    if (auto refusal = refusal_of(reply, "That cannot be held")) return answered(std::move(*refusal));
    const auto what = scope_text(reply.record->scope);
    Confirmation confirmation;
    confirmation.title = "Hold " + what + "?";
    confirmation.text =
        reply.kind == HoldReply::Kind::kJoined
            ? "It is held already, by window " + reply.record->id + ", which this joins: it ends when both have ended."
            : "From now on its requests wait at the edge; those under way are let end. Released by "
              "hand, or given up after " +
                  duration_text(lease) + ": then whoever waits sees the waiting page.";
    confirmation.action = "/hold";
    confirmation.button = "Hold " + form.name;
    confirmation.fields = {{"scope", form.scope},
                           {"name", form.name},
                           {"reason", form.reason},
                           {"lease", form.lease},
                           {"token", form.token(pages->tokens, who)}};
    show(confirmation, answered);
  });
}

void begin_hold(const Shared& pages, const ApiRequest& request, const Fields& fields, const Answered& answered) {
  const HoldForm form(fields);
  if (!pages->tokens.is_good(field(fields, "token"), request.who,
                             {"hold", form.scope, form.name, form.reason, form.lease})) {
    return refuse_token(answered);
  }
  auto begin = form.begin(request, pages->api.status.now(), answered);
  if (!begin) return;
  pages->holds().begin(std::move(*begin), [answered](const HoldReply& reply) {
    if (auto refusal = refusal_of(reply, "Not held")) return answered(std::move(*refusal));
    lead_back(reply.record->id, answered);
  });
}

void ask_release(const Shared& pages, const ApiRequest& request, const Answered& answered) {
  const auto id = field(request.query, "id");
  pages->holds().find(id, [pages, who = request.who, answered](const HoldReply& reply) {
    if (auto refusal = refusal_of(reply, "There is no such window")) return answered(std::move(*refusal));
    const auto& record = *reply.record;
    if (!record.is_live()) return lead_back(record.id, answered);
    const auto what = scope_text(record.scope);
    Confirmation confirmation;
    confirmation.title = "Release " + what + "?";
    confirmation.text = "Window " + record.id + ", begun by " + (record.who.empty() ? "nobody known" : record.who) +
                        (record.reason.empty() ? "" : " (" + record.reason + ")") + ": " +
                        std::to_string(reply.counts.waiting) +
                        " requests wait. They go on in their order, as fast as the site took them before.";
    confirmation.action = "/release";
    confirmation.button = "Release " + record.scope.name;
    confirmation.fields = {{"id", record.id}, {"token", pages->tokens.make(who, {"release", record.id})}};
    show(confirmation, answered);
  });
}

void release(const Shared& pages, const ApiRequest& request, const Fields& fields, const Answered& answered) {
  const auto id = field(fields, "id");
  if (!pages->tokens.is_good(field(fields, "token"), request.who, {"release", id})) return refuse_token(answered);
  HoldRelease release;
  release.id = id;
  release.who = request.who;
  pages->holds().release(std::move(release), [pages, answered](const HoldReply& reply) {
    if (auto refusal = refusal_of(reply, "Not released")) return answered(std::move(*refusal));
    const auto window = reply.record->id;
    pages->holds().await_ended(window, kReleaseWait,
                               [window, answered](const HoldReply&) { lead_back(window, answered); });
  });
}
}  // namespace

void add_page_routes(std::vector<ApiRoute>& routes, const PageApi& api) {
  const auto pages = std::make_shared<const Pages>(Pages{api});
  const auto add = [&](ApiRoute route, auto run) {
    route.is_page = true;
    route.gives = "text/html";
    route.run = [pages, run](const ApiRequest& request, const Answered& answered) {
      if (!is_own_host(request.host, *pages->api.inquiry.config())) {
        return answered(problem(421, "wrong_host",
                                in_quotes(request.host) + " is no name of this page: localhost, server_name, or an "
                                                          "address that admin.listen has"));
      }
      run(pages, request, answered);
    };
    routes.push_back(std::move(route));
  };
  add({.pattern = "/", .query = {"host", "window"}, .summary = "The status page"}, show_page);
  if (!api.inquiry.holds) return;
  const auto add_form = [&](std::string_view path, std::vector<std::string_view> query, auto ask, auto act) {
    add({.pattern = path, .role = Role::kHold, .query = std::move(query), .summary = "Asks whether it is meant"}, ask);
    add({.method = http::Method::kPost,
         .pattern = path,
         .role = Role::kHold,
         .body_limit = kFormBytes,
         .summary = "Does it"},
        [act](const Shared& its, const ApiRequest& request, const Answered& answered) {
          Fields fields;
          if (!parse_query(request.body, fields)) return refuse_token(answered);
          act(its, request, fields, answered);
        });
  };
  add_form("/hold", {"scope", "name", "reason", "lease"}, ask_hold, begin_hold);
  add_form("/release", {"id"}, ask_release, release);
}

}  // namespace hybridge
