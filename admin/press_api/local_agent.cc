#include "admin/press_api/local_agent.h"

#include <boost/json/parse.hpp>

#include "admin/plain_call.h"
#include "admin/problem.h"

namespace hybridge {

namespace {
// HTTP/1.0: its answer comes in one piece.
std::string request_of(const LocalAgent::Call& call) {
  std::string request =
      call.method + " " + call.path + " HTTP/1.0\r\nHost: localhost\r\nAuthorization: " + call.authorization + "\r\n";
  if (!call.job_name.empty()) request += "X-Agent-Job-Id: " + call.job_name + "\r\n";
  if (!call.body.empty()) request += "Content-Type: application/json\r\n";
  return request + "Content-Length: " + std::to_string(call.body.size()) + "\r\nConnection: close\r\n\r\n" + call.body;
}

Result<PlainAnswer> ask(const Address& address, const LocalAgent::Call& call) {
  return call_at(address, "the local agent at " + address.to_string(), request_of(call), LocalAgent::kPatience);
}

ApiAnswer answer_of(const Result<PlainAnswer>& answered) {
  if (!answered) return problem(502, "local_agent", answered.error().detail);
  boost::system::error_code error;
  static_cast<void>(boost::json::parse(answered->body, error));
  if (error) {
    return problem(502, "local_agent",
                   "the local agent gave " + std::to_string(answered->status) + " and something that is not JSON");
  }
  ApiAnswer answer;
  answer.status = answered->status;
  answer.body = answered->body;
  return answer;
}
}  // namespace

void LocalAgent::pass_on(Call call, Answered answered) {
  if (executor_.queued() >= kMostWaiting) {
    auto busy = problem(503, code(Reason::kServerBusy), "too many calls wait for the local agent");
    busy.headers.emplace_back("Retry-After", "2");
    return answered(std::move(busy));
  }
  executor_.post([this, call = std::move(call), answered = std::move(answered)] {
    const auto address = where_();
    if (!address) return answered(problem(404, "not_found", "there is no local agent any more"));
    answered(answer_of(ask(*address, call)));
  });
}

}  // namespace hybridge
