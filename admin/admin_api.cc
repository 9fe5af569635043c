#include "admin/admin_api.h"

#include <ctime>

#include "admin/api_stream.h"
#include "admin/certificates_api.h"
#include "admin/events_api.h"
#include "admin/holds_api.h"
#include "admin/inquiry_api.h"
#include "admin/openapi.h"
#include "admin/problem.h"
#include "admin/records_api.h"
#include "admin/snapshot_api.h"
#include "admin/status_api.h"
#include "base/host_name.h"
#include "base/version.h"
#include "proxy/http/error_page.h"

namespace hybridge {

namespace {
std::int64_t unix_seconds() {
  return std::time(nullptr);
}

ApiAnswer too_large(std::size_t limit) {
  return problem(413, "body_too_large", "the body has more than " + std::to_string(limit) + " bytes, the most here");
}

bool is_known(const ApiRoute& route, std::string_view parameter) {
  for (const auto known : route.query) {
    if (known == parameter) return true;
  }
  return false;
}

// What is wrong with the query; nothing: it is in the request.
std::optional<ApiAnswer> take_query(const ApiRoute& route, std::string_view target, ApiRequest& request) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  if (!parse_query(target.substr(mark + 1), request.query)) {
    return problem(400, "bad_query", "the query has a % without two hexadecimal digits");
  }
  for (const auto& [name, value] : request.query) {
    if (is_known(route, name)) continue;
    std::string known;
    for (const auto each : route.query) known += (known.empty() ? "" : ", ") + std::string(each);
    return problem(400, "unknown_parameter",
                   in_quotes(name) + " is no parameter here (known: " + (known.empty() ? "none" : known) + ")");
  }
  return std::nullopt;
}
}  // namespace

AdminApi::AdminApi(Sources sources)
    : admission_(sources.reader, sources.steady_now ? sources.steady_now : Clock::now),
      receipts_(sources.publisher, sources.reader, sources.now ? sources.now : unix_seconds),
      post_(std::move(sources.post)) {
  const auto now = sources.now ? sources.now : unix_seconds;
  const StatusApi status{sources.publisher, std::move(sources.status), std::move(sources.metrics), now,
                         std::move(sources.upgrade)};
  const InquiryApi inquiry{sources.publisher,          sources.reader, executor_, std::move(sources.config),
                           std::move(sources.workers), sources.holds};
  add_status_routes(routes_, status);
  add_page_routes(routes_, {status, inquiry, sources.traffic, std::move(sources.health)});
  add_snapshot_routes(routes_, sources.publisher, kSnapshotBytes);
  add_record_routes(routes_, sources.publisher, kSnapshotBytes);
  add_inquiry_routes(routes_, inquiry);
  if (sources.holds) add_hold_routes(routes_, {*sources.holds, now});
  add_certificate_routes(routes_, {sources.publisher, sources.reader, now, kCertificateBytes});
  add_event_routes(routes_, {sources.events, sources.reader, executor_});
  add_openapi_route(routes_, kVersion);
}

AdminApi::~AdminApi() {
  executor_.stop();
}

Task<void> AdminApi::serve(Stream& stream) {
  co_await serve_on(stream, post_);
}

Task<void> AdminApi::serve_on(Stream& stream, Post post) {
  auto call = co_await admit(stream, post);
  if (call.route && call.route->stream && !stream.is_gone()) {
    co_await call.route->stream(call.request, stream, post);
    co_return;
  }
  if (call.route) call.refusal = co_await answer(call, post);
  if (stream.is_gone() || stream.is_head_sent()) {
    stream.reset(Reason::kClientGone);
    co_return;
  }
  co_await write_answer(stream, call.refusal);
}

AdminApi::Call AdminApi::refused(Call call, ApiAnswer refusal) {
  call.refusal = std::move(refusal);
  return call;
}

Task<AdminApi::Call> AdminApi::admit(Stream& stream, const Post& post) {
  Call call;
  if (const auto& fault = stream.fault()) {
    co_return refused(std::move(call), problem(http::status_of(fault->reason), code(fault->reason), fault->detail));
  }
  const auto& head = stream.request();
  auto match = match_route(routes_, head.method, head.path());
  if (!match.route) co_return refused(std::move(call), std::move(match.refusal));
  const auto& route = *match.route;
  const auto& request = call.request;
  request->parameters = std::move(match.parameters);
  request->action = std::string(head.method_name) + " " + std::string(head.path());
  request->if_match = field_of(head, "If-Match");
  request->if_none_match = field_of(head, "If-None-Match");
  request->last_event_id = field_of(head, "Last-Event-ID");
  request->idempotency_key = field_of(head, "Idempotency-Key");
  request->host = head.host;
  if (auto refusal = take_query(route, head.target, *request)) co_return refused(std::move(call), std::move(*refusal));

  const bool is_open = route.access == ApiRoute::Access::kPublic ||
                       (route.access == ApiRoute::Access::kPublicOnLoopback && stream.client().peer.is_loopback());
  if (!is_open) {
    ApiWork admit = [this, request, role = route.role,
                     caller = Admission::Caller{stream.client().peer, stream.client().is_tls,
                                                std::string(head.headers.value(http::HeaderId::kAuthorization)),
                                                route.is_page}](const Answered& done) {
      auto verdict = admission_.admit(caller, role);
      request->who = std::move(verdict.who);
      request->role = verdict.role;
      done(std::move(verdict.refusal).value_or(admitted()));
    };
    auto refusal = co_await run_on(executor_, std::move(admit), post);
    if (refusal.status != 0) co_return refused(std::move(call), std::move(refusal));
  }
  auto refusal = co_await take_body(stream, route, *request);
  if (refusal) co_return refused(std::move(call), std::move(*refusal));
  call.route = &route;
  co_return call;
}

// What is wrong with the body; nothing: it is in the request.
Task<std::optional<ApiAnswer>> AdminApi::take_body(Stream& stream, const ApiRoute& route, ApiRequest& request) {
  const auto limit = route.body_limit;
  if (limit == 0) co_return std::nullopt;
  const auto& framing = stream.request().framing;
  if (framing.kind == http::Framing::Kind::kLength && framing.length > limit) co_return too_large(limit);
  auto body = co_await read_body(stream, limit);
  if (!body && body.error().reason == Reason::kBodyTooLarge) co_return too_large(limit);
  if (!body) co_return problem(http::status_of(body.error().reason), code(body.error().reason), body.error().detail);
  request.body = std::move(*body);
  co_return std::nullopt;
}

Task<ApiAnswer> AdminApi::answer(const Call& call, const Post& post) {
  const auto& route = *call.route;
  if (route.is_instant) {
    ApiAnswer answered;
    route.run(*call.request, [&answered](ApiAnswer made) { answered = std::move(made); });
    co_return answered;
  }
  const bool is_receipted =
      route.method != http::Method::kGet && !call.request->idempotency_key.empty() && !is_set(*call.request, "dry_run");
  ApiWork work = [this, &route, is_receipted, request = call.request](Answered done) {
    if (is_receipted) return receipts_.answer(route, request, std::move(done));
    route.run(*request, std::move(done));
  };
  auto answered = co_await run_on(executor_, std::move(work), post);
  co_return answered;
}

}  // namespace hybridge
