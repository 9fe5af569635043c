#include "admin/press_api/press_api.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "admin/api_stream.h"
#include "admin/press_api/press_routes.h"
#include "admin/problem.h"
#include "base/process_log.h"
#include "proxy/http/error_page.h"

namespace hybridge {

namespace json = boost::json;

namespace {
constexpr std::string_view kPrefix = "/agent";
constexpr std::string_view kProblem = "application/problem+json";
constexpr std::size_t kMostJobIdBytes = 140;  // what the control plane's own field holds

std::int64_t unix_microseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// The path below /agent; slashes that follow each other are one, as they are to nginx.
std::string path_of(std::string_view path) {
  std::string out;
  for (const char c : path.substr(kPrefix.size())) {
    if (c != '/' || !out.ends_with('/')) out += c;
  }
  return out.empty() ? "/" : out;
}

// The control plane looks for `error`, a list of lines; ours stands beside it.
ApiAnswer in_words_of_press(ApiAnswer answer) {
  if (answer.content_type != kProblem) return answer;
  answer.content_type = "application/json";
  auto problem = json::parse(answer.body).as_object();
  json::array lines = {problem["detail"]};
  if (const auto* faults = problem.if_contains("faults")) {
    for (const auto& fault : faults->as_array()) {
      lines.emplace_back(std::string(fault.at("path").as_string()) + ": " +
                         std::string(fault.at("message").as_string()));
    }
  }
  problem["error"] = std::move(lines);
  answer.body = json::serialize(problem);
  return answer;
}

ApiAnswer unread(const Error& error) {
  if (error.reason != Reason::kBodyTooLarge) {
    return problem(http::status_of(error.reason), code(error.reason), error.detail);
  }
  return problem(413, "body_too_large",
                 "the body has more than " + std::to_string(PressApi::kBodyBytes) + " bytes, the most here");
}

// `jobs/1,2,3`: of those the control plane has waiting, some may be another agent's.
bool is_poll(const ApiRoute& route) {
  return route.pattern == "/jobs/{ids}" || route.pattern == "/agent-jobs/{names}";
}

bool is_incomplete(const ApiAnswer& answer, const std::string& path) {
  json::error_code error;
  const auto found = json::parse(answer.body, error);
  if (error || !found.is_array()) return answer.status == 404;
  return found.get_array().size() <= static_cast<std::size_t>(std::count(path.begin(), path.end(), ','));
}
}  // namespace

Result<std::unique_ptr<PressApi>> PressApi::make(Sources sources) {
  auto book = JobBook::open(sources.reader);
  if (!book) return book.error();
  const auto password = sources.reader.secret(kAgentPassword);
  if (!password && !sources.config()->server_name.empty()) {
    log::warn("the control plane's API lets nobody in: no password is stored (`hybridge agent-password` does it)");
  }
  return std::unique_ptr<PressApi>(new PressApi(std::move(sources), std::move(*book)));
}

PressApi::PressApi(Sources sources, std::unique_ptr<JobBook> book)
    : book_(std::move(book)),
      runner_(sources.publisher, sources.reader, *book_, sources.now ? sources.now : unix_microseconds),
      admission_(sources.reader, kAgentPassword, sources.steady_now ? sources.steady_now : Clock::now),
      local_agent_([config = sources.config] { return config()->local_agent; }) {
  add_job_routes(routes_, runner_, sources.holds);
  add_press_inquiry_routes(routes_, {sources.publisher, *book_, std::move(sources.config)});
}

PressApi::~PressApi() {
  admission_.stop();
  local_agent_.stop();
  executor_.stop();
}

Task<void> PressApi::serve(Call call) {
  auto answered = co_await answer(call);
  auto& stream = call.stream;
  if (stream.is_gone() || stream.is_head_sent()) {
    stream.reset(Reason::kClientGone);
    co_return;
  }
  answered = in_words_of_press(std::move(answered));
  if (!call.request_id.empty()) answered.headers.emplace_back("X-Request-ID", call.request_id);
  co_await write_answer(stream, answered);
}

Task<ApiAnswer> PressApi::answer(Call& call) {
  if (const auto& fault = call.stream.fault()) {
    co_return problem(http::status_of(fault->reason), code(fault->reason), fault->detail);
  }
  if (executor_.queued() >= kMostQueued) {
    auto busy = problem(503, code(Reason::kServerBusy), "too many calls are waiting");
    busy.headers.emplace_back("Retry-After", "2");
    co_return busy;
  }
  // Before anything else: who does not know the password does not learn what paths there are.
  auto refusal = co_await admission_.admit(call, executor_);
  if (refusal.status != 0) co_return refusal;
  auto answered = co_await dispatch(call, path_of(call.stream.request().path()));
  co_return answered;
}

Task<ApiAnswer> PressApi::dispatch(Call& call, std::string path) {
  const auto& head = call.stream.request();
  auto match = match_route(routes_, head.method, path);
  if (!match.route) {
    if (match.refusal.status != 404 || !local_agent_.is_there()) co_return std::move(match.refusal);
    auto theirs = co_await pass_on(call, path);
    co_return theirs;
  }
  auto request = std::make_shared<ApiRequest>();
  request->parameters = std::move(match.parameters);
  request->action = std::string(head.method_name) + " " + std::string(kPrefix) + path;
  request->who = "press";
  request->agent_job_id = field_of(head, "X-Agent-Job-Id");
  if (request->agent_job_id.size() > kMostJobIdBytes) {
    co_return problem(400, "bad_job_id", "X-Agent-Job-Id has more than " + std::to_string(kMostJobIdBytes) + " bytes");
  }
  auto answered = co_await run(call, *match.route, std::move(request));
  if (is_poll(*match.route) && local_agent_.is_there() && is_incomplete(answered, path)) {
    answered = co_await complete(call, path, std::move(answered));
  }
  co_return answered;
}

Task<ApiAnswer> PressApi::pass_on(Call& call, std::string path) {
  const auto& head = call.stream.request();
  auto body = co_await read_body(call.stream, kBodyBytes);
  if (!body) co_return unread(body.error());
  LocalAgent::Call passed;
  passed.method = std::string(head.method_name);
  passed.path = std::move(path);
  passed.path += head.target.substr(std::min(head.target.find('?'), head.target.size()));
  passed.authorization = std::string(head.headers.value(http::HeaderId::kAuthorization));
  passed.job_name = std::string(field_of(head, "X-Agent-Job-Id"));
  passed.body = std::move(*body);
  ApiWork work = [this, passed = std::move(passed)](Answered done) { local_agent_.pass_on(passed, std::move(done)); };
  auto answered = co_await run_on(executor_, std::move(work), call.post);
  co_return answered;
}

Task<ApiAnswer> PressApi::complete(Call& call, std::string path, ApiAnswer ours) {
  auto theirs = co_await pass_on(call, std::move(path));
  // Unknown here, and it cannot be asked: who can tell?
  if (ours.status != 200 && (theirs.status == 200 || theirs.status >= 502)) co_return theirs;
  if (ours.status != 200 || theirs.status != 200) co_return ours;
  json::error_code error;
  auto all = json::parse(ours.body).as_array();
  const auto others = json::parse(theirs.body, error);
  if (!error && others.is_array()) all.insert(all.end(), others.get_array().begin(), others.get_array().end());
  ours.body = json::serialize(all);
  co_return ours;
}

Task<ApiAnswer> PressApi::run(Call& call, const ApiRoute& route, std::shared_ptr<ApiRequest> request) {
  if (route.body_limit > 0) {
    auto body = co_await read_body(call.stream, route.body_limit);
    if (!body) co_return unread(body.error());
    request->body = std::move(*body);
  }
  ApiWork work = [&route, request](Answered done) { route.run(*request, std::move(done)); };
  auto answered = co_await run_on(executor_, std::move(work), call.post);
  co_return answered;
}

}  // namespace hybridge
