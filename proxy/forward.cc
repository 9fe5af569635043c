#include "proxy/forward.h"

#include <string>
#include <utility>

#include "base/sibling.h"
#include "proxy/apply_rules.h"
#include "proxy/http/error_page.h"
#include "proxy/http/forwarded.h"
#include "proxy/http/normal_path.h"
#include "proxy/http/websocket.h"
#include "proxy/stopped_request.h"
#include "proxy/unforeseen.h"
#include "proxy/upstream/lease.h"
#include "proxy/upstream/server.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// The body of an upstream's answer that our page replaces is read up to this size to keep the connection.
constexpr std::uint64_t kDiscarded = 64 * 1024;

// Ends what a request waits for when its client leaves: a safe one at once, an unsafe one that has
// been sent whole not at all, because its server is at work on it. And when its site is held: what has not been sent
// goes back to the gate; what has is cut when its window says so.
class Departure final : public Stream::GoneListener, public GateEntry::Interruptible {
 public:
  explicit Departure(Exchange& exchange) : stream_(exchange.stream), entry_(exchange.gate_entry) {
    stream_.set_gone_listener(this);
    entry_.set_interruptible(this);
  }
  ~Departure() {
    stream_.set_gone_listener(nullptr);
    entry_.set_interruptible(nullptr);
  }
  Departure(const Departure&) = delete;

  void awaits(LeaseRequest* request) { request_ = request; }
  void awaits(UpstreamConnection* connection) { connection_ = connection; }
  void awaits(InBand::Question* question) { question_ = question; }

  void on_client_gone() override {
    if (question_) {
      question_->cancel();
    } else if (request_) {
      request_->cancel();
    } else if (connection_ && !outlives_client(*connection_)) {
      connection_->abort(make_error(Reason::kClientGone, "the client left"));
    }
  }

  void recall() override {
    if (request_) request_->cancel();
  }

  void cut(const Error& error) override {
    if (connection_) connection_->abort(error);
  }

  bool outlives_client(const UpstreamConnection& connection) const {
    return !http::is_safe(stream_.request().method) && connection.is_request_finished();
  }

 private:
  Stream& stream_;
  GateEntry& entry_;
  LeaseRequest* request_ = nullptr;
  UpstreamConnection* connection_ = nullptr;
  InBand::Question* question_ = nullptr;
};

// A server's endpoints may be several processes that know nothing of each other's sessions: what socket.io keeps
// between two requests is with the first of them.
bool is_for_primary(Exchange& exchange) {
  if (exchange.server()->endpoints.size() == 1) return false;
  return http::normal_path(exchange.request().path(), exchange.worker.scratch()).starts_with("/socket.io");
}

void send_head(Exchange& exchange, UpstreamConnection& upstream) {
  const auto& request = exchange.request();
  auto& out = exchange.worker.scratch();
  out.clear();
  http::append_upstream_request(out, request,
                                {.client_address = exchange.client_ip(),
                                 .client_port = exchange.stream.client().peer.port(),
                                 .scheme = exchange.scheme(),
                                 .request_id = exchange.request_id(),
                                 .traceparent = exchange.traceparent(),
                                 .send_expect = false,  // answered here, when the body is wanted
                                 .extra = extra_request_headers(exchange),
                                 .host = exchange.onward ? std::string_view(exchange.onward->host) : std::string_view{},
                                 .target = exchange.onward ? exchange.onward->target : std::string_view{}});
  upstream.begin(request.method, request.framing, {.continue_100 = false, .upgrade = !request.upgrade.empty()});
  upstream.write_head(out);
  if (!request.framing.has_body()) upstream.finish_body();
}

// The body that was sent once and is sent again.
Task<void> send_kept_body(const ReplayBuffer& kept, UpstreamConnection& upstream) {
  const auto written = co_await upstream.write_body(kept.bytes());
  if (written) upstream.finish_body();
}

Task<void> send_body(Exchange& exchange, UpstreamConnection& upstream) {
  auto& kept = exchange.replay;
  if (kept.is_whole()) {
    co_await send_kept_body(kept, upstream);
    co_return;
  }
  kept.start(exchange.request().framing, is_watched(exchange) ? exchange.worker.config().holds.replay : 0);
  for (;;) {
    const auto piece = co_await exchange.stream.read_body();
    if (!piece) {
      upstream.abort(piece.error());
      co_return;
    }
    if (piece->empty()) {
      kept.complete();
      upstream.finish_body();
      co_return;
    }
    kept.append(*piece);
    const auto written = co_await upstream.write_body(*piece);
    // Not the end of the story: a server that refuses an upload may have answered before it closed.
    if (!written) co_return;
  }
}

Task<void> pump_up(Exchange& exchange, UpstreamConnection& upstream) {
  try {
    co_await send_body(exchange, upstream);
  } catch (const std::exception& thrown) {
    upstream.abort(unforeseen(thrown));
  }
}

// The rest of an answer that nobody will see, for as long as one may take.
Task<void> discard(Exchange& exchange, UpstreamConnection& upstream) {
  const auto deadline = exchange.worker.loop().now() + exchange.worker.config().timeouts.response_head;
  for (;;) {
    const auto piece = co_await upstream.read_body();
    if (!piece || piece->empty() || exchange.worker.loop().now() > deadline) co_return;
    if (exchange.tap) exchange.tap->append(*piece);
  }
}

bool is_replaced_by_page(int status) {
  return status == 429 || status == 502 || status == 504;
}

// How today's proxy names where an answer is from (observed.md 3): of a server of several, the primary alone is
// another.
std::string_view proxy_upstream_of(Exchange& exchange) {
  const auto& name = exchange.server()->proxy_upstream;
  if (!is_for_primary(exchange)) return name;
  return exchange.worker.scratch().assign(name).append("_primary");
}

// The head as the client shall see it; in the worker's own, whose views point into the upstream's.
const http::ResponseHead& rewrite(Exchange& exchange, const http::ResponseHead& head) {
  auto& response = exchange.worker.response_head();
  response.status = head.status;
  response.version = head.version;
  response.phrase = head.phrase;
  response.headers = head.headers;
  response.framing = head.framing;
  if (head.framing.kind == http::Framing::Kind::kNone) {
    // RFC 9110 8.6: a HEAD's or 304's Content-Length speaks of the body that a GET would have.
    if (head.content_length) response.framing = {http::Framing::Kind::kLength, *head.content_length};
  }
  const bool is_informational = head.is_informational();
  http::apply_response_rules(
      response,
      {.server_header = exchange.worker.config().server_header,
       .proxy_upstream = proxy_upstream_of(exchange),
       .request_id = exchange.request_id(),
       .cors_origin = is_informational || exchange.onward ? std::string_view{} : exchange.cors_origin(),
       .reason = {},
       .extra = extra_response_headers(exchange),
       .security_headers = !exchange.onward},
      exchange.worker.http_date());
  return response;
}

// RFC 9110 6.5: fields behind the body go on where they may and are understood.
void relay_trailers(Exchange& exchange, const UpstreamConnection& upstream) {
  if (!http::takes_trailers(exchange.request())) return;
  auto trailers = upstream.trailers();
  if (trailers.size() == 0) return;
  http::apply_trailer_rules(trailers, upstream.head(), extra_response_headers(exchange));
  if (trailers.size() > 0) exchange.stream.write_trailers(trailers);
}

Task<Result<void>> relay_body(Exchange& exchange, UpstreamConnection& upstream, const Departure& departure) {
  auto& stream = exchange.stream;
  for (Bytes piece;;) {
    // Also before there is a piece: a client that takes nothing gets none of it kept here.
    const auto written = co_await stream.write_body(piece);
    if (!written) {
      if (departure.outlives_client(upstream)) co_await discard(exchange, upstream);
      co_return written.error();
    }
    const auto next = co_await upstream.read_body();
    if (!next) co_return next.error();
    if (next->empty()) break;
    piece = *next;
    if (exchange.tap) exchange.tap->append(piece);
  }
  relay_trailers(exchange, upstream);
  stream.finish();
  co_return Result<void>{};
}

// RFC 9110 7.8: a server says to which protocol it switches, and that is one it was offered.
bool is_offered(const http::RequestHead& request, const http::ResponseHead& head) {
  const auto* chosen = head.headers.find(http::HeaderId::kUpgrade);
  return chosen && http::list_contains(request.upgrade, chosen->value);
}

// A 503 may be a site's word that it is in maintenance.
Task<Result<void>> settle_503(Exchange& exchange, UpstreamConnection& upstream, const http::ResponseHead& head,
                              Departure& departure) {
  StoppedRequest stopped;
  departure.awaits(&stopped.question);
  const auto looked = co_await look_into(exchange, upstream, head, stopped);
  departure.awaits(static_cast<InBand::Question*>(nullptr));
  if (!looked) co_return looked.error();
  if (exchange.stream.is_gone()) co_return make_error(Reason::kClientGone, "the client left before the answer");
  if (stopped.goes_again) co_return make_error(Reason::kRecalled);
  exchange.replay.drop();
  exchange.stream.write_head(rewrite(exchange, head));
  const auto written = co_await exchange.stream.write_body(as_bytes(stopped.taken));
  if (!written) co_return written.error();
  auto outcome = co_await relay_body(exchange, upstream, departure);
  co_return outcome;
}

Result<void> switch_protocols(Exchange& exchange, UpstreamConnection& upstream, const http::ResponseHead& head) {
  const auto& request = exchange.request();
  if (!is_offered(request, head)) {
    return make_error(Reason::kUpstreamMalformed, "a 101 to a protocol that was not offered");
  }
  // The client of an HTTP/1.1 handshake looks for itself; here the key was ours (RFC 8441).
  if (request.version == http::Version::kHttp2 && !http::is_websocket_accepted(request, head)) {
    return make_error(Reason::kUpstreamMalformed, "the server's Sec-WebSocket-Accept does not fit the key");
  }
  exchange.stream.write_head(rewrite(exchange, head));
  exchange.worker.counters().request_upgraded();
  exchange.leave();
  exchange.gate_entry.became_tunnel();
  upstream.start_tunnel();
  return {};
}

Task<Result<void>> receive(Exchange& exchange, UpstreamConnection& upstream, Departure& departure, TimePoint sent) {
  auto& stream = exchange.stream;
  const http::ResponseHead* head = nullptr;
  do {
    const auto next = co_await upstream.read_head();
    if (!next) co_return next.error();
    head = *next;
    if (head->status == 101) co_return switch_protocols(exchange, upstream, *head);
    if (head->is_informational()) {
      http::ResponseHead plain;
      plain.status = head->status;
      plain.phrase = head->phrase;
      plain.headers = head->headers;
      http::apply_response_rules(plain, {}, {});
      stream.write_informational(plain);
    }
  } while (head->is_informational());

  exchange.upstream_status = head->status;
  exchange.timings.first_byte = microseconds_between(sent, exchange.worker.loop().now());
  if (exchange.tap) exchange.tap->begin(head->headers.value(http::HeaderId::kContentEncoding));
  if (stream.is_gone()) {
    co_await discard(exchange, upstream);
    co_return make_error(Reason::kClientGone, "the client left before the answer");
  }
  if (head->status == 503 && is_watched(exchange)) {
    auto outcome = co_await settle_503(exchange, upstream, *head, departure);
    co_return outcome;
  }
  exchange.replay.drop();
  if (is_replaced_by_page(head->status) && !exchange.onward && http::wants_html(exchange.request())) {
    const bool is_small = head->framing.kind == http::Framing::Kind::kLength && head->framing.length <= kDiscarded;
    if (is_small) co_await discard(exchange, upstream);
    co_return make_error(Reason::kUpstreamStatus);
  }
  stream.write_head(rewrite(exchange, *head));
  auto outcome = co_await relay_body(exchange, upstream, departure);
  co_return outcome;
}

Task<Result<void>> attempt(Exchange& exchange, UpstreamConnection& upstream, Departure& departure) {
  departure.awaits(&upstream);
  const auto sent = exchange.worker.loop().now();
  exchange.gate_entry.sent();
  send_head(exchange, upstream);
  Sibling upload;
  if (exchange.request().framing.has_body()) upload.start(pump_up(exchange, upstream));
  Result<void> outcome;
  try {
    outcome = co_await receive(exchange, upstream, departure, sent);
  } catch (const std::exception& thrown) {
    outcome = unforeseen(thrown);
  }
  if (upload.is_running()) {
    // The answer is complete (or there will be none) while the body is still coming: it is not wanted any more.
    exchange.stream.abandon_body();
    upstream.abort(make_error(Reason::kUpstreamClosed, "the exchange ended before the request's body"));
    co_await upload.join();
  }
  departure.awaits(static_cast<UpstreamConnection*>(nullptr));
  exchange.worker.counters().upstream_request_ended(outcome ? Reason::kOk : outcome.error().reason,
                                                    microseconds_between(sent, exchange.worker.loop().now()));
  co_return outcome;
}

// Nobody can know whether bytes once given to the kernel were consumed.
bool may_repeat(const Exchange& exchange, const UpstreamConnection& upstream, const Error& error) {
  if (error.reason != Reason::kUpstreamClosed || exchange.retries >= exchange.worker.config().upstream.retries) {
    return false;
  }
  const auto& stream = exchange.stream;
  if (stream.is_head_sent() || stream.is_gone() || exchange.request().framing.has_body()) return false;
  if (!upstream.has_written()) return true;
  return http::is_safe(exchange.request().method) && upstream.is_reused() && !upstream.has_received();
}
}  // namespace

Task<Result<void>> forward(Exchange& exchange) {
  auto& server = exchange.worker.upstreams().find(exchange.server());
  Departure departure{exchange};
  LeaseRequest request;
  request.site = exchange.route.site;
  request.is_safe = http::is_safe(exchange.request().method);
  request.is_tunnel = !exchange.request().upgrade.empty();
  request.to_primary = is_for_primary(exchange);
  for (;;) {
    // Nothing was sent, or what was may be sent again: but not while the site is held.
    if (exchange.gate_entry.is_recalled()) co_return make_error(Reason::kRecalled);
    departure.awaits(&request);
    auto lease = co_await server.lease(request);
    departure.awaits(static_cast<LeaseRequest*>(nullptr));
    exchange.timings.queue = static_cast<std::int64_t>(request.queue_microseconds);
    if (request.connect_microseconds > 0) {
      exchange.timings.connect = static_cast<std::int64_t>(request.connect_microseconds);
    }
    const bool is_ending = !lease && lease.error().reason == Reason::kShuttingDown;
    if (exchange.gate_entry.is_recalled() && !exchange.stream.is_gone() && !is_ending) continue;
    if (!lease) co_return lease.error();
    const auto endpoint = (*lease)->endpoint_text();
    exchange.endpoint.assign(endpoint.data(), endpoint.size());
    if (exchange.stream.is_gone()) co_return make_error(Reason::kClientGone, "the client left");
    auto outcome = co_await attempt(exchange, **lease, departure);
    if (outcome && (*lease)->is_tunnel()) exchange.tunnel_to = std::move(*lease);
    if (outcome || !may_repeat(exchange, **lease, outcome.error())) co_return outcome;
    ++exchange.retries;
    request.fresh_only = true;
  }
}

}  // namespace hybridge
