#include "admin/certificates_api.h"

#include "admin/problem.h"
#include "admin/snapshot_api.h"
#include "admin/unix_time.h"
#include "base/host_name.h"
#include "routing/json_reader.h"
#include "routing/record_reader.h"
#include "tls/certificate.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::size_t kMostPairs = 2;  // an EC and an RSA one
constexpr std::size_t kListed = 1000;
constexpr std::int64_t kSoon = 14 * 86'400;

std::string joined_json(const std::vector<std::string>& words) {
  std::string out = "[";
  for (const auto& word : words) {
    if (out.size() > 1) out += ',';
    append_json_string(out, word);
  }
  return out += ']';
}

void append_facts(std::string& out, const CertificateFacts& facts) {
  out += "{\"host\":";
  append_json_string(out, facts.host);
  out += ",\"names\":" + joined_json(facts.names);
  out += ",\"covers_host\":";
  out += facts.covers_host ? "true" : "false";
  out += ",\"not_before\":\"" + iso_time(facts.not_before) + "\",\"not_after\":\"" + iso_time(facts.not_after) + '"';
  out += ",\"fingerprint\":\"" + facts.fingerprint + "\",\"key_types\":" + joined_json(facts.key_types);
  out += ",\"issuer\":";
  append_json_string(out, facts.issuer);
  out += ",\"revision\":" + std::to_string(facts.version) + '}';
}

PemPair read_pair(const json::object& object, const std::string& path, Faults& faults) {
  PemPair pair;
  for (const auto& [key, into] : {std::pair{"chain", &pair.chain}, std::pair{"key", &pair.key}}) {
    if (!object.contains(key)) faults.add(json_path(path, key), "is missing: PEM");
    if (const auto text = take_string(object, key, path, faults)) *into = std::string(*text);
  }
  return pair;
}

PemPairs read_pairs(const json::value& value, Faults& faults) {
  PemPairs pairs;
  const auto* object = take_object(value, "", faults);
  if (!object) return pairs;
  const auto* list = object->if_contains("pairs");
  if (!list) {
    refuse_unknown_keys(*object, {"chain", "key"}, "", faults);
    pairs.push_back(read_pair(*object, "", faults));
    return pairs;
  }
  refuse_unknown_keys(*object, {"pairs"}, "", faults);
  const auto* array = list->if_array();
  if (!array || array->empty() || array->size() > kMostPairs) {
    faults.add("pairs", R"(must be a list of one or two: [{"chain":PEM,"key":PEM}])");
    return pairs;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const auto path = "pairs[" + std::to_string(i) + "]";
    const auto* pair = take_object((*array)[i], path, faults);
    if (!pair) continue;
    refuse_unknown_keys(*pair, {"chain", "key"}, path, faults);
    pairs.push_back(read_pair(*pair, path, faults));
  }
  return pairs;
}

std::vector<Fault> warnings_of(const CertificateFacts& facts, std::int64_t now) {
  std::vector<Fault> warnings;
  if (!facts.covers_host) {
    warnings.push_back({"chain", "the certificate is not for " + in_quotes(facts.host) +
                                     ", and is never served for it (names: " + joined_json(facts.names) + ")"});
  }
  if (facts.not_after <= now) {
    warnings.push_back({"chain", "the certificate expired at " + iso_time(facts.not_after)});
  } else if (facts.not_after <= now + kSoon) {
    warnings.push_back({"chain", "the certificate expires at " + iso_time(facts.not_after)});
  }
  if (facts.not_before > now) {
    warnings.push_back({"chain", "the certificate is not valid before " + iso_time(facts.not_before)});
  }
  return warnings;
}

std::optional<ApiAnswer> take_host(const ApiRequest& request, std::string& host) {
  auto name = normalize_host_pattern(request.parameter());
  if (!name) return problem(400, "bad_host", name.error().detail);
  host = std::move(*name);
  return std::nullopt;
}

bool is_conflict(const Tip& tip, const std::string& host, const std::string& if_match) {
  if (if_match.empty()) return false;
  const auto* entry = tip.certificates->own(host);
  return !names_revision(if_match, entry ? entry->version : 0);
}

std::uint64_t version_of(const Tip& tip, const std::string& host) {
  const auto* entry = tip.certificates->own(host);
  return entry ? entry->version : 0;
}

// A renewal pushed twice is one renewal. The version tells whether what is stored is what the tables have: a write that
// is on its way may lie between.
bool is_stored(StateReader& reader, const Tip& tip, const CertificateRecord& record) {
  const auto* entry = tip.certificates->own(record.facts.host);
  if (!entry) return false;
  const auto facts = reader.certificate(record.facts.host);
  if (!facts || facts->version != entry->version || facts->fingerprint != record.facts.fingerprint) return false;
  const auto stored = reader.pairs(record.facts.host);
  return stored && *stored == record.pairs;
}

void put_certificate(const CertificatesApi& api, const ApiRequest& request, Answered answered) {
  std::string host;
  if (auto refusal = take_host(request, host)) return answered(std::move(*refusal));
  Faults faults;
  json::monotonic_resource memory;
  const auto* value = read_json(request.body, {.bytes = api.body_limit, .depth = 8}, memory, faults);
  if (!value && faults.kept().back().path.empty()) {
    return answered(problem(400, "bad_json", "the body " + faults.kept().front().message, faults));
  }
  auto pairs = value ? read_pairs(*value, faults) : PemPairs{};
  if (!faults.empty()) {
    return answered(problem(422, "invalid_document", "nothing was changed: the body has faults", faults));
  }
  const auto certificate = parse_certificate(pairs);
  if (!certificate) {
    faults.add("", certificate.error().detail);
    return answered(problem(422, "invalid_certificate", "nothing was changed: " + certificate.error().detail, faults));
  }
  const auto record =
      std::make_shared<const CertificateRecord>(make_certificate_record(host, **certificate, std::move(pairs)));
  auto warnings = warnings_of(record->facts, api.now());
  Write write;
  write.who = request.who;
  write.action = request.action;
  write.dry_run = is_set(request, "dry_run");
  write.receipt = request.receipt;
  write.plan = [record, host, if_match = request.if_match, &reader = api.reader](const Tip& tip) {
    Plan plan;
    plan.is_conflict = is_conflict(tip, host, if_match);
    if (!plan.is_conflict && !is_stored(reader, tip, *record)) plan.certificates = {*record};
    return plan;
  };
  api.publisher.submit(std::move(write),
                       [answered = std::move(answered), warnings = std::move(warnings), host](const Outcome& outcome) {
                         answered(answer_write(outcome, version_of(outcome.tip, host), warnings));
                       });
}

void delete_certificate(const CertificatesApi& api, const ApiRequest& request, Answered answered) {
  std::string host;
  if (auto refusal = take_host(request, host)) return answered(std::move(*refusal));
  Write write;
  write.who = request.who;
  write.action = request.action;
  write.dry_run = is_set(request, "dry_run");
  write.receipt = request.receipt;
  write.frees = true;
  write.plan = [host, if_match = request.if_match](const Tip& tip) {
    Plan plan;
    plan.is_conflict = is_conflict(tip, host, if_match);
    if (tip.certificates->own(host)) plan.removed_certificates = {host};
    return plan;
  };
  api.publisher.submit(std::move(write), [answered = std::move(answered), host](const Outcome& outcome) {
    if (outcome.kind == Outcome::Kind::kUnchanged) {
      return answered(problem(404, "not_found", "no certificate is stored for " + in_quotes(host)));
    }
    const bool is_refused = outcome.kind != Outcome::Kind::kAccepted || outcome.dry_run;
    answered(answer_write(outcome, is_refused ? version_of(outcome.tip, host) : outcome.revision, {}));
  });
}

void get_certificate(const CertificatesApi& api, const ApiRequest& request, const Answered& answered) {
  std::string host;
  if (auto refusal = take_host(request, host)) return answered(std::move(*refusal));
  const auto facts = api.reader.certificate(host);
  if (!facts) return answered(problem(facts.error()));
  ApiAnswer answer;
  answer.headers.emplace_back("ETag", entity_tag(facts->version));
  append_facts(answer.body, *facts);
  answer.body += '\n';
  answered(std::move(answer));
}

void list_certificates(const CertificatesApi& api, const ApiRequest& request, const Answered& answered) {
  const auto most = number_of(request, "limit", 1, kListed, kListed);
  if (!most) return answered(problem(400, "bad_query", "limit must be a number from 1 to " + std::to_string(kListed)));
  const auto limit = static_cast<std::size_t>(*most);
  const auto after = request.query.find("after");
  auto found = api.reader.certificates(after == request.query.end() ? "" : after->second, limit + 1);
  if (!found) return answered(problem(found.error()));
  const bool has_more = found->size() > limit;
  if (has_more) found->pop_back();
  ApiAnswer answer;
  answer.body = "{\"certificates\":[";
  for (const auto& facts : *found) {
    if (&facts != found->data()) answer.body += ',';
    append_facts(answer.body, facts);
  }
  answer.body += ']';
  if (has_more) {
    answer.body += ",\"next\":";
    append_json_string(answer.body, found->back().host);  // for ?after=
  }
  answer.body += "}\n";
  answered(std::move(answer));
}
}  // namespace

void add_certificate_routes(std::vector<ApiRoute>& routes, const CertificatesApi& api) {
  constexpr std::string_view kOne = "/v1/certificates/{host}";
  routes.push_back({.pattern = "/v1/certificates",
                    .query = {"after", "limit"},
                    .summary = "The certificates that are stored, by name",
                    .gives = "Certificates",
                    .run = [api](const ApiRequest& request, const Answered& answered) {
                      list_certificates(api, request, answered);
                    }});
  routes.push_back(
      {.pattern = kOne,
       .summary = "Names, dates and fingerprint of a certificate; never its key",
       .gives = "Certificate",
       .run = [api](const ApiRequest& request, const Answered& answered) { get_certificate(api, request, answered); }});
  routes.push_back({.method = http::Method::kPut,
                    .pattern = kOne,
                    .role = Role::kCertificate,
                    .body_limit = api.body_limit,
                    .query = {"dry_run"},
                    .summary = "Stores the certificate that is served for this name",
                    .takes = "Pairs",
                    .gives = "Written",
                    .run = [api](const ApiRequest& request, Answered answered) {
                      put_certificate(api, request, std::move(answered));
                    }});
  routes.push_back({.method = http::Method::kDelete,
                    .pattern = kOne,
                    .role = Role::kCertificate,
                    .query = {"dry_run"},
                    .summary = "Removes it: a wildcard or the default certificate serves the name from then on",
                    .gives = "Written",
                    .run = [api](const ApiRequest& request, Answered answered) {
                      delete_certificate(api, request, std::move(answered));
                    }});
}

}  // namespace hybridge
