#include "admin/status_page.h"

#include <algorithm>
#include <array>

#include "admin/page_frame.h"
#include "admin/unix_time.h"

namespace hybridge {

namespace {
constexpr std::int64_t kHeight = 100;  // of the bars, in units of their own
constexpr std::int64_t kStep = 10;     // from bar to bar

void open_section(Html& html, std::string_view id, std::string_view title, bool is_live = true) {
  html.raw("<section");
  attribute(html, "id", id);
  html.raw(is_live ? " data-live" : "").raw(" aria-labelledby=\"").raw(id).raw("-title\">\n<h2 id=\"");
  html.raw(id).raw("-title\">").raw(title).raw("</h2>\n");
}

// A table that may be wider than the window, and is then moved by keys, too.
void open_table(Html& html, std::string_view what, std::initializer_list<std::string_view> columns) {
  html.raw("<div class=\"wide\" role=\"region\" tabindex=\"0\"");
  attribute(html, "aria-label", what);
  html.raw(">\n<table>\n<thead><tr>");
  for (const auto column : columns) html.raw("<th scope=\"col\">").raw(column).raw("</th>");
  html.raw("</tr></thead>\n<tbody>\n");
}

void close_table(Html& html) {
  html.raw("</tbody>\n</table>\n</div>\n");
}

void cell(Html& html, std::string_view text, std::string_view kind = "") {
  html.raw("<td");
  if (!kind.empty()) attribute(html, "class", kind);
  html.raw(">").text(text).raw("</td>");
}

void row_head(Html& html, std::string_view text) {
  html.raw("<tr><th scope=\"row\">").text(text).raw("</th>");
}

void not_all(Html& html, std::size_t shown, std::size_t all, std::string_view where) {
  if (shown >= all) return;
  html.raw("<p class=\"soft\">").number(all - shown).raw(" more: ").raw(where).raw("</p>\n");
}

std::string ago(std::int64_t then, std::int64_t now) {
  return duration_text(std::max<std::int64_t>(now - then, 0)) + " ago";
}

void figure(Html& html, std::string_view name, const std::string& value) {
  html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>\n");
}

void head(Html& html, const PageFacts& facts) {
  html.raw("<header id=\"head\" data-live>\n<h1>Hybridge</h1>\n");
  if (!facts.server_name.empty()) html.raw("<span>").text(facts.server_name).raw("</span>\n");
  if (facts.not_ready.empty()) {
    html.raw("<span class=\"good\">Ready</span>\n");
  } else {
    html.raw("<span class=\"bad\">Not ready: ").text(facts.not_ready).raw("</span>\n");
  }
  html.raw("<span class=\"soft\">version ").text(facts.process.version).raw(", up for ");
  html.text(duration_text(facts.process.uptime_s)).raw("</span>\n</header>\n");
  html.raw(
      "<p id=\"stale\" class=\"card stale\" role=\"status\" hidden><span class=\"bad\">Hybridge does not "
      "answer.</span> What is shown is from before.</p>\n");
}

void told(Html& html, const PageFacts& facts) {
  html.raw("<div id=\"told\" data-live>\n");
  if (facts.told && facts.told->record) {
    const auto& record = *facts.told->record;
    html.raw("<p class=\"card message\" role=\"status\">Window <code>").text(record.id).raw("</code> of ");
    html.text(scope_text(record.scope)).raw(": <strong>").text(to_string(record.state));
    if (!record.is_live()) html.raw(", ").text(to_string(record.result));
    html.raw("</strong>. ");
    if (record.is_live()) {
      html.number(facts.told->counts.waiting).raw(" requests wait.");
    } else {
      html.number(record.released).raw(" requests that waited went on.");
    }
    html.raw("</p>\n");
  }
  html.raw("</div>\n");
}

void search(Html& html, const PageFacts& facts) {
  open_section(html, "search", "What becomes of a host?", false);
  html.raw(
      "<form method=\"get\" action=\"/\" role=\"search\">\n<label class=\"grows\">Host or URL\n<input name=\"host\" "
      "type=\"text\" autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"2000\" required "
      "placeholder=\"erp.example.com\"");
  attribute(html, "value", facts.asked_host);
  html.raw("></label>\n<button>Explain</button>\n</form>\n");
  if (!facts.explain_fault.empty()) html.raw("<p class=\"bad\">").text(facts.explain_fault).raw("</p>\n");
  if (!facts.explained.empty()) {
    html.raw("<dl class=\"steps\">\n");
    for (const auto& [name, value] : facts.explained) {
      html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>\n");
    }
    html.raw("</dl>\n");
  }
  html.raw("</section>\n");
}

void bar(Html& html, std::size_t second, const TrafficHistory::Totals& totals, std::uint64_t most) {
  const auto height = [&](std::uint64_t count) {
    const auto scaled = count * static_cast<std::uint64_t>(kHeight) / most;
    return static_cast<std::int64_t>(count > 0 ? std::max<std::uint64_t>(scaled, 1) : 0);
  };
  const auto x = static_cast<std::int64_t>(second) * kStep;
  const auto rectangle = [&](std::string_view kind, std::int64_t high, std::int64_t wide) {
    html.raw("<rect class=\"").raw(kind).raw("\" x=\"").number(x).raw("\" y=\"").number(kHeight - high);
    html.raw("\" width=\"").number(wide).raw("\" height=\"").number(high).raw("\"/>");
  };
  html.raw("<g><title>").number(TrafficHistory::kSeconds - second).raw(" s ago: ").number(totals.requests);
  html.raw(" requests, ").number(totals.errors).raw(" errors</title>");
  rectangle("behind", kHeight, kStep);
  if (totals.requests > 0) rectangle("requests", height(totals.requests), kStep - 2);
  if (totals.errors > 0) rectangle("errors", height(totals.errors), kStep - 2);
  html.raw("</g>\n");
}

void traffic(Html& html, const PageFacts& facts) {
  constexpr std::size_t kLately = 5;  // seconds that `now` is the mean of
  std::uint64_t most = 1;
  TrafficHistory::Totals all;
  TrafficHistory::Totals lately;
  for (std::size_t at = 0; at < facts.traffic.size(); ++at) {
    const auto& [requests, errors] = facts.traffic[at];
    most = std::max({most, requests, errors});
    all.requests += requests;
    all.errors += errors;
    if (at + kLately < facts.traffic.size()) continue;
    lately.requests += requests;
    lately.errors += errors;
  }
  const auto a_second = [](std::uint64_t of_lately) {
    const auto tenths = of_lately * 10 / kLately;
    return tenths >= 100 ? std::to_string(tenths / 10)
                         : std::to_string(tenths / 10).append(".").append(std::to_string(tenths % 10));
  };
  open_section(html, "traffic", "Traffic of the last minute");
  html.raw("<dl class=\"figures\">\n");
  figure(html, "requests a second", a_second(lately.requests));
  figure(html, "errors a second", a_second(lately.errors));
  figure(html, "errors of the minute", std::to_string(all.errors));
  figure(html, "requests under way", std::to_string(std::max<std::int64_t>(facts.in_flight, 0)));
  figure(html, "connections", std::to_string(facts.process.connections));
  html.raw("</dl>\n<svg viewBox=\"0 0 ").number(kStep * static_cast<std::int64_t>(facts.traffic.size())).raw(" ");
  html.number(kHeight).raw(
      "\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Requests and errors of each second: ");
  html.number(all.requests).raw(" requests, ").number(all.errors).raw(" errors in a minute\">\n");
  for (std::size_t at = 0; at < facts.traffic.size(); ++at) bar(html, at, facts.traffic[at], most);
  html.raw("</svg>\n<p class=\"axis\"><span>60 s ago</span><span>at most ").number(most);
  html.raw(" a second").raw("</span><span>now</span></p>\n</section>\n");
}

void holds(Html& html, const PageFacts& facts) {
  if (!facts.has_holds) return;
  open_section(html, "holds", "Holds");
  if (facts.holds.empty()) {
    html.raw("<p class=\"soft\">Nothing is held.</p>\n");
  } else {
    open_table(html, "Windows that are on",
               {"Held", "Action", "State", "Waiting", "Under way", "Since", "Until", "Why"});
    for (const auto& reply : facts.holds) {
      if (!reply.record) continue;
      const auto& record = *reply.record;
      row_head(html, scope_text(record.scope));
      html.raw("<td>");
      if (facts.may_hold && record.state != HoldState::kReleasing) {
        html.raw("<form method=\"get\" action=\"/release\">");
        hidden_field(html, "id", record.id);
        html.raw("<button aria-label=\"Release ").text(scope_text(record.scope)).raw("\">Release…</button></form>");
      }
      html.raw("</td>");
      cell(html, to_string(record.state), record.state == HoldState::kPaging ? "bad" : "warn");
      cell(html, std::to_string(reply.counts.waiting), "short");
      cell(html, std::to_string(std::max<std::int64_t>(reply.counts.in_flight, 0)), "short");
      cell(html, ago(record.began / 1000, facts.now), "short");
      cell(html, "in " + duration_text(std::max<std::int64_t>(record.expires_at / 1000 - facts.now, 0)), "short");
      html.raw("<td class=\"long\">").text(record.reason.empty() ? "no reason given" : record.reason);
      html.raw(" <span class=\"soft\">(").text(to_string(record.trigger));
      if (!record.who.empty()) html.raw(", ").text(record.who);
      html.raw(")</span></td></tr>\n");
    }
    close_table(html);
    not_all(html, facts.holds.size(), facts.hold_count, "<code>hybridge holds</code> lists them.");
  }
  html.raw("</section>\n");
}

void begin_hold(Html& html, const PageFacts& facts) {
  if (!facts.has_holds) return;
  open_section(html, "begin", "Begin a hold", false);
  if (!facts.may_hold) {
    html.raw("<p class=\"soft\">That takes a token of role hold or admin; ").text(facts.who);
    html.raw(" has another.</p>\n</section>\n");
    return;
  }
  html.raw(R"(<form method="get" action="/hold">
<label>Of a
<select name="scope"><option value="site">site</option><option value="server">server, all its sites</option></select></label>
<label class="grows">Name
<input name="name" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="253" required placeholder="acme.example.com"></label>
<label class="grows">Why
<input name="reason" type="text" autocomplete="off" maxlength="200" placeholder="update"></label>
<label>For at most
<select name="lease"><option value="5m">5 minutes</option><option value="15m" selected>15 minutes</option><option value="1h">1 hour</option><option value="4h">4 hours</option></select></label>
<button>Hold…</button>
</form>
</section>
)");
}

void health_cell(Html& html, const PageFacts::ServerLine& server, std::int64_t now) {
  using Health = PageFacts::ServerLine::Health;
  const bool is_known = server.probed != Health::kUnknown || server.seen != Health::kUnknown;
  std::string_view kind = "good";
  std::string_view word = "up";
  if (server.is_down()) {
    kind = "bad";
    word = "down";
  } else if (server.wants_attention()) {
    kind = "warn";
    word = server.endpoints_down > 0 ? "in part" : "last request failed";
  } else if (!is_known) {
    kind = "soft";
    word = "not asked yet";
  }
  html.raw("<td class=\"short\"><span");
  attribute(html, "class", kind);
  html.raw(">").raw(word).raw("</span>");
  if (server.since > 0 && server.is_down())
    html.raw(" <span class=\"soft\">").text(ago(server.since, now)).raw("</span>");
  html.raw("</td>");
}

std::string_view word_of(PageFacts::ServerLine::Health health, std::string_view unknown) {
  using Health = PageFacts::ServerLine::Health;
  return health == Health::kUp ? "answers" : health == Health::kDown ? "does not" : unknown;
}

void servers(Html& html, const PageFacts& facts) {
  open_section(html, "servers", "Servers");
  if (facts.servers.empty()) {
    html.raw("<p class=\"soft\">The table has none.</p>\n");
  } else {
    open_table(html, "Servers and how they do", {"Server", "Health", "Asked", "Last request", "Endpoints", "Fault"});
    for (const auto& server : facts.servers) {
      row_head(html, server.name);
      health_cell(html, server, facts.now);
      cell(html, word_of(server.probed, "–"), "short");
      cell(html, word_of(server.seen, "–"), "short");
      const auto up = server.endpoints - std::min(server.endpoints_down, server.endpoints);
      cell(html,
           server.endpoints_down > 0 ? std::to_string(up).append(" of ").append(std::to_string(server.endpoints))
                                     : std::to_string(server.endpoints),
           "short");
      cell(html, server.why, "long");
      html.raw("</tr>\n");
    }
    close_table(html);
    not_all(html, facts.servers.size(), facts.server_count, "see <code>hybridge_server_up</code> in /metrics.");
  }
  html.raw("</section>\n");
}

void failures(Html& html, const PageFacts& facts) {
  open_section(html, "failures", "Requests that failed last");
  if (!facts.failures) {
    html.raw("<p class=\"warn\">A worker did not look in time.</p>\n");
  } else if (facts.failures->empty()) {
    html.raw("<p class=\"soft\">None is remembered.</p>\n");
  } else {
    open_table(html, "Requests that failed last", {"When", "Status", "Request", "Why", "Id"});
    for (const auto& each : *facts.failures) {
      html.raw("<tr>");
      cell(html, ago(each.at, facts.now), "short");
      cell(html, each.status == 0 ? "none" : std::to_string(each.status), "short");
      html.raw("<td class=\"long\">").text(each.method).raw(" <strong>").text(each.host).raw("</strong>");
      html.text(each.path);
      if (!each.server.empty()) html.raw(" <span class=\"soft\">on ").text(each.server).raw("</span>");
      html.raw("</td><td class=\"long\"><code>").text(each.reason).raw("</code>");
      if (!each.meaning.empty()) html.raw(" ").text(each.meaning);
      if (!each.detail.empty()) html.raw(" <span class=\"soft\">").text(each.detail).raw("</span>");
      html.raw("</td><td class=\"short\"><code>").text(each.request_id).raw("</code></td></tr>\n");
    }
    close_table(html);
  }
  html.raw("</section>\n");
}

void certificates(Html& html, const PageFacts& facts) {
  open_section(html, "certificates", "Certificates that expire within 30 days");
  if (facts.expiring.empty()) {
    html.raw("<p class=\"soft\">None of ").number(facts.certificate_count).raw(".</p>\n");
  } else {
    open_table(html, "Certificates that expire within 30 days", {"Host", "Left", "Until"});
    for (const auto& each : facts.expiring) {
      row_head(html, each.host);
      const bool is_over = each.not_after <= facts.now;
      cell(html, is_over ? "expired" : duration_text(each.not_after - facts.now),
           is_over || each.not_after - facts.now < 7 * 86'400 ? "bad" : "warn");
      cell(html, iso_time(each.not_after), "short");
      html.raw("</tr>\n");
    }
    close_table(html);
    not_all(html, facts.expiring.size(), facts.expiring_count, "see /v1/certificates.");
  }
  html.raw("</section>\n");
}

void table_facts(Html& html, const PageFacts& facts) {
  open_section(html, "table", "Table");
  html.raw("<dl class=\"figures\">\n");
  figure(html, "revision", std::to_string(facts.revision));
  figure(html, "servers", std::to_string(facts.server_count));
  figure(html, "sites", std::to_string(facts.site_count));
  figure(html, "hosts", std::to_string(facts.host_count));
  figure(html, "certificates", std::to_string(facts.certificate_count));
  html.raw("</dl>\n");
  if (facts.process.quarantined_count > 0) {
    html.raw("<p class=\"bad\">")
        .number(facts.process.quarantined_count)
        .raw(" stored records are left out:</p>\n<ul>\n");
    for (const auto& fault : facts.process.quarantined) {
      html.raw("<li><code>").text(fault.path).raw("</code> ").text(fault.message).raw("</li>\n");
    }
    html.raw("</ul>\n");
  }
  if (!facts.process.upgrade.empty()) html.raw("<p>Last upgrade: ").text(facts.process.upgrade).raw("</p>\n");
  html.raw("</section>\n");
}
}  // namespace

std::string duration_text(std::int64_t seconds) {
  const auto days = seconds / 86'400;
  const auto hours = seconds / 3600 % 24;
  const auto minutes = seconds / 60 % 60;
  const auto two = [](std::int64_t large, const char* its_unit, std::int64_t small, const char* unit) {
    auto text = std::to_string(large).append(its_unit);
    return small > 0 ? text.append(" ").append(std::to_string(small)).append(unit) : text;
  };
  if (days > 0) return two(days, " d", hours, " h");
  if (hours > 0) return two(hours, " h", minutes, " min");
  return minutes > 0 ? std::to_string(minutes) + " min" : std::to_string(seconds) + " s";
}

std::string scope_text(const HoldScope& scope) {
  auto text = std::string(scope.is_server ? "all sites of server " : "site ").append(scope.name);
  for (const auto& name : scope.extra) text.append(", ").append(name);
  return text;
}

std::string render_status(const PageFacts& facts) {
  Html html;
  head(html, facts);
  told(html, facts);
  search(html, facts);
  traffic(html, facts);
  holds(html, facts);
  begin_hold(html, facts);
  servers(html, facts);
  failures(html, facts);
  html.raw("<div class=\"columns\">\n");
  certificates(html, facts);
  table_facts(html, facts);
  html.raw("</div>\n");
  html.raw("<footer id=\"foot\" data-live>As of ").text(iso_time(facts.now)).raw(", for ").text(facts.who);
  html.raw(
      ". Looks again every 5 seconds; without scripts: <a href=\"/\">look again</a>. "
      "<a href=\"/metrics\">Metrics</a></footer>\n");
  return html.take();
}

std::string render_confirmation(const Confirmation& confirmation) {
  Html html;
  html.raw("<div class=\"card deed\">\n<h1>").text(confirmation.title).raw("</h1>\n<p>").text(confirmation.text);
  html.raw("</p>\n<form method=\"post\"");
  attribute(html, "action", confirmation.action);
  html.raw(">\n");
  for (const auto& [name, value] : confirmation.fields) hidden_field(html, name, value);
  html.raw("<button>").text(confirmation.button).raw("</button>\n<a href=\"/\">Do nothing</a>\n</form>\n</div>\n");
  return html.take();
}

}  // namespace hybridge
