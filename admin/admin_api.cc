#include "admin/admin_api.h"

#include <ctime>

#include "admin/api_stream.h"
#include "admin/certificates_api.h"
#include "admin/inquiry_api.h"
#include "admin/problem.h"
#include "admin/records_api.h"
#include "admin/snapshot_api.h"
#include "admin/status_api.h"
#include "base/host_name.h"
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

// The answer of nobody who refuses.
ApiAnswer admitted() {
  ApiAnswer answer;
  answer.status = 0;
  return answer;
}
}  // namespace

AdminApi::AdminApi(Sources sources)
    : admission_(sources.reader, sources.steady_now ? sources.steady_now : Clock::now), post_(std::move(sources.post)) {
  const auto now = sources.now ? sources.now : unix_seconds;
  add_status_routes(routes_, {sources.publisher, std::move(sources.status), std::move(sources.metrics), now,
                              std::move(sources.upgrade)});
  add_snapshot_routes(routes_, sources.publisher, kSnapshotBytes);
  add_record_routes(routes_, sources.publisher, kSnapshotBytes);
  add_inquiry_routes(routes_, {sources.publisher, sources.reader, std::move(sources.config)});
  add_certificate_routes(routes_, {sources.publisher, sources.reader, now, kCertificateBytes});
}

AdminApi::~AdminApi() {
  executor_.stop();
}

Task<void> AdminApi::serve(Stream& stream) {
  co_await serve_on(stream, post_);
}

Task<void> AdminApi::serve_on(Stream& stream, Post post) {
  const auto answered = co_await answer(stream, post);
  if (stream.is_gone() || stream.is_head_sent()) {
    stream.reset(Reason::kClientGone);
    co_return;
  }
  co_await write_answer(stream, answered);
}

Task<ApiAnswer> AdminApi::answer(Stream& stream, const Post& post) {
  if (const auto& fault = stream.fault()) {
    co_return problem(http::status_of(fault->reason), code(fault->reason), fault->detail);
  }
  const auto& head = stream.request();
  auto match = match_route(routes_, head.method, head.path());
  if (!match.route) co_return std::move(match.refusal);
  const auto& route = *match.route;
  const auto request = std::make_shared<ApiRequest>();
  request->parameters = std::move(match.parameters);
  request->action = std::string(head.method_name) + " " + std::string(head.path());
  request->if_match = field_of(head, "If-Match");
  request->if_none_match = field_of(head, "If-None-Match");
  if (auto refusal = take_query(route, head.target, *request)) co_return std::move(*refusal);

  const bool is_open = route.access == ApiRoute::Access::kPublic ||
                       (route.access == ApiRoute::Access::kPublicOnLoopback && stream.client().peer.is_loopback());
  if (!is_open) {
    ApiWork admit = [this, request, role = route.role,
                     caller = Admission::Caller{stream.client().peer, stream.client().is_tls,
                                                std::string(head.headers.value(http::HeaderId::kAuthorization))}](
                        const Answered& done) {
      auto verdict = admission_.admit(caller, role);
      request->who = std::move(verdict.who);
      done(std::move(verdict.refusal).value_or(admitted()));
    };
    auto refusal = co_await run_on(executor_, std::move(admit), post);
    if (refusal.status != 0) co_return refusal;
  }
  if (route.body_limit > 0) {
    if (head.framing.kind == http::Framing::Kind::kLength && head.framing.length > route.body_limit) {
      co_return too_large(route.body_limit);
    }
    auto body = co_await read_body(stream, route.body_limit);
    if (!body && body.error().reason == Reason::kBodyTooLarge) co_return too_large(route.body_limit);
    if (!body) co_return problem(http::status_of(body.error().reason), code(body.error().reason), body.error().detail);
    request->body = std::move(*body);
  }
  if (route.is_instant) {
    ApiAnswer answered;
    route.run(*request, [&answered](ApiAnswer made) { answered = std::move(made); });
    co_return answered;
  }
  ApiWork work = [&route, request](Answered done) { route.run(*request, std::move(done)); };
  auto answered = co_await run_on(executor_, std::move(work), post);
  co_return answered;
}

}  // namespace hybridge
