#include "admin/status_api.h"

#include <algorithm>

#include "admin/problem.h"
#include "admin/unix_time.h"
#include "routing/json_reader.h"

namespace hybridge {

namespace {
constexpr std::size_t kExpiring = 20;  // certificates listed, the soonest first
constexpr std::int64_t kSoon = 30 * 86'400;

struct Expiring {
  std::string host;
  std::int64_t not_after = 0;
};

// Those that have expired or will within 30 days.
std::vector<Expiring> expiring(const CertificateTable& table, std::int64_t now) {
  std::vector<Expiring> found;
  table.for_each([&](const std::string& host, const CertificateTable::Entry& entry) {
    if (entry.not_after <= now + kSoon) found.push_back({host, entry.not_after});
  });
  std::sort(found.begin(), found.end(), [](const Expiring& a, const Expiring& b) {
    return a.not_after != b.not_after ? a.not_after < b.not_after : a.host < b.host;
  });
  return found;
}

std::string why_not_ready(const StatusApi& api, const StatusFacts& facts) {
  if (!facts.not_ready.empty()) return facts.not_ready;
  return api.publisher.has_published() ? "" : "the workers have not taken up their tables yet";
}

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
  const auto soon = expiring(*tip.certificates, api.now());
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

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string duration(std::int64_t seconds) {
  const auto days = seconds / 86'400;
  const auto hours = seconds / 3600 % 24;
  const auto minutes = seconds / 60 % 60;
  if (days > 0) return std::to_string(days) + " d " + std::to_string(hours) + " h";
  if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes) + " min";
  return std::to_string(minutes) + " min " + std::to_string(seconds % 60) + " s";
}

void show_page(const StatusApi& api, const Answered& answered) {
  const auto facts = api.status();
  const auto tip = api.publisher.tip();
  const auto soon = expiring(*tip.certificates, api.now());
  const auto wrong = why_not_ready(api, facts);
  ApiAnswer answer;
  answer.content_type = "text/html; charset=utf-8";
  auto& body = answer.body;
  body = R"(<!doctype html><html lang="en"><meta charset="utf-8"><title>Hybridge</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="10">
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:40rem;padding:0 1rem;color:#222}
td{padding:.2rem 1.5rem .2rem 0}td+td{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b00}</style>
<h1>Hybridge</h1>
)";
  body +=
      wrong.empty() ? "<p>Ready.</p>\n<table>\n" : "<p class=\"bad\">Not ready: " + escaped(wrong) + "</p>\n<table>\n";
  const auto row = [&](std::string_view name, const std::string& value) {
    body.append("<tr><td>").append(name).append("<td>").append(escaped(value)) += '\n';
  };
  row("Version", facts.version);
  row("Up for", duration(facts.uptime_s));
  row("Workers", std::to_string(facts.workers));
  row("Connections", std::to_string(facts.connections));
  row("Revision", std::to_string(tip.snapshot->revision()));
  row("Servers", std::to_string(tip.snapshot->server_count()));
  row("Sites", std::to_string(tip.snapshot->site_count()));
  row("Hosts", std::to_string(tip.snapshot->host_count()));
  row("Certificates", std::to_string(tip.certificates->size()));
  row("… of them expired, or soon", std::to_string(soon.size()));
  body += "</table>\n";
  if (!soon.empty()) body += "<h2>Certificates that expire</h2>\n<table>\n";
  for (std::size_t i = 0; i < std::min(soon.size(), kExpiring); ++i) row(soon[i].host, iso_time(soon[i].not_after));
  if (!soon.empty()) body += "</table>\n";
  body += "<p><a href=\"/metrics\">Metrics</a></p>\n</html>\n";
  answer.headers.emplace_back("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
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
  add({.pattern = "/", .access = Access::kPublicOnLoopback, .summary = "The status page", .gives = "text/html"},
      [api](const Answered& answered) { show_page(api, answered); });
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
