// What becomes of a request whose gate is closed.
#include <algorithm>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/gate.h"
#include "proxy/hold_answer.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// What a waiting request takes besides its head: its story's frames, its place, its stream.
constexpr std::size_t kHeldBytes = 3 * 1024;
constexpr const char* kWorkedOn = "the site is being worked on";
constexpr const char* kTooLong = "the work on the site takes longer than this can wait";

// Each request waits so long in all, however often it has to. Microseconds until now.
std::int64_t waited(const Exchange& exchange) {
  return std::max<std::int64_t>(exchange.timings.hold, 0);
}

// The client's address for counting; nullopt: it is not counted.
std::optional<std::array<std::uint8_t, 16>> counted_address(const Exchange& exchange) {
  if (!exchange.is_counted_by_address()) return std::nullopt;
  return exchange.client().key(true);
}
}  // namespace

std::chrono::seconds Gates::retry_after_of(const Gate& gate) {
  std::optional<std::chrono::milliseconds> left;
  if (const auto end = gate.terms().expected_end) left.emplace(*end - worker_.wall_milliseconds());
  return retry_after(left, worker_.random());
}

// What it is told at once; nullopt: it waits.
std::optional<Error> Gates::refusal(GateEntry& entry, const Gate& gate) {
  const auto refuse = [&](Reason reason, HoldOutcome outcome, const char* detail) {
    pool_.count(*gate.window_, outcome);
    return make_error(reason, detail);
  };
  const auto& kind = class_of(entry);
  if (kind.treatment == HoldClass::Treatment::kAnswer) return make_error(Reason::kHoldPong);
  if (kind.treatment == HoldClass::Treatment::kRefuse) {
    return refuse(Reason::kHoldRefused, HoldOutcome::kRefused, "the site is being worked on: come again");
  }
  if (is_ending_ || gate.terms().mode == HoldMode::kPage) {
    return refuse(Reason::kHoldPaged, HoldOutcome::kPaged, kWorkedOn);
  }
  const auto max_wait = std::chrono::duration_cast<std::chrono::milliseconds>(kind.max_wait).count();
  if (const auto end = gate.terms().expected_end; end && worker_.wall_milliseconds() + max_wait < *end) {
    return refuse(Reason::kHoldDeadline, HoldOutcome::kOutlasted, kTooLong);
  }
  return std::nullopt;
}

// Into the queue; 0: nobody waits there any more.
Result<HoldTicket> Gates::join(Exchange& exchange, const Gate& gate, TimePoint deadline) {
  const auto& request = exchange.request();
  const auto address = counted_address(exchange);
  const auto kept = std::exchange(exchange.gate_entry.place_kept_, nullptr);
  const auto ticket = pool_.join(gate.window_,
                                 {.site = exchange.route.site,
                                  .server = exchange.route.server().name,
                                  .address = address ? &*address : nullptr,
                                  .bytes = kHeldBytes + request.bytes.size() + exchange.stream.buffered_bytes(),
                                  .worker = index_,
                                  .deadline = deadline,
                                  .returns = exchange.gate_entry.came_back_,
                                  .kept_its_place = kept == gate.window_},
                                 worker_.loop().now());
  if (kept && kept != gate.window_) pool_.forgo(kept, worker_.loop().now());
  if (!ticket) {
    const bool is_full = ticket.error().reason == Reason::kHoldFull;
    pool_.count(*gate.window_, is_full ? HoldOutcome::kFull : HoldOutcome::kPaged);
  }
  return ticket;
}

// What the end of its wait means for a request.
Result<void> Gates::settle(const Held& held) {
  auto& exchange = held.exchange();
  const auto& window = exchange.held_by;
  const auto leave = [&](HoldOutcome outcome) {
    pool_.leave(window, exchange.route.site, held.ticket(), outcome, worker_.loop().now());
  };
  switch (held.how()) {
    case Held::End::kGranted:
      exchange.gate_entry.let_go_on(window, held.closings());
      return {};
    case Held::End::kLookAgain:
      leave(HoldOutcome::kFlushed);
      return {};
    case Held::End::kRemoved:
      leave(HoldOutcome::kReleased);
      return {};
    case Held::End::kGone:
      leave(HoldOutcome::kClientGone);
      return make_error(Reason::kClientGone, "the client left while it waited");
    case Held::End::kExpired:
      leave(HoldOutcome::kExpired);
      return make_error(Reason::kHoldDeadline, kTooLong);
    case Held::End::kPaged:
    case Held::End::kWaiting:
      break;
  }
  leave(HoldOutcome::kPaged);
  return make_error(Reason::kHoldPaged, kWorkedOn);
}

Task<Result<void>> Gates::wait(Exchange& exchange, Gate& gate) {
  const auto began = worker_.loop().now();
  const auto max_wait = class_of(exchange.gate_entry).max_wait;
  const auto deadline = began + max_wait - std::chrono::microseconds(waited(exchange));
  const auto ticket = join(exchange, gate, deadline);
  if (!ticket) co_return ticket.error();
  if (*ticket == 0) co_return Result<void>{};

  Held held{exchange, gate, *ticket, deadline};
  if (held.how() == Held::End::kWaiting) co_await held.wait();
  exchange.timings.hold = waited(exchange) + microseconds_between(began, worker_.loop().now());
  co_return settle(held);
}

// No coroutine itself: what is looked at before the wait is not kept while it lasts.
Task<Result<void>> wait_at_gate(Exchange& exchange) {
  auto& gates = exchange.worker.gates();
  auto* const gate = gates.closed_gate(exchange.gate_entry, gates.gates_of(exchange));
  if (!gate) return ended(Result<void>{});
  exchange.held_by = gate->window();
  exchange.retry_after = gates.retry_after_of(*gate);
  if (auto refused = gates.refusal(exchange.gate_entry, *gate)) return ended<Result<void>>(*std::move(refused));
  return gates.wait(exchange, *gate);
}

}  // namespace hybridge
