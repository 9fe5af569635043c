#include "admin/records_api.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "admin/problem.h"
#include "admin/snapshot_api.h"
#include "base/host_name.h"
#include "routing/change_json.h"
#include "routing/json_reader.h"
#include "routing/record_reader.h"
#include "routing/rule_json.h"
#include "routing/snapshot_json.h"

namespace hybridge {

namespace json = boost::json;

namespace {
using Kind = Change::Kind;

constexpr std::size_t kRecordBytes = std::size_t{1} << 20;
constexpr std::size_t kMostOperations = 10'000;

// What kinds of records there are, and where.
struct Records {
  Kind kind;
  std::string_view pattern;
  std::string_view schema;
  Result<std::string> (*normalize)(std::string_view);
};
constexpr std::array<Records, 4> kRecords = {{
    {Kind::kServer, "/v1/servers/{name}", "Server", normalize_endpoint_address},
    {Kind::kSite, "/v1/sites/{name}", "Site", normalize_host_name},
    {Kind::kHost, "/v1/hosts/{host}", "Host", normalize_host_pattern},
    {Kind::kRule, "/v1/rules/{id}", "Rule", normalize_rule_id},
}};

using Asked = ReadChange;

// The changes against the tables as they are: rules in their places, and without what would change nothing.
std::vector<Change> settled(const Snapshot& snapshot, std::vector<Asked> asked) {
  Rules rules = *snapshot.rules();
  std::set<std::pair<Kind, std::string>> touched;
  std::vector<Change> changes;
  for (auto& [change, has_place] : asked) {
    if (auto* rule = std::get_if<Rule>(&change.value)) {
      if (!has_place) rule->order = order_for(rules, rule->id);
      std::erase_if(rules, [&](const auto& known) { return known->id == rule->id; });
      rules.push_back(std::make_shared<const Rule>(*rule));
      std::sort(rules.begin(), rules.end(), [](const auto& a, const auto& b) { return a->order < b->order; });
    }
    const bool is_new = touched.emplace(change.kind, change.name).second;
    if (is_new && value_of(change) == value_of(snapshot, change.kind, change.name)) continue;
    changes.push_back(std::move(change));
  }
  return changes;
}

bool is_conflict(const Tip& tip, const std::string& if_match) {
  return !if_match.empty() && !names_revision(if_match, tip.snapshot->revision());
}

Write write_of(const ApiRequest& request, std::vector<Asked> asked) {
  Write write;
  write.who = request.who;
  write.action = request.action;
  write.dry_run = is_set(request, "dry_run");
  write.receipt = request.receipt;
  write.frees = std::all_of(asked.begin(), asked.end(), [](const Asked& each) { return each.change.is_deletion(); });
  write.plan = [asked = std::move(asked), if_match = request.if_match](const Tip& tip) {
    Plan plan;
    plan.is_conflict = is_conflict(tip, if_match);
    if (!plan.is_conflict) plan.changes = settled(*tip.snapshot, asked);
    return plan;
  };
  return write;
}

using Named = std::vector<std::pair<Kind, std::string>>;

void submit(Publisher& publisher, Write write, Named named, Answered answered) {
  publisher.submit(std::move(write),
                   [named = std::move(named), answered = std::move(answered)](const Outcome& outcome) {
                     std::vector<Fault> warnings;
                     for (const auto& [kind, name] : named) {
                       if (auto warning = dangling_reference(*outcome.tip.snapshot, kind, name))
                         warnings.push_back(std::move(*warning));
                     }
                     answered(answer_write(outcome, outcome.tip.snapshot->revision(), warnings));
                   });
}

// The body as JSON; else the answer that says why not.
const json::value* read_body(const ApiRequest& request, std::size_t limit, json::monotonic_resource& memory,
                             ApiAnswer& refusal) {
  Faults faults;
  const auto* value = read_json(request.body, {.bytes = limit, .depth = 16}, memory, faults);
  if (value) return value;
  refusal = faults.kept().back().path.empty()
                ? problem(400, "bad_json", "the body " + faults.kept().front().message, faults)
                : problem(422, "invalid_document", "nothing was changed: the body has faults", faults);
  return nullptr;
}

ApiAnswer refuse_faults(const Faults& faults) {
  return problem(422, "invalid_document",
                 "nothing was changed: there " + std::string(faults.count() == 1 ? "is 1 fault" : "are ") +
                     (faults.count() == 1 ? "" : std::to_string(faults.count()) + " faults"),
                 faults);
}

// The name in the path, as the table spells it; else the answer that says why not.
std::optional<std::string> take_name(const Records& records, const ApiRequest& request, ApiAnswer& refusal) {
  auto name = records.normalize(request.parameter());
  if (name) return std::move(*name);
  refusal = problem(400, "bad_name", name.error().detail);
  return std::nullopt;
}

void get_record(const Publisher& publisher, const Records& records, const ApiRequest& request,
                const Answered& answered) {
  ApiAnswer answer;
  const auto name = take_name(records, request, answer);
  if (!name) return answered(std::move(answer));
  const auto snapshot = publisher.tip().snapshot;
  auto value = value_of(*snapshot, records.kind, *name);
  if (!value) {
    return answered(
        problem(404, "not_found", "there is no " + std::string(to_string(records.kind)) + " " + in_quotes(*name)));
  }
  answer.headers.emplace_back("ETag", entity_tag(snapshot->revision()));
  if (!request.if_none_match.empty() && names_revision(request.if_none_match, snapshot->revision())) {
    answer.status = 304;
  } else {
    answer.body = std::move(*value) + "\n";
  }
  answered(std::move(answer));
}

void put_record(Publisher& publisher, const Records& records, const ApiRequest& request, Answered answered) {
  ApiAnswer refusal;
  const auto name = take_name(records, request, refusal);
  if (!name) return answered(std::move(refusal));
  json::monotonic_resource memory;
  const auto* value = read_body(request, kRecordBytes, memory, refusal);
  if (!value) return answered(std::move(refusal));
  Faults faults;
  auto asked = read_put(records.kind, *name, *value, "", faults);
  if (!asked) return answered(refuse_faults(faults));
  submit(publisher, write_of(request, {std::move(*asked)}), {{records.kind, *name}}, std::move(answered));
}

void delete_record(Publisher& publisher, const Records& records, const ApiRequest& request, Answered answered) {
  ApiAnswer refusal;
  const auto name = take_name(records, request, refusal);
  if (!name) return answered(std::move(refusal));
  publisher.submit(
      write_of(request, {{deletion(records.kind, *name)}}),
      [answered = std::move(answered), kind = records.kind, name = *name](const Outcome& outcome) {
        if (outcome.kind != Outcome::Kind::kUnchanged) {
          return answered(answer_write(outcome, outcome.tip.snapshot->revision(), {}));
        }
        answered(problem(404, "not_found", "there is no " + std::string(to_string(kind)) + " " + in_quotes(name)));
      });
}

// One operation of a PATCH.
void read_operation(const json::value& value, const std::string& path, std::vector<Asked>& asked, Faults& faults) {
  const auto* object = take_object(value, path, faults);
  if (!object) return;
  refuse_unknown_keys(*object, {"op", "kind", "name", "value"}, path, faults);
  const auto op = take_string(*object, "op", path, faults).value_or("");
  const auto kind = take_string(*object, "kind", path, faults).value_or("");
  const auto text = take_string(*object, "name", path, faults).value_or("");
  if (op != "put" && op != "delete") {
    faults.add(json_path(path, "op"), in_quotes(op) + R"( is neither "put" nor "delete")");
  }
  const auto records =
      std::find_if(kRecords.begin(), kRecords.end(), [&](const Records& each) { return to_string(each.kind) == kind; });
  if (records == kRecords.end()) {
    return faults.add(json_path(path, "kind"), in_quotes(kind) + " is none of server, site, host, rule");
  }
  const auto name = records->normalize(text);
  if (!name) return faults.add(json_path(path, "name"), name.error().detail);
  const auto* member = object->if_contains("value");
  if (op == "put") {
    if (!member) return faults.add(json_path(path, "value"), "is missing");
    if (auto read = read_put(records->kind, *name, *member, json_path(path, "value"), faults)) {
      asked.push_back(std::move(*read));
    }
  } else if (op == "delete") {
    if (member) return faults.add(json_path(path, "value"), "is not for deletions");
    asked.push_back({deletion(records->kind, *name)});
  }
}

void patch_snapshot(Publisher& publisher, const ApiRequest& request, Answered answered, std::size_t limit) {
  ApiAnswer refusal;
  json::monotonic_resource memory;
  const auto* value = read_body(request, limit, memory, refusal);
  if (!value) return answered(std::move(refusal));
  Faults faults;
  std::vector<Asked> asked;
  const auto* list = value->if_array();
  if (!list || list->size() > kMostOperations) {
    faults.add("", R"(must be a list of up to 10000 operations: [{"op":"put","kind":"site","name":…,"value":{…}}])");
  } else {
    for (std::size_t i = 0; i < list->size(); ++i) {
      read_operation((*list)[i], "[" + std::to_string(i) + "]", asked, faults);
    }
  }
  if (!faults.empty()) return answered(refuse_faults(faults));
  Named named;
  for (const auto& each : asked) {
    if (!each.change.is_deletion()) named.emplace_back(each.change.kind, each.change.name);
  }
  submit(publisher, write_of(request, std::move(asked)), std::move(named), std::move(answered));
}
}  // namespace

void add_record_routes(std::vector<ApiRoute>& routes, Publisher& publisher, std::size_t patch_limit) {
  for (const auto& records : kRecords) {
    routes.push_back({.pattern = records.pattern,
                      .summary = "One record of the routing document",
                      .gives = records.schema,
                      .run = [&](const ApiRequest& request, const Answered& answered) {
                        get_record(publisher, records, request, answered);
                      }});
    routes.push_back({.method = http::Method::kPut,
                      .pattern = records.pattern,
                      .role = Role::kRoute,
                      .body_limit = kRecordBytes,
                      .query = {"dry_run"},
                      .summary = "Makes the record, or replaces it",
                      .takes = records.schema,
                      .gives = "Written",
                      .run = [&](const ApiRequest& request, Answered answered) {
                        put_record(publisher, records, request, std::move(answered));
                      }});
    routes.push_back({.method = http::Method::kDelete,
                      .pattern = records.pattern,
                      .role = Role::kRoute,
                      .query = {"dry_run"},
                      .summary = "Removes the record",
                      .gives = "Written",
                      .run = [&](const ApiRequest& request, Answered answered) {
                        delete_record(publisher, records, request, std::move(answered));
                      }});
  }
  routes.push_back({.method = http::Method::kPatch,
                    .pattern = "/v1/snapshot",
                    .role = Role::kRoute,
                    .body_limit = patch_limit,
                    .query = {"dry_run"},
                    .summary = "Puts and deletes any number of records, all or nothing, in their order",
                    .takes = "Patch",
                    .gives = "Written",
                    .run = [&publisher, patch_limit](const ApiRequest& request, Answered answered) {
                      patch_snapshot(publisher, request, std::move(answered), patch_limit);
                    }});
}

}  // namespace hybridge
