#include "proxy/serve.h"

#include <array>
#include <string>
#include <utility>

#include "proxy/apply_rules.h"
#include "proxy/forward.h"
#include "proxy/hold_answer.h"
#include "proxy/http/error_page.h"
#include "proxy/http/forwarded.h"
#include "proxy/own_host.h"
#include "proxy/tunnel.h"
#include "proxy/unforeseen.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
constexpr std::string_view kAcmePrefix = "/.well-known/acme-challenge/";

// What is decided without asking anybody; kOk: the request goes to its site's server.
Reason match(Exchange& exchange) {
  const auto& request = exchange.request();
  const auto& config = exchange.worker.config();
  if (exchange.entrance.redirects_to_https) {
    const bool is_acme = !config.domain.empty() && request.target.starts_with(kAcmePrefix);
    return is_acme ? Reason::kAcmeRedirect : Reason::kRedirectToHttps;
  }
  exchange.route = (*exchange.snapshot)->find(request.host);
  switch (exchange.route.kind) {
    case Route::Kind::kUnknown:
      return Reason::kUnknownHost;
    case Route::Kind::kRedirect:
      return Reason::kHostRedirect;
    case Route::Kind::kSite:
      break;
  }
  switch (exchange.route.status) {
    case SiteStatus::kActive:
      return Reason::kOk;
    case SiteStatus::kSuspended:
      return Reason::kSuspended;
    case SiteStatus::kSuspendedSaas:
      return Reason::kSuspendedSaas;
    case SiteStatus::kDeactivated:
      return Reason::kDeactivated;
  }
  return Reason::kInternal;
}

// Not what a listener decides.
bool is_for_others(Reason decision) {
  return decision != Reason::kAcmeRedirect && decision != Reason::kRedirectToHttps;
}

// Where the request goes, or why nowhere.
Result<void> decide(Exchange& exchange) {
  const auto decision = match(exchange);
  if (is_for_others(decision)) {
    if (auto ruled = apply_rules(exchange); !ruled) return ruled;
  }
  if (decision != Reason::kOk) return make_error(decision);
  return {};
}

// Whether it is looked into at all.
Result<void> begin(Exchange& exchange) {
  if (const auto& fault = exchange.stream.fault()) return *fault;
  if (auto entered = exchange.enter(); !entered) return entered;
  if (!exchange.stream.client().is_good_for(exchange.request().host)) {
    return make_error(Reason::kMisdirected, "this connection's certificate is not for this host: open another one");
  }
  return {};
}

// match → gate → forward; once in nearly every case. A request that had to wait, or that is sent back to the gate,
// begins again with the table as it is then.
Task<Result<void>> serve_by_table(Exchange& exchange) {
  for (;;) {
    if (auto decided = decide(exchange); !decided) co_return decided;
    if (exchange.worker.gates().admit(exchange.gate_entry)) {
      auto outcome = co_await forward(exchange);
      if (exchange.tunnel_to || !exchange.gate_entry.leave(outcome)) co_return outcome;
    } else {
      auto passed = co_await wait_at_gate(exchange);
      if (!passed) co_return passed;
    }
    exchange.look_again();
  }
}

// No coroutine itself: those who wait keep the frames of all that are.
Task<Result<void>> run(Exchange& exchange) {
  if (auto begun = begin(exchange); !begun) return ended(std::move(begun));
  return is_own_host(exchange) ? serve_own_host(exchange) : serve_by_table(exchange);
}

std::string location_of(const Exchange& exchange, Reason reason) {
  const auto& request = exchange.request();
  const auto& config = exchange.worker.config();
  const std::string target(request.target == "*" ? "/" : request.target);
  switch (reason) {
    case Reason::kAcmeRedirect:
      return "http://ssl." + config.domain + target;
    case Reason::kRedirectToHttps:
      return "https://" + std::string(request.host) + target;
    case Reason::kHostRedirect:
      return "https://" + std::string(exchange.route.redirect) + target;
    case Reason::kRuleRedirect:
      return exchange.ruled.location;
    case Reason::kUnknownHost:
      if (config.domain.empty()) return {};
      return "https://" + config.domain + "/dashboard/#/sites/new?domain=" + std::string(request.host);
    default:
      return {};
  }
}

int status_of(const Exchange& exchange, Reason reason, const std::string& location) {
  if (reason == Reason::kUpstreamStatus) return exchange.upstream_status;
  if (reason == Reason::kRuleRedirect || reason == Reason::kRuleDenied) return exchange.ruled.status;
  // Without a dashboard to send an unknown host to, it is simply not found.
  if (reason == Reason::kUnknownHost && location.empty()) return 404;
  return http::status_of(reason);
}

// As today's proxy names what it did not forward: to it they are servers like others, whose answers get CORS too.
std::string_view proxy_upstream_of(Reason reason) {
  switch (reason) {
    case Reason::kUnknownHost:
      return "http://site_not_found";
    case Reason::kSuspended:
      return "http://suspended";
    case Reason::kSuspendedSaas:
      return "http://suspended_saas";
    case Reason::kDeactivated:
      return "http://deactivated";
    default:
      return {};
  }
}

// What may be different in a moment.
bool is_passing(Reason reason) {
  switch (reason) {
    case Reason::kServerBusy:
    case Reason::kTooManyConnections:
    case Reason::kTooManyConnectionsFromAddress:
    case Reason::kTooManyRequestsFromAddress:
    case Reason::kShortOfMemory:
    case Reason::kShortOfDescriptors:
    case Reason::kShuttingDown:
      return true;
    default:
      return false;
  }
}

void add_headers(http::ResponseHead& head, const http::Answer& content, const std::string& location, Reason reason) {
  if (!location.empty()) head.headers.add("Location", location);
  if (!content.body.empty()) head.headers.add("Content-Type", content.content_type);
  if (head.status >= 400) head.headers.add("Cache-Control", "no-store");
  if (reason == Reason::kMethodNotAllowed) head.headers.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (is_passing(reason)) head.headers.add("Retry-After", "2");
}

// What is wrong with a customer's server is for operators; its words are not passed on to its clients.
bool is_upstream_fault(Reason reason) {
  return reason >= Reason::kUpstreamUnresolved && reason <= Reason::kUpstreamTruncated;
}
}  // namespace

Task<void> answer(Exchange& exchange, const Error& error) {
  auto& stream = exchange.stream;
  const auto reason = error.reason;
  if (stream.is_head_sent() || stream.is_gone()) {
    stream.reset(reason);
    co_return;
  }
  const auto& request = exchange.request();
  const auto location = location_of(exchange, reason);
  const bool html = http::wants_html(request) && !is_called_by_programs(exchange);
  auto content =
      is_hold_answer(reason)
          ? make_hold_answer(exchange.worker.pages(), error, html, exchange.request_id(), exchange.retry_after)
          : http::make_answer(exchange.worker.pages(), status_of(exchange, reason, location),
                              is_upstream_fault(reason) ? make_error(reason) : error, html, exchange.request_id());
  if (!location.empty()) content.body.clear();
  if (content.status == 0) {
    stream.reset(reason);
    co_return;
  }

  http::ResponseHead head;
  head.status = content.status;
  head.phrase = http::status_phrase(content.status);
  head.framing = {http::Framing::Kind::kLength, content.body.size()};
  add_headers(head, content, location, reason);
  const bool is_held = is_hold_answer(reason) && head.status != 200;
  const auto retry_after = std::to_string((is_held ? exchange.retry_after : exchange.ruled.retry_after).count());
  if (is_held || reason == Reason::kRuleLimited || reason == Reason::kRateLimited) {
    head.headers.add("Retry-After", retry_after);
  }
  // A browser asks again by itself; what was sent with an unsafe method is not sent twice by nobody's wish.
  if (is_held && html && http::is_safe(request.method)) head.headers.add("Refresh", retry_after);
  const bool is_bare = exchange.entrance.redirects_to_https && content.status < 400;
  const auto proxy_upstream = proxy_upstream_of(reason);
  http::apply_response_rules(head,
                             {.server_header = exchange.worker.config().server_header,
                              .proxy_upstream = proxy_upstream,
                              .request_id = exchange.request_id(),
                              .cors_origin = proxy_upstream.empty() ? std::string_view{} : exchange.cors_origin(),
                              .reason = code(reason),
                              .extra = extra_response_headers(exchange),
                              .security_headers = !is_bare},
                             exchange.worker.http_date());
  stream.write_head(head);
  const auto written = co_await stream.write_body(as_bytes(content.body));
  if (written) stream.finish();
}

Task<void> serve(Worker& worker, Stream& stream, const Entrance& entrance) {
  Exchange exchange{worker, stream, entrance};
  worker.counters().request_began();
  Result<void> outcome;
  try {
    outcome = co_await run(exchange);
    // It may last for days: what was for the request alone is gone by now.
    if (exchange.tunnel_to) exchange.outcome = co_await tunnel(exchange, std::move(exchange.tunnel_to));
  } catch (const std::exception& thrown) {
    outcome = unforeseen(thrown);
  }
  // Result::error() gives a copy: what the exchange says of it must last until it is accounted for.
  const auto error = outcome ? Error{} : outcome.error();
  if (!outcome) {
    exchange.outcome = error.reason;
    exchange.detail = error.detail;
    if (is_upstream_fault(error.reason)) worker.report_upstream(exchange.server()->name, error);
    try {
      co_await answer(exchange, error);
    } catch (const std::exception& thrown) {
      stream.reset(unforeseen(thrown).reason);
    }
  }
  worker.account(exchange);
}

}  // namespace hybridge
