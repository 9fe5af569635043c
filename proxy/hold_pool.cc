#include "proxy/hold_pool.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace hybridge {

namespace {
// What is kept free of the memory for each place of a reserve.
constexpr std::size_t kReservedBytes = 4 * 1024;
// A release is over when those who went on last have shown in this time that the site is there, or nothing against it.
constexpr auto kProving = std::chrono::seconds(1);

constexpr std::array<std::string_view, static_cast<std::size_t>(HoldOutcome::kCount_)> kOutcomes = {
    "released", "expired", "client_gone", "flushed", "paged", "outlasted", "full", "refused"};

template <class Counts, class Key>
std::uint32_t count_of(const Counts& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

template <class Counts, class Key>
void count_down(Counts& counts, const Key& key) {
  const auto found = counts.find(key);
  if (found != counts.end() && --found->second == 0) counts.erase(found);
}

bool is_releasing(const HoldTerms& terms) {
  return terms.mode == HoldMode::kRelease;
}
}  // namespace

std::string_view to_string(HoldOutcome outcome) {
  return kOutcomes[static_cast<std::size_t>(outcome)];
}

// What a call has brought about, to be told when the lock is given up.
struct HoldPool::Effects {
  explicit Effects(WindowPtr its_window) : window(std::move(its_window)) {}

  WindowPtr window;
  std::uint64_t epoch = 0;
  std::map<std::size_t, std::vector<HoldTicket>> granted;  // by worker
  bool has_drained = false;
  bool has_emptied = false;
  bool has_failed = false;
};

void HoldPool::tell(const Effects& effects) {
  for (const auto& [worker, tickets] : effects.granted) listener_.on_granted(worker, effects.window, tickets);
  if (effects.has_drained) listener_.on_drained(*effects.window, effects.epoch);
  if (effects.has_emptied) listener_.on_emptied(*effects.window, effects.epoch);
  if (effects.has_failed) listener_.on_failed(*effects.window, effects.epoch);
}

std::size_t HoldPool::KeyHash::operator()(const Key& key) const {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(key.data()), key.size()});
}

void HoldPool::set_limits(const HoldLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

HoldPool::WindowPtr HoldPool::set(const std::shared_ptr<const HoldTerms>& terms, TimePoint now) {
  Effects effects(nullptr);
  {
    const std::lock_guard lock(mutex_);
    auto& window = windows_[terms->id];
    if (!window) window = std::make_shared<HoldWindow>(terms->id, workers_);
    effects.window = window;
    const auto before = std::exchange(window->terms_, terms);
    if (before && is_releasing(*before)) releasing_.erase(releasing_.find(before->server));
    window->drained_.assign(workers_, false);
    if (is_releasing(*terms)) {
      releasing_.insert(terms->server);
      if (!before || !is_releasing(*before)) {
        window->pace_.begin(terms->before, limits_.guard, now);
        window->is_emptied_ = window->is_failed_ = false;
      }
      grant(window, now, effects);
    }
    count_sites();
  }
  tell(effects);
  return effects.window;
}

void HoldPool::remove(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = windows_.find(id);
  if (found == windows_.end()) return;
  auto& window = *found->second;
  if (is_releasing(*window.terms_)) releasing_.erase(releasing_.find(window.terms_->server));
  for (auto& [site, line] : window.lines_) {
    while (!line.places.empty()) take_out(window, site, line, line.places.begin());
  }
  window.is_removed_ = true;
  windows_.erase(found);
  count_sites();
}

HoldPool::WindowPtr HoldPool::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = windows_.find(id);
  return found == windows_.end() ? nullptr : found->second;
}

void HoldPool::count_sites() {
  sites_ = 0;
  for (const auto& [id, window] : windows_) {
    sites_ += window->terms_->is_of_server ? window->lines_.size() + 1 : window->terms_->names.size();
  }
}

std::size_t HoldPool::reserve() const {
  return std::min<std::size_t>(limits_.reserve, limits_.total / std::max<std::size_t>(sites_, 1));
}

// Places that others must leave free: of each site's reserve what it does not use.
std::size_t HoldPool::set_aside() const {
  const auto each = reserve();
  auto free = each * sites_;
  for (const auto& [site, count] : by_site_) free -= std::min({free, each, static_cast<std::size_t>(count)});
  return free;
}

// Which cap the arrival is over; "": none.
std::string HoldPool::refusal(const Arrival& arrival) const {
  const auto over = [](const char* cap, std::uint64_t most) {
    return "as many requests wait as may (holds." + std::string(cap) + ": " + std::to_string(most) + ")";
  };
  const auto of_site = count_of(by_site_, std::string(arrival.site));
  if (of_site >= limits_.per_site) return over("per_site", limits_.per_site);
  if (arrival.address && count_of(by_address_, *arrival.address) >= limits_.per_address) {
    return over("per_address", limits_.per_address);
  }
  if (waiting_ >= limits_.total) return over("total", limits_.total);
  if (memory_ + arrival.bytes > limits_.memory) return over("memory", limits_.memory);
  if (of_site < reserve()) return {};
  if (count_of(by_server_, std::string(arrival.server)) >= limits_.per_server) {
    return over("per_server", limits_.per_server);
  }
  const auto most_aside = reserve() * sites_;
  const bool is_close =
      waiting_ + most_aside >= limits_.total || memory_ + arrival.bytes + most_aside * kReservedBytes > limits_.memory;
  if (!is_close) return {};
  const auto aside = set_aside();
  if (waiting_ + aside >= limits_.total) return over("total", limits_.total);
  const auto memory_aside = std::min<std::uint64_t>(aside * kReservedBytes, limits_.memory / 2);
  if (memory_ + arrival.bytes + memory_aside > limits_.memory) return over("memory", limits_.memory);
  return {};
}

Result<HoldTicket> HoldPool::join(const WindowPtr& window, const Arrival& arrival, TimePoint now) {
  Effects effects(window);
  Result<HoldTicket> ticket = HoldTicket{0};
  {
    const std::lock_guard lock(mutex_);
    if (arrival.kept_its_place && window->pending_ > 0) --window->pending_;
    if (!window->is_removed_) {
      ticket = enter(*window, arrival);
      grant(window, now, effects);
    }
  }
  tell(effects);
  return ticket;
}

Result<HoldTicket> HoldPool::enter(HoldWindow& window, const Arrival& arrival) {
  const auto& terms = *window.terms_;
  if (terms.mode == HoldMode::kPage) return make_error(Reason::kHoldPaged, "the site is being worked on");
  if (is_free(window) && !arrival.returns) return HoldTicket{0};
  if (auto over = refusal(arrival); !over.empty()) return make_error(Reason::kHoldFull, std::move(over));
  return add(window, arrival);
}

HoldTicket HoldPool::add(HoldWindow& window, const Arrival& arrival) {
  const auto ticket = arrival.returns ? window.next_return_++ : window.next_++;
  const std::string site(arrival.site);
  const auto known = window.lines_.size();
  auto& line = window.lines_[site];
  line.server = std::string(arrival.server);
  if (window.terms_->is_of_server && window.lines_.size() != known) ++sites_;
  HoldWindow::Place place{.worker = static_cast<std::uint32_t>(arrival.worker),
                          .bytes = static_cast<std::uint32_t>(arrival.bytes),
                          .deadline = arrival.deadline,
                          .address = {},
                          .counts_address = arrival.address != nullptr};
  if (arrival.address) {
    place.address = *arrival.address;
    ++by_address_[place.address];
  }
  line.places.emplace(ticket, place);
  ++by_site_[site];
  ++by_server_[line.server];
  ++window.waiting_;
  ++waiting_;
  memory_ += arrival.bytes;
  window.is_emptied_ = false;
  return ticket;
}

void HoldPool::take_out(HoldWindow& window, const std::string& site, HoldWindow::Line& line, Places::iterator place) {
  count_down(by_site_, site);
  count_down(by_server_, line.server);
  if (place->second.counts_address) count_down(by_address_, place->second.address);
  memory_ -= place->second.bytes;
  --window.waiting_;
  --waiting_;
  line.places.erase(place);
}

void HoldPool::leave(const WindowPtr& window, std::string_view site, HoldTicket ticket, HoldOutcome outcome,
                     TimePoint now) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    count(*window, outcome);
    if (window->is_removed_) return;
    const auto line = window->lines_.find(site);
    const auto place = line == window->lines_.end() ? Places::iterator{} : line->second.places.find(ticket);
    if (line != window->lines_.end() && place != line->second.places.end()) {
      take_out(*window, line->first, line->second, place);
    } else if (window->pending_ > 0) {
      --window->pending_;  // told to go on, but it leaves: the next one goes
    }
    grant(window, now, effects);
  }
  tell(effects);
}

void HoldPool::count(HoldWindow& window, HoldOutcome outcome) {
  const auto at = static_cast<std::size_t>(outcome);
  window.counts_[at].fetch_add(1, std::memory_order_relaxed);
  totals_[at].fetch_add(1, std::memory_order_relaxed);
}

void HoldPool::began(const WindowPtr& window, TimePoint now) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    count(*window, HoldOutcome::kReleased);
    if (window->pending_ > 0) --window->pending_;
    ++window->running_;
    window->began_last_ = now;
    if (window->is_removed_) return;
    look_if_empty(window, now, effects);
  }
  tell(effects);
}

void HoldPool::ended(const WindowPtr& window, Passage passage, TimePoint now) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    if (window->running_ > 0) --window->running_;
    if (window->is_removed_) return;
    if (passage == Passage::kReturns) ++window->pending_;
    if (is_releasing(*window->terms_) && passage != Passage::kUnused) {
      window->pace_.note(passage == Passage::kGood);
      if (window->pace_.has_failed() && !std::exchange(window->is_failed_, true)) effects.has_failed = true;
      effects.epoch = window->terms_->epoch;
    }
    grant(window, now, effects);
  }
  tell(effects);
}

void HoldPool::forgo(const WindowPtr& window, TimePoint now) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    if (window->pending_ > 0) --window->pending_;
    if (window->is_removed_) return;
    grant(window, now, effects);
  }
  tell(effects);
}

bool HoldPool::lets_pass(const WindowPtr& window) const {
  const std::lock_guard lock(mutex_);
  return window->is_removed_ || is_free(*window);
}

bool HoldPool::is_free(const HoldWindow& window) {
  return window.terms_->mode == HoldMode::kRelease && !window.is_failed_ && window.waiting_ + window.pending_ == 0;
}

void HoldPool::drained(const WindowPtr& window, std::size_t worker, std::uint64_t epoch) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    if (window->is_removed_ || window->terms_->epoch != epoch || window->drained_[worker]) return;
    window->drained_[worker] = true;
    effects.epoch = epoch;
    effects.has_drained = std::find(window->drained_.begin(), window->drained_.end(), false) == window->drained_.end();
  }
  tell(effects);
}

void HoldPool::turn(const WindowPtr& window, TimePoint now) {
  Effects effects(window);
  {
    const std::lock_guard lock(mutex_);
    if (window->is_removed_) return;
    grant(window, now, effects);
  }
  tell(effects);
}

// Sites of one server that are released at the same time share what it takes.
std::size_t HoldPool::ceiling(const HoldWindow& window) const {
  const auto sharing = std::max<std::size_t>(releasing_.count(window.terms_->server), 1);
  return std::max<std::size_t>(limits_.server_at_once / sharing, 1);
}

void HoldPool::grant(const WindowPtr& window, TimePoint now, Effects& effects) {
  if (!is_releasing(*window->terms_) || window->is_failed_) return;
  auto allowed = window->pace_.allowance(now, window->running_ + window->pending_, ceiling(*window));
  while (allowed > 0 && grant_one(window, now, effects)) --allowed;
  look_if_empty(window, now, effects);
}

// The first of the site whose turn it is: in the order of arrival, sites in turn. False: nobody is there.
bool HoldPool::grant_one(const WindowPtr& window, TimePoint now, Effects& effects) {
  auto& lines = window->lines_;
  auto line = lines.upper_bound(window->served_last_);
  for (std::size_t tried = 0; tried < lines.size(); ++tried, ++line) {
    if (line == lines.end()) line = lines.begin();
    auto& places = line->second.places;
    // Who is past its deadline is told so by its worker, and goes nowhere.
    const auto place =
        std::find_if(places.begin(), places.end(), [&](const auto& each) { return each.second.deadline > now; });
    if (place == places.end()) continue;
    effects.granted[place->second.worker].push_back(place->first);
    take_out(*window, line->first, line->second, place);
    ++window->pending_;
    window->pace_.spend(1);
    window->served_last_ = line->first;
    return true;
  }
  return false;
}

// Nobody waits, and it is known how the last ones fare: or else the guard would not see a site that all of them find
// away at once.
void HoldPool::look_if_empty(const WindowPtr& window, TimePoint now, Effects& effects) {
  const bool is_proven =
      window->running_ == 0 || window->pace_.went_well_last() || now - window->began_last_ >= kProving;
  if (!is_free(*window) || !is_proven || std::exchange(window->is_emptied_, true)) return;
  effects.has_emptied = true;
  effects.epoch = window->terms_->epoch;
}

bool HoldPool::charge(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (memory_ + bytes > limits_.memory) return false;
  memory_ += bytes;
  return true;
}

void HoldPool::refund(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  memory_ -= bytes;
}

HoldPool::Facts HoldPool::facts(const HoldWindow& window) const {
  const std::lock_guard lock(mutex_);
  return {window.waiting_, window.running_ + window.pending_};
}

std::size_t HoldPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

std::size_t HoldPool::memory() const {
  const std::lock_guard lock(mutex_);
  return memory_;
}

}  // namespace hybridge
