#include "proxy/agent_passage.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/digest.h"
#include "proxy/agent_call_observer.h"
#include "proxy/answer_tap.h"
#include "proxy/forward.h"
#include "proxy/worker.h"

namespace hybridge {

using Kind = AgentCall::Kind;

namespace {
constexpr std::string_view kAgent = "/agent/";
constexpr std::size_t kConfigBytes = 64 * 1024;  // of a configuration; a longer one is forwarded unread

// Until the call may be forwarded, or its caller has left.
class Pause final : private Stream::GoneListener {
 public:
  explicit Pause(Exchange& exchange) : stream_(exchange.stream), state_(std::make_shared<State>(State{this})) {
    stream_.set_gone_listener(this);
  }
  ~Pause() {
    state_->pause = nullptr;
    stream_.set_gone_listener(nullptr);
  }
  Pause(const Pause&) = delete;

  // For any thread.
  std::function<void()> end_of(Worker& worker) const {
    return [&worker, state = state_] {
      worker.post([state] {
        if (state->pause) state->pause->end();
      });
    };
  }
  Task<void> over() {
    if (!is_over_) co_await waiter_.wait();
  }

 private:
  struct State {
    Pause* pause;
  };

  void on_client_gone() override { end(); }
  void end() {
    is_over_ = true;
    waiter_.resume();
  }

  Stream& stream_;
  std::shared_ptr<State> state_;
  Waiter waiter_;
  bool is_over_ = false;
};

AgentCallSeen to_seen(const Exchange& exchange, const AgentCall& call) {
  AgentCallSeen seen;
  seen.kind = call.kind;
  seen.site = call.site;
  seen.stays_stopped = call.stays_stopped;
  seen.server = exchange.onward->server->endpoints.front().address;
  const auto credential = exchange.request().headers.value(http::HeaderId::kAuthorization);
  if (!credential.empty()) seen.credential = sha512_hex(credential);
  seen.id = exchange.request_id();
  return seen;
}

// The whole body, where it is small and its length known; it is sent from there. False: it is left where it is.
Task<Result<bool>> take_body(Exchange& exchange) {
  const auto& framing = exchange.request().framing;
  auto& kept = exchange.replay;
  if (framing.kind != http::Framing::Kind::kLength) co_return false;
  kept.start(framing, kConfigBytes);
  if (!kept.is_keeping()) co_return false;
  for (;;) {
    const auto piece = co_await exchange.stream.read_body();
    if (!piece) co_return piece.error();
    if (piece->empty()) break;
    kept.append(*piece);
  }
  kept.complete();
  co_return true;
}

// What a configuration says of the site decides what kind of call it is.
Task<Result<void>> look_at_configuration(Exchange& exchange, AgentCallSeen& seen) {
  const auto taken = co_await take_body(exchange);
  if (!taken) co_return taken.error();
  const auto mode = *taken ? read_maintenance_mode(as_text(exchange.replay.bytes())) : std::nullopt;
  if (mode) {
    seen.stops = *mode;
  } else {
    seen.kind = Kind::kOther;
  }
  co_return Result<void>{};
}

bool stops_its_site(const AgentCallSeen& seen) {
  return seen.kind == Kind::kBegins || seen.kind == Kind::kRecovers || (seen.kind == Kind::kConfig && seen.stops);
}
}  // namespace

Task<Result<void>> forward_agent_call(Exchange& exchange) {
  auto* const observer = exchange.worker.agent_calls();
  const auto target = exchange.onward->target;
  if (!observer || !target.starts_with(kAgent)) {
    auto outcome = co_await forward(exchange);
    co_return outcome;
  }
  const auto path = target.substr(kAgent.size());
  const auto call = read_agent_call(exchange.request().method, path.substr(0, path.find('?')));
  auto seen = to_seen(exchange, call);
  if (seen.kind == Kind::kConfig) {
    const auto looked = co_await look_at_configuration(exchange, seen);
    if (!looked) co_return looked.error();
  }
  if (stops_its_site(seen)) {
    Pause pause(exchange);
    observer->before(seen, pause.end_of(exchange.worker));
    co_await pause.over();
  }
  Result<void> outcome = make_error(Reason::kClientGone, "the client left");
  AnswerTap tap(kAgentBody);
  if (!exchange.stream.is_gone()) {
    exchange.tap = seen.kind == Kind::kOther ? nullptr : &tap;
    outcome = co_await forward(exchange);
    exchange.tap = nullptr;
  }
  observer->after(std::move(seen), exchange.upstream_status, tap.text());
  co_return outcome;
}

}  // namespace hybridge
