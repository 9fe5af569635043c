#include "proxy/gate.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "proxy/exchange.h"
#include "proxy/hold_preview.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
constexpr auto kTurn = std::chrono::milliseconds(100);
// WebSockets are closed within this time.
constexpr auto kCloseSpread = std::chrono::milliseconds(3000);

bool is_connect_failure(Reason reason) {
  return reason == Reason::kUpstreamConnectFailed || reason == Reason::kUpstreamConnectTimeout ||
         reason == Reason::kUpstreamDown || reason == Reason::kUpstreamUnresolved || reason == Reason::kUpstreamTls;
}

// How often a released request may find its server unreachable and wait again; the guard ends it sooner.
constexpr int kMostTries = 30;

// Who is not to blame for a failure, nor to be praised for going well.
bool says_nothing(Reason reason) {
  return reason == Reason::kRecalled || reason == Reason::kClientGone || reason == Reason::kClientTooSlow ||
         reason == Reason::kBodyTimeout || reason == Reason::kBodyTooLarge || reason == Reason::kBadChunk ||
         reason == Reason::kServerBusy || reason == Reason::kShuttingDown || reason == Reason::kHoldCut;
}
}  // namespace

// --- GateEntry

GateEntry::~GateEntry() {
  if (is_linked()) exchange_.worker.gates().uncount(*this);
  end_passages(HoldPool::Passage::kUnused);
  if (place_kept_) exchange_.worker.holds().forgo(place_kept_, exchange_.worker.loop().now());
}

void GateEntry::became_tunnel() {
  is_tunnel_ = true;
  is_recalled_ = false;
  end_passages(HoldPool::Passage::kGood);  // the server took it: how its tunnel ends says nothing of that
  for (auto& count : counts_) {
    if (!count.gate) continue;
    count.gate->number(count.kind).add(-1);
    count.kind = Kind::kTunnel;
    count.gate->number(count.kind).add();
    exchange_.worker.gates().look_if_drained(*count.gate);
  }
}

bool GateEntry::leave(const Result<void>& outcome) {
  if (is_linked()) exchange_.worker.gates().uncount(*this);
  came_back_ = !outcome && outcome.error().reason == Reason::kRecalled;
  if (!passes_.empty()) {
    const auto passage = passage_by(outcome);
    came_back_ = came_back_ || passage == HoldPool::Passage::kReturns;
    end_passages(passage);
  }
  is_sent_ = is_recalled_ = false;
  return came_back_;
}

// Of the gate that was opened for it. A request has two gates at most, but one of them may have held it twice.
void GateEntry::let_go_on(const HoldPool::WindowPtr& window, std::uint32_t closings) {
  auto& pool = exchange_.worker.holds();
  if (passes_.size() == passes_.capacity()) {
    pool.ended(passes_.front().window, HoldPool::Passage::kUnused, exchange_.worker.loop().now());
    passes_.erase(passes_.begin());
  }
  passes_.push_back({window, closings});
  pool.began(window, exchange_.worker.loop().now());
}

HoldPool::Passage GateEntry::passage_by(const Result<void>& outcome) {
  using Passage = HoldPool::Passage;
  const auto reason = outcome ? Reason::kOk : outcome.error().reason;
  if (reason == Reason::kOk || reason == Reason::kUpstreamStatus) {
    return exchange_.upstream_status < 500 ? Passage::kGood : Passage::kBad;
  }
  if (says_nothing(reason)) return Passage::kUnused;
  // Nothing has reached the server, so it can try again when the server is there.
  const bool may_return = is_connect_failure(reason) && !exchange_.stream.is_head_sent() &&
                          exchange_.stream.bytes_in() == 0 && ++tries_ < kMostTries;
  return may_return ? Passage::kReturns : Passage::kBad;
}

void GateEntry::end_passages(HoldPool::Passage passage) {
  for (const auto& each : passes_) {
    const bool keeps = passage == HoldPool::Passage::kReturns && &each == &passes_.front();
    if (keeps) place_kept_ = each.window;
    const auto told = passage == HoldPool::Passage::kReturns && !keeps ? HoldPool::Passage::kBad : passage;
    exchange_.worker.holds().ended(each.window, told, exchange_.worker.loop().now());
  }
  passes_.clear();
}

// --- Held

Held::Held(Exchange& exchange, Gate& gate, HoldTicket ticket, TimePoint deadline)
    : exchange_(exchange), ticket_(ticket), timer_(exchange.worker.loop().timers(), *this) {
  gate.waiting_.insert(*this);
  timer_.arm(deadline);
  exchange.stream.set_gone_listener(this);
  exchange.stream.set_held(true);
}

Held::~Held() {
  exchange_.stream.set_gone_listener(nullptr);
  exchange_.stream.set_held(false);
}

void Held::end(End how) {
  if (end_ != End::kWaiting) return;
  end_ = how;
  if (is_linked()) unlink();
  timer_.disarm();
  waiter_.resume();  // the last: this may be gone when it returns
}

// --- Gate

Gauge& Gate::number(GateEntry::Kind kind) {
  switch (kind) {
    case GateEntry::Kind::kApart:
      return share_.apart;
    case GateEntry::Kind::kTunnel:
      return share_.tunnels;
    case GateEntry::Kind::kInFlight:
      break;
  }
  return share_.in_flight;
}

Held* Gate::find(HoldTicket ticket) {
  const auto found = waiting_.find(ticket, [](const auto& a, const auto& b) {
    const auto number = [](const auto& one) {
      if constexpr (std::is_same_v<std::decay_t<decltype(one)>, Held>) {
        return one.ticket();
      } else {
        return one;
      }
    };
    return number(a) < number(b);
  });
  return found == waiting_.end() ? nullptr : &*found;
}

// --- Gates

namespace {
bool is_held_by(const Route& route, const Gate& gate) {
  if (route.kind != Route::Kind::kSite) return false;
  const auto& names = gate.terms().names;
  const auto name = gate.terms().is_of_server ? std::string_view(route.server().name) : route.site;
  return std::find(names.begin(), names.end(), name) != names.end();
}
}  // namespace

Gates::Gates(Worker& worker, HoldPool& pool, std::size_t index)
    : worker_(worker), pool_(pool), index_(index), turn_(worker.loop().timers(), *this) {}

Gates::~Gates() = default;

Gates::Pair Gates::gates_of(const Exchange& exchange) const {
  const auto& route = exchange.route;
  if (route.kind != Route::Kind::kSite) return {};
  const auto in = [](const ByName& gates, std::string_view name) -> Gate* {
    const auto found = gates.find(name);
    return found == gates.end() ? nullptr : found->second;
  };
  return {in(by_site_, route.site), in(by_server_, route.server().name)};
}

bool Gates::is_let_through(const GateEntry& entry, const Gate& gate) const {
  return std::any_of(entry.passes_.begin(), entry.passes_.end(),
                     [&](const auto& pass) { return pass.window == gate.window_ && pass.closings == gate.closings_; });
}

const HoldClass& Gates::class_of(GateEntry& entry) {
  if (!entry.has_class_) {
    entry.has_class_ = true;
    entry.class_ = worker_.hold_classes().of(entry.exchange().request(), entry.exchange().ruled.request_class);
  }
  return entry.class_;
}

// Goes on whatever the window, and is no part of what it waits for.
bool Gates::is_apart(GateEntry& entry, const Gate& gate) {
  const auto treatment = class_of(entry).treatment;
  return treatment == HoldClass::Treatment::kPass || is_preview(entry.exchange(), gate.terms());
}

Gate* Gates::closed_gate(GateEntry& entry, const Pair& gates) {
  for (auto* gate : gates) {
    if (!gate || is_let_through(entry, *gate) || is_apart(entry, *gate)) continue;
    const bool may_be_free = gate->terms().mode == HoldMode::kRelease && !entry.came_back_ && class_of(entry).waits();
    if (!may_be_free || !pool_.lets_pass(gate->window_)) return gate;
  }
  return nullptr;
}

bool Gates::admit_among(GateEntry& entry) {
  const auto gates = gates_of(entry.exchange());
  if (closed_gate(entry, gates)) {
    entry.unlink();
    return false;
  }
  for (auto* gate : gates) {
    if (!gate) continue;
    const bool apart = !is_let_through(entry, *gate) && is_apart(entry, *gate);
    count(entry, *gate, apart ? GateEntry::Kind::kApart : GateEntry::Kind::kInFlight);
  }
  return true;
}

void Gates::count(GateEntry& entry, Gate& gate, GateEntry::Kind kind) {
  const bool is_server = gate.terms().is_of_server;
  entry.counts_[is_server ? 1 : 0] = {&gate, kind};
  gate.number(kind).add();
}

void Gates::uncount(GateEntry& entry) {
  entry.unlink();
  for (auto& count : entry.counts_) {
    auto* const gate = std::exchange(count.gate, nullptr);
    if (!gate) continue;
    gate->number(count.kind).add(-1);
    look_if_drained(*gate);
  }
}

void Gates::look_if_drained(const Gate& gate) {
  if (gate.terms().mode != HoldMode::kHold || gate.share_.in_flight.value() > 0) return;
  pool_.drained(gate.window_, index_, gate.terms().epoch);
}

bool Gates::is_of(const Exchange& exchange, const Gate& gate) {
  return is_held_by(exchange.route, gate);
}

Gate* Gates::find(std::string_view id) const {
  const auto found =
      std::find_if(gates_.begin(), gates_.end(), [&](const auto& gate) { return gate->window_->id() == id; });
  return found == gates_.end() ? nullptr : found->get();
}

void Gates::learn_names() {
  by_site_.clear();
  by_server_.clear();
  for (const auto& gate : gates_) {
    auto& table = gate->terms().is_of_server ? by_server_ : by_site_;
    for (const auto& name : gate->terms().names) table.emplace(name, gate.get());
  }
}

void Gates::apply(const HoldPool::WindowPtr& window, std::shared_ptr<const HoldTerms> terms) {
  auto* gate = find(window->id());
  if (!gate) gate = gates_.emplace_back(std::make_unique<Gate>(window, index_)).get();
  gate->terms_ = std::move(terms);
  learn_names();
  switch (gate->terms().mode) {
    case HoldMode::kHold:
      close(*gate);
      if (gate->terms().closes_websockets) close_tunnels(*gate);
      break;
    case HoldMode::kRelease:
      turn_.arm(worker_.loop().now() + kTurn);
      break;
    case HoldMode::kPage:
      close(*gate);
      end_all(*gate, Held::End::kPaged);
      break;
  }
}

// What is under way is counted. What of it has not been sent comes back: nothing of it starts from here on.
void Gates::close(Gate& gate) {
  ++gate.closings_;
  Entries recalled;
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& entry = *at++;
    if (!is_of(entry.exchange(), gate)) continue;
    auto& count = entry.counts_[gate.terms().is_of_server ? 1 : 0];
    if (count.gate != &gate) {
      const bool apart = !entry.is_tunnel_ && !(class_of(entry).waits() && !is_preview(entry.exchange(), gate.terms()));
      auto kind = apart ? GateEntry::Kind::kApart : GateEntry::Kind::kInFlight;
      if (entry.is_tunnel_) kind = GateEntry::Kind::kTunnel;
      this->count(entry, gate, kind);
    }
    if (count.kind != GateEntry::Kind::kInFlight) continue;
    entry.is_recalled_ = true;
    if (entry.is_sent_ || !entry.interruptible_) continue;
    entry.unlink();
    recalled.push_back(entry);
  }
  // One by one: a story that is recalled may end others, which leave this list by themselves.
  while (!recalled.empty()) {
    auto& entry = recalled.front();
    recalled.pop_front();
    entries_.push_back(entry);
    if (entry.interruptible_) entry.interruptible_->recall();
  }
  look_if_drained(gate);
}

// Not all at once: each of them comes again.
void Gates::close_tunnels(Gate& gate) {
  const auto tunnels = std::max<std::int64_t>(gate.number(GateEntry::Kind::kTunnel).value(), 1);
  std::int64_t at = 0;
  for (auto& entry : entries_) {
    const auto& count = entry.counts_[gate.terms().is_of_server ? 1 : 0];
    if (count.gate != &gate || count.kind != GateEntry::Kind::kTunnel || !entry.interruptible_) continue;
    entry.interruptible_->close_tunnel(kCloseSpread * at++ / tunnels);
  }
}

void Gates::end_all(Gate& gate, Held::End how) {
  while (!gate.waiting_.empty()) gate.waiting_.begin()->end(how);
}

void Gates::remove(std::string_view id) {
  const auto found =
      std::find_if(gates_.begin(), gates_.end(), [&](const auto& gate) { return gate->window_->id() == id; });
  if (found == gates_.end()) return;
  const auto gate = std::move(*found);
  gates_.erase(found);
  learn_names();
  for (auto& entry : entries_) {
    for (auto& count : entry.counts_) {
      if (count.gate != gate.get()) continue;
      count.gate = nullptr;
      entry.is_recalled_ = false;
    }
  }
  end_all(*gate, Held::End::kRemoved);
}

void Gates::grant(std::string_view id, const std::vector<HoldTicket>& tickets) {
  auto* const gate = find(id);
  if (!gate) return;
  for (const auto ticket : tickets) {
    if (auto* held = gate->find(ticket)) held->grant(gate->closings_);
  }
}

void Gates::look_again() {
  const auto& snapshot = **worker_.snapshot();
  for (const auto& gate : gates_) {
    std::vector<HoldTicket> elsewhere;
    for (const auto& held : gate->waiting_) {
      const auto route = snapshot.find(held.exchange().request().host);
      // A site that was renamed or moved is still this window's; one that serves no more answers for itself.
      if (!is_held_by(route, *gate) || route.status != SiteStatus::kActive) elsewhere.push_back(held.ticket());
    }
    for (const auto ticket : elsewhere) {
      if (auto* held = gate->find(ticket)) held->end(Held::End::kLookAgain);
    }
  }
}

void Gates::page_all() {
  is_ending_ = true;
  for (const auto& gate : gates_) end_all(*gate, Held::End::kPaged);
}

std::vector<Straggler> Gates::stragglers(std::string_view id, std::size_t most) const {
  std::vector<Straggler> found;
  const auto* const gate = find(id);
  for (const auto& entry : entries_) {
    if (found.size() == most) break;
    const auto counts = std::any_of(entry.counts_.begin(), entry.counts_.end(), [&](const auto& count) {
      return gate && count.gate == gate && count.kind == GateEntry::Kind::kInFlight;
    });
    if (!counts) continue;
    const auto& exchange = entry.exchange();
    const auto age = worker_.loop().now() - exchange.stream.began();
    found.push_back({.method = std::string(exchange.request().method_name),
                     .path = std::string(exchange.request().path()),
                     .site = std::string(exchange.route.site),
                     .age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(age).count(),
                     .is_answering = exchange.stream.is_head_sent()});
  }
  return found;
}

std::size_t Gates::cut(std::string_view id) {
  auto* const gate = find(id);
  if (!gate) return 0;
  Entries cutting;
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& entry = *at++;
    const auto& count = entry.counts_[gate->terms().is_of_server ? 1 : 0];
    if (count.gate != gate || count.kind != GateEntry::Kind::kInFlight || !entry.interruptible_) continue;
    entry.unlink();
    cutting.push_back(entry);
  }
  std::size_t cut = 0;
  while (!cutting.empty()) {
    auto& entry = cutting.front();
    cutting.pop_front();
    entries_.push_back(entry);
    if (!entry.interruptible_) continue;
    ++cut;
    entry.interruptible_->cut(make_error(Reason::kHoldCut, "the site is being worked on, and this took too long"));
  }
  return cut;
}

void Gates::on_timer() {
  const auto is_releasing = [](const auto& gate) { return gate->terms().mode == HoldMode::kRelease; };
  if (std::none_of(gates_.begin(), gates_.end(), is_releasing)) return;
  turn_.arm(worker_.loop().now() + kTurn);  // before anything that may throw: those who wait would wait for ever
  for (const auto& gate : gates_) {
    if (is_releasing(gate)) pool_.turn(gate->window_, worker_.loop().now());
  }
}

}  // namespace hybridge
