#include "proxy/downstream/client_limits.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/shard_map.h"

namespace hybridge {

namespace {
// Telling costs a handshake and a connection: a flood is not told.
constexpr std::uint32_t kTold = 256;
constexpr std::uint32_t kToldPerAddress = 16;
// A page opens six connections, a browser's restart many pages: so many seconds' handshakes may come at once.
constexpr std::uint32_t kHandshakeSeconds = 2;
constexpr std::size_t kHandshakeBytes = 1u << 20;  // 43,000 addresses at a time

std::string_view text(const std::array<std::uint8_t, 16>& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}
}  // namespace

ClientLimits::Place& ClientLimits::Place::operator=(Place&& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(counts_, other.counts_);
  std::swap(is_told_, other.is_told_);
  return *this;
}

ClientLimits::Place::~Place() {
  if (!limits_) return;
  limits_->current_.fetch_sub(1, std::memory_order_relaxed);
  if (is_told_) limits_->told_.fetch_sub(1, std::memory_order_relaxed);
  if (counts_) limits_->release(*counts_, true);
}

ClientLimits::Request& ClientLimits::Request::operator=(Request&& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(counts_, other.counts_);
  std::swap(holds_, other.holds_);
  return *this;
}

ClientLimits::Request::~Request() {
  if (!counts_) return;
  counts_->requests.fetch_sub(1, std::memory_order_relaxed);
  if (holds_) limits_->release(*counts_, false);
}

std::size_t ClientLimits::KeyHash::operator()(const Key& key) const {
  return hash_name(text(key));
}

ClientLimits::ClientLimits(const Settings& settings) : handshakes_(kHandshakeBytes) {
  update(settings);
}

void ClientLimits::update(const Settings& settings) {
  connections_.value = settings.connections;
  connections_per_address_.value = settings.connections_per_address;
  requests_per_address_.value = settings.requests_per_address;
  handshakes_per_address_.value = settings.handshakes_per_address;
  descriptors_.value = settings.descriptors;
}

ClientLimits::Counts* ClientLimits::hold(const Address& address, bool as_connection, bool& is_over) {
  const auto key = address.key(true);
  auto& part = shard(key);
  const std::lock_guard lock(part.mutex);
  auto& counts = part.counts[key];
  counts.key = key;
  ++counts.holders;
  if (as_connection) is_over = ++counts.connections > connections_per_address_();
  return &counts;
}

void ClientLimits::release(Counts& counts, bool as_connection) {
  auto& part = shard(counts.key);
  const std::lock_guard lock(part.mutex);
  if (as_connection) --counts.connections;
  if (--counts.holders == 0) part.counts.erase(Key(counts.key));
}

Reason ClientLimits::shortage(std::uint32_t before, int descriptor, std::uint32_t sixteenths) const {
  const auto bound = [sixteenths](std::uint32_t most) { return most - most / 16 * sixteenths; };
  if (before >= bound(connections_())) return Reason::kTooManyConnections;
  const auto most = descriptors_();
  // The kernel gives the lowest number that is free, so this one tells how many are in use at least.
  if (most != 0 && descriptor >= 0 && static_cast<std::uint32_t>(descriptor) >= bound(most)) {
    return Reason::kShortOfDescriptors;
  }
  return is_short_of_memory() ? Reason::kShortOfMemory : Reason::kOk;
}

bool ClientLimits::take_told(std::uint32_t most) {
  if (told_.fetch_add(1, std::memory_order_relaxed) < most) return true;
  told_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

ClientLimits::Admission ClientLimits::enter(const Address& peer, bool is_exempt, int descriptor) {
  Admission admission;
  const auto before = current_.fetch_add(1, std::memory_order_relaxed);
  admission.place.limits_ = this;
  bool is_over = false;
  if (!is_exempt && !peer.is_loopback()) admission.place.counts_ = hold(peer, true, is_over);
  // Of a Unix socket's peers the kernel says who they are: an operator gets in whoever else is there.
  if (peer.is_unix()) return admission;
  admission.scarce = shortage(before, descriptor, 1);
  admission.over = is_over ? Reason::kTooManyConnectionsFromAddress : shortage(before, descriptor, 0);
  if (admission.over != Reason::kOk) {
    // The last descriptors are for who is there.
    const bool is_scarce = admission.over == Reason::kShortOfDescriptors &&
                           static_cast<std::uint32_t>(descriptor) >= descriptors_() + descriptors_() / 32;
    admission.is_told = admission.place.is_told_ = !is_scarce && take_told(is_over ? kToldPerAddress : kTold);
  }
  return admission;
}

Reason ClientLimits::move(Place& place, const Address& client, bool is_exempt) {
  bool is_over = false;
  auto* counts = is_exempt || client.is_loopback() ? nullptr : hold(client, true, is_over);
  if (auto* before = std::exchange(place.counts_, counts)) release(*before, true);
  return is_over ? Reason::kTooManyConnectionsFromAddress : Reason::kOk;
}

bool ClientLimits::may_shake_hands(const Place& place, TimePoint now) {
  const auto most = handshakes_per_address_();
  if (!place.counts_ || most == 0) return true;
  const auto interval = Duration(std::chrono::seconds(1)) / most;
  const RateTable::Rate rate{.interval = interval, .tolerance = interval * (most * kHandshakeSeconds - 1)};
  return !handshakes_.take(hash_name(text(place.counts_->key)), rate, now).is_over;
}

bool ClientLimits::count_request(Counts& counts) {
  if (counts.requests.fetch_add(1, std::memory_order_relaxed) < requests_per_address_()) return true;
  counts.requests.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

bool ClientLimits::begin(const Place& place, Request& request) {
  if (!place.counts_) return true;
  if (!count_request(*place.counts_)) return false;
  request.limits_ = this;
  request.counts_ = place.counts_;
  return true;
}

bool ClientLimits::begin(const Address& client, bool is_exempt, Request& request) {
  if (is_exempt || client.is_loopback()) return true;
  bool ignored = false;
  auto* counts = hold(client, false, ignored);
  if (!count_request(*counts)) {
    release(*counts, false);
    return false;
  }
  request.limits_ = this;
  request.counts_ = counts;
  request.holds_ = true;
  return true;
}

Error ClientLimits::error(Reason reason) const {
  const auto of = [reason](const char* limit, std::uint32_t value, const char* what) {
    return make_error(reason, "limits." + std::string(limit) + " (" + std::to_string(value) + what + ") is reached");
  };
  switch (reason) {
    case Reason::kTooManyConnections:
      return of("connections", connections_(), "");
    case Reason::kTooManyConnectionsFromAddress:
      return of("connections_per_address", connections_per_address_(), "");
    case Reason::kTooManyRequestsFromAddress:
      return of("requests_per_address", requests_per_address_(), "");
    case Reason::kTooManyHandshakesFromAddress:
      return of("handshakes_per_address", handshakes_per_address_(), " a second");
    case Reason::kShortOfMemory:
      return make_error(reason, "the edge is short of memory (limits.memory): nobody new is taken in");
    case Reason::kShortOfDescriptors:
      return make_error(reason, "the edge is short of file descriptors: nobody new is taken in");
    default:
      return make_error(reason);
  }
}

std::size_t ClientLimits::addresses() const {
  std::size_t all = 0;
  for (const auto& part : shards_) {
    const std::lock_guard lock(part.mutex);
    all += part.counts.size();
  }
  return all;
}

}  // namespace hybridge
