#include "proxy/stopped_request.h"

#include "proxy/http/unavailable.h"
#include "proxy/worker.h"

namespace hybridge {

using http::Unavailable;

namespace {
// True: the body is whole, and small enough to be read for what it says.
Task<Result<bool>> take_body(UpstreamConnection& upstream, const http::Framing& framing, std::string& taken) {
  if (framing.kind == http::Framing::Kind::kLength && framing.length > http::kInspectedBytes) co_return false;
  while (taken.size() <= http::kInspectedBytes) {
    const auto piece = co_await upstream.read_body();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return true;
    taken.append(as_text(*piece));
  }
  co_return false;
}

// Frappe raises SessionStopped before it reads anything of a request; of any other 503 only GET and HEAD can be had
// again. Either way all of the request must be at hand.
bool is_repeatable(const Exchange& exchange, const UpstreamConnection& upstream, Unavailable says) {
  const auto method = exchange.request().method;
  if (says == Unavailable::kReadOnly) return false;
  if (says == Unavailable::kOther && method != http::Method::kGet && method != http::Method::kHead) return false;
  return upstream.is_request_finished() && (!exchange.request().framing.has_body() || exchange.replay.is_whole());
}
}  // namespace

bool is_watched(const Exchange& exchange) {
  return exchange.worker.config().holds.in_band && exchange.route.in_band && !exchange.onward &&
         exchange.request().upgrade.empty();
}

Task<Result<void>> look_into(Exchange& exchange, UpstreamConnection& upstream, const http::ResponseHead& head,
                             StoppedRequest& stopped) {
  const auto whole = co_await take_body(upstream, head.framing, stopped.taken);
  if (!whole) co_return whole.error();
  const auto says = *whole ? http::read_unavailable(head, stopped.taken) : Unavailable::kOther;
  if (says == Unavailable::kReadOnly || exchange.stream.is_gone()) co_return Result<void>{};

  auto& in_band = exchange.worker.in_band();
  const bool says_stopped = says == Unavailable::kSessionStopped;
  if (!is_repeatable(exchange, upstream, says)) {
    in_band.note(exchange.route.site, says_stopped);
    co_return Result<void>{};
  }
  exchange.stream.set_held(true);  // its client may leave; of the server nothing more is expected
  const auto verdict = co_await in_band.ask(stopped.question, exchange.route.site, says_stopped);
  exchange.stream.set_held(false);
  if (const auto& failure = upstream.failure()) co_return *failure;  // it was cut meanwhile
  const bool is_unharmed = verdict == InBand::Verdict::kHeld || (verdict == InBand::Verdict::kOver && says_stopped);
  // One that no gate holds (a monitor's), or a site that always says so while it answers pings, would go round for
  // ever.
  stopped.goes_again = is_unharmed && !exchange.stream.is_gone() && exchange.may_go_again();
  co_return Result<void>{};
}

}  // namespace hybridge
