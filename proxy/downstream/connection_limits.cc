#include "proxy/downstream/connection_limits.h"

#include <string_view>
#include <utility>

namespace hybridge {

namespace {
constexpr std::uint32_t kTold = 256;
constexpr std::uint32_t kToldPerAddress = 16;
}  // namespace

ConnectionLimits::ConnectionLimits(std::uint32_t total, std::uint32_t per_address,
                                   std::function<bool(const Address&)> is_exempt)
    : total_(total), per_address_(per_address), is_exempt_(std::move(is_exempt)) {}

std::size_t ConnectionLimits::KeyHash::operator()(const Key& key) const {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(key.data()), key.size()});
}

bool ConnectionLimits::is_counted(const Address& peer) const {
  return !peer.is_loopback() && !(is_exempt_ && is_exempt_(peer));
}

ConnectionLimits::Admission ConnectionLimits::enter(const Address& peer) {
  const auto before = current_.fetch_add(1, std::memory_order_relaxed);
  if (is_counted(peer)) {
    const auto key = peer.key(true);
    auto& part = shard(key);
    const std::lock_guard lock(part.mutex);
    const auto count = ++part.counts[key];
    if (count > per_address_) return {Reason::kTooManyConnectionsFromAddress, count <= per_address_ + kToldPerAddress};
  }
  if (before >= total_) return {Reason::kTooManyConnections, before < total_ + kTold};
  return {};
}

void ConnectionLimits::leave(const Address& peer) {
  current_.fetch_sub(1, std::memory_order_relaxed);
  if (!is_counted(peer)) return;
  const auto key = peer.key(true);
  auto& part = shard(key);
  const std::lock_guard lock(part.mutex);
  const auto found = part.counts.find(key);
  if (found != part.counts.end() && --found->second == 0) part.counts.erase(found);
}

}  // namespace hybridge
