#include "admin/status_api.h"

#include <algorithm>

#include "admin/problem.h"
#include "admin/unix_time.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::size_t kExpiring = 20;  // certificates listed, the soonest first
constexpr std::int64_t kSoon = 30 * 86'400;
}  // namespace

std::vector<ExpiringCertificate> expiring_certificates(const CertificateTable& table, std::int64_t now) {
  std::vector<ExpiringCertificate> found;
  table.for_each([&](const std::string& host, const CertificateTable::Entry& entry) {
    if (entry.not_after <= now + kSoon) found.push_back({host, entry.not_after});
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.not_after != b.not_after ? a.not_after < b.not_after : a.host < b.host;
  });
  return found;
}

std::string why_not_ready(const StatusApi& api, const StatusFacts& facts) {
  if (!facts.not_ready.empty()) return facts.not_ready;
  return api.publisher.has_published() ? "" : "the workers have not taken up their tables yet";
}

namespace {
void append_servers_down(std::string& body, const StatusFacts& facts) {
  body += ",\"servers_down\":[";
  for (const auto& server : facts.servers_down) {
    body += &server == &facts.servers_down.front() ? "{\"name\":" : ",{\"name\":";
    append_json_string(body, server.name);
    body += ",\"since\":\"" + iso_time(server.since_ms / 1000) + "\",\"why\":";
    append_json_string(body, server.why);
    body += '}';
  }
  body += ']';
}

}  // namespace

void show_status(const StatusApi& api, const Answered& answered) {
  const auto facts = api.status();
  const auto tip = api.publisher.tip();
  const auto soon = expiring_certificates(*tip.certificates, api.now());
  ApiAnswer answer;
  auto& body = answer.body;
  const auto number = [&](std::string_view name, auto value) {
    body.append(",\"").append(name).append("\":") += std::to_string(value);
  };
  body = "{\"version\":";
  append_json_string(body, facts.version);
  body += ",\"ready\":";
  body += why_not_ready(api, facts).empty() ? "true" : "false";
  number("uptime_s", facts.uptime_s);
  number("pid", facts.pid);
  if (!facts.upgrade.empty()) {
    body += ",\"upgrade\":";
    append_json_string(body, facts.upgrade);
  }
  number("workers", facts.workers);
  number("connections", facts.connections);
  number("revision", tip.snapshot->revision());
  number("store_revision", api.publisher.revision());
  number("live_revision", api.publisher.live_revision());
  number("servers", tip.snapshot->server_count());
  number("sites", tip.snapshot->site_count());
  number("hosts", tip.snapshot->host_count());
  number("certificates", tip.certificates->size());
  number("certificates_expiring", soon.size());
  number("servers_up", facts.servers_up);
  number("servers_down_count", facts.servers_down_count);
  append_servers_down(body, facts);
  body += ",\"expiring\":[";
  for (std::size_t i = 0; i < std::min(soon.size(), kExpiring); ++i) {
    body += i == 0 ? "{\"host\":" : ",{\"host\":";
    append_json_string(body, soon[i].host);
    body += ",\"not_after\":\"" + iso_time(soon[i].not_after) + "\"}";
  }
  body += ']';
  number("quarantined_count", facts.quarantined_count);
  body += ",\"quarantined\":";
  append_faults(body, facts.quarantined);
  body += "}\n";
  answered(std::move(answer));
}

namespace {
void begin_upgrade(const StatusApi& api, const Answered& answered) {
  const auto begun = api.upgrade();
  if (!begun) return answered(problem(409, "no_upgrade", begun.error().detail));
  ApiAnswer answer;
  answer.status = 202;
  answer.body = "{\"pid\":" + std::to_string(api.status().pid) + ",\"upgrade\":\"under way\"}\n";
  answered(std::move(answer));
}

ApiAnswer text(std::string body, std::string content_type = "text/plain; charset=utf-8") {
  ApiAnswer answer;
  answer.content_type = std::move(content_type);
  answer.body = std::move(body);
  return answer;
}
}  // namespace

void show_metrics(const StatusApi& api, const Answered& answered) {
  answered(text(api.metrics(), "text/plain; version=0.0.4; charset=utf-8"));
}

void add_status_routes(std::vector<ApiRoute>& routes, const StatusApi& api) {
  using Access = ApiRoute::Access;
  const auto add = [&](ApiRoute route, std::function<void(const Answered&)> run) {
    route.run = [run = std::move(run)](const ApiRequest&, const Answered& answered) { run(answered); };
    routes.push_back(std::move(route));
  };
  add({.pattern = "/livez",
       .access = Access::kPublic,
       .is_instant = true,
       .summary = "Is the process alive?",
       .gives = "text/plain"},
      [](const Answered& answered) { answered(text("alive\n")); });
  add({.pattern = "/readyz",
       .access = Access::kPublic,
       .summary = "Should traffic come here? 503 while not",
       .gives = "text/plain"},
      [api](const Answered& answered) {
        const auto wrong = why_not_ready(api, api.status());
        if (!wrong.empty()) return answered(problem(503, "not_ready", wrong));
        answered(text("ready\n"));
      });
  add({.pattern = "/metrics",
       .access = Access::kPublicOnLoopback,
       .summary = "Prometheus's text format",
       .gives = "text/plain"},
      [api](const Answered& answered) { show_metrics(api, answered); });
  add({.pattern = "/v1/status", .summary = "Version, revision, counts, and what wants attention", .gives = "Status"},
      [api](const Answered& answered) { show_status(api, answered); });
  add({.method = http::Method::kPost,
       .pattern = "/v1/upgrade",
       .role = Role::kAdmin,
       .summary = "Lets the binary on disk take over; what becomes of it is in the status",
       .gives = "Upgrade"},
      [api](const Answered& answered) { begin_upgrade(api, answered); });
}

}  // namespace hybridge
