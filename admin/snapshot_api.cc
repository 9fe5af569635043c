#include "admin/snapshot_api.h"

#include "admin/problem.h"
#include "routing/snapshot_json.h"

namespace hybridge {

namespace {
void get_snapshot(const Publisher& publisher, const ApiRequest& request, const Answered& answered) {
  const auto snapshot = publisher.tip().snapshot;
  ApiAnswer answer;
  answer.headers.emplace_back("ETag", entity_tag(snapshot->revision()));
  if (!request.if_none_match.empty() && names_revision(request.if_none_match, snapshot->revision())) {
    answer.status = 304;
  } else {
    answer.body = write_snapshot(*snapshot) + "\n";
  }
  answered(std::move(answer));
}

void put_snapshot(Publisher& publisher, const ApiRequest& request, Answered answered, std::size_t body_limit) {
  auto read = read_snapshot(request.body, {.bytes = body_limit, .depth = 16});
  if (!read.faults.empty()) {
    if (read.is_malformed) {
      return answered(problem(400, "bad_json", "the body " + read.faults.kept().front().message, read.faults));
    }
    return answered(problem(422, "invalid_document",
                            "nothing was changed: the document has " + std::to_string(read.faults.count()) + " fault" +
                                (read.faults.count() == 1 ? "" : "s"),
                            read.faults));
  }
  auto warnings = dangling_references(read.snapshot);
  Write write;
  write.who = request.who;
  write.action = request.action;
  write.dry_run = is_set(request, "dry_run");
  write.receipt = request.receipt;
  write.plan = [document = std::make_shared<const Snapshot>(std::move(read.snapshot)),
                if_match = request.if_match](const Tip& tip) {
    Plan plan;
    plan.is_conflict = !if_match.empty() && !names_revision(if_match, tip.snapshot->revision());
    if (!plan.is_conflict) plan.changes = difference(*tip.snapshot, *document);
    return plan;
  };
  publisher.submit(std::move(write),
                   [answered = std::move(answered), warnings = std::move(warnings)](const Outcome& outcome) {
                     answered(answer_write(outcome, outcome.tip.snapshot->revision(), warnings));
                   });
}
}  // namespace

ApiAnswer answer_write(const Outcome& outcome, std::uint64_t revision, const std::vector<Fault>& warnings) {
  switch (outcome.kind) {
    case Outcome::Kind::kConflict: {
      auto refusal = problem(
          412, "revision_mismatch",
          "nothing was changed: If-Match names another revision than the current one, " + std::to_string(revision));
      refusal.headers.emplace_back("ETag", entity_tag(revision));
      return refusal;
    }
    case Outcome::Kind::kInvalid:
      return problem(422, "invalid_document", "nothing was changed: the result would not be right", outcome.faults);
    case Outcome::Kind::kNotStored:
      return problem(507, "not_stored", "nothing was changed: " + outcome.error.detail);
    case Outcome::Kind::kAccepted:
    case Outcome::Kind::kUnchanged:
      break;
  }
  ApiAnswer answer;
  answer.status = outcome.live ? 200 : 202;
  answer.body = "{\"revision\":" + std::to_string(revision);
  if (!outcome.live) answer.body += ",\"live\":false";
  if (!outcome.durable) answer.body += ",\"durable\":false";
  if (outcome.dry_run) {
    answer.body += ",\"dry_run\":true,\"puts\":" + std::to_string(outcome.puts) +
                   ",\"deletions\":" + std::to_string(outcome.deletions);
  }
  if (!warnings.empty()) {
    answer.body += ",\"warnings\":";
    append_faults(answer.body, warnings);
  }
  answer.body += "}\n";
  return answer;
}

void add_snapshot_routes(std::vector<ApiRoute>& routes, Publisher& publisher, std::size_t body_limit) {
  routes.push_back({.method = http::Method::kGet,
                    .pattern = "/v1/snapshot",
                    .summary = "The whole routing document; its ETag is the revision",
                    .gives = "Document",
                    .run = [&publisher](const ApiRequest& request, const Answered& answered) {
                      get_snapshot(publisher, request, answered);
                    }});
  routes.push_back({.method = http::Method::kPut,
                    .pattern = "/v1/snapshot",
                    .role = Role::kRoute,
                    .body_limit = body_limit,
                    .query = {"dry_run"},
                    .summary = "Replaces the whole routing document; certificates are left alone",
                    .takes = "Document",
                    .gives = "Written",
                    .run = [&publisher, body_limit](const ApiRequest& request, Answered answered) {
                      put_snapshot(publisher, request, std::move(answered), body_limit);
                    }});
}

}  // namespace hybridge
