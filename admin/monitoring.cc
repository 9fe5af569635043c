#include "admin/monitoring.h"

#include <algorithm>
#include <string>
#include <utility>

#include "admin/api_stream.h"
#include "admin/plain_call.h"
#include "admin/problem.h"

namespace hybridge {

namespace {
constexpr std::string_view kStatus = "/status";
constexpr std::string_view kMetrics = "/metrics/";
constexpr std::string_view kOwn = "/metrics/hybridge";

ApiAnswer busy() {
  auto answer = problem(503, code(Reason::kServerBusy), "too many calls are waiting");
  answer.headers.emplace_back("Retry-After", "2");
  return answer;
}

// What of the caller's request an exporter may want to know: never the password. HTTP/1.0: its answer comes in one
// piece.
std::string request_of(const Config::Exporter& exporter, const http::RequestHead& head) {
  std::string request = "GET " + exporter.path;
  request.append(head.target.substr(std::min(head.target.find('?'), head.target.size())));
  request.append(" HTTP/1.0\r\nHost: ").append(exporter.address.to_string()).append("\r\n");
  for (const auto* name : {"Accept", "X-Prometheus-Scrape-Timeout-Seconds"}) {
    const auto value = field_of(head, name);
    if (!value.empty()) request.append(name).append(": ").append(value).append("\r\n");
  }
  return request + "Connection: close\r\n\r\n";
}

ApiAnswer answer_of(const Result<PlainAnswer>& answered) {
  if (!answered) return problem(502, "exporter", answered.error().detail);
  ApiAnswer answer;
  answer.status = answered->status;
  answer.content_type = answered->content_type;
  answer.body = answered->body;
  return answer;
}
}  // namespace

Monitoring::Monitoring(Sources sources)
    : status_(std::move(sources.status)),
      config_(std::move(sources.config)),
      admission_(sources.reader, kMonitoringPassword) {}

Monitoring::~Monitoring() {
  admission_.stop();
  exporters_.stop();
  executor_.stop();
}

Task<void> Monitoring::serve(Call call) {
  auto answered = co_await answer(call);
  auto& stream = call.stream;
  if (stream.is_gone() || stream.is_head_sent()) {
    stream.reset(Reason::kClientGone);
    co_return;
  }
  if (!call.request_id.empty()) answered.headers.emplace_back("X-Request-ID", call.request_id);
  co_await write_answer(stream, answered);
}

Task<ApiAnswer> Monitoring::answer(const Call& call) {
  if (executor_.queued() >= kMostWaiting) co_return busy();
  // Before anything else: who does not know the password does not learn what exporters there are.
  auto refusal = co_await admission_.admit(call, executor_);
  if (refusal.status != 0) co_return refusal;
  const auto& head = call.stream.request();
  if (head.method != http::Method::kGet && head.method != http::Method::kHead) {
    auto refused = problem(405, code(Reason::kMethodNotAllowed), "here is only what is read: GET, HEAD");
    refused.headers.emplace_back("Allow", "GET, HEAD");
    co_return refused;
  }
  if (head.path() == kStatus || head.path() == kOwn) {
    ApiWork show = [this, show = head.path() == kOwn ? show_metrics : show_status](const Answered& done) {
      show(status_, done);
    };
    auto shown = co_await run_on(executor_, std::move(show), call.post);
    co_return shown;
  }
  auto theirs = co_await ask_exporter(call, head);
  co_return theirs;
}

Task<ApiAnswer> Monitoring::ask_exporter(const Call& call, const http::RequestHead& head) {
  const auto config = config_();
  const auto path = head.path();
  const auto found =
      path.starts_with(kMetrics) ? config->exporters.find(path.substr(kMetrics.size())) : config->exporters.end();
  if (found == config->exporters.end()) {
    co_return problem(404, code(Reason::kNotFound),
                      "there is /status, /metrics/hybridge, and /metrics/NAME for each of `exporters`");
  }
  if (exporters_.queued() >= kMostWaiting) co_return busy();
  ApiWork ask = [name = "the exporter " + found->first + " at " + found->second.address.to_string(),
                 address = found->second.address, request = request_of(found->second, head)](const Answered& done) {
    done(answer_of(call_at(address, name, request, kPatience)));
  };
  auto answered = co_await run_on(exporters_, std::move(ask), call.post);
  co_return answered;
}

}  // namespace hybridge
