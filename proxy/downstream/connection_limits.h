// How many clients may be connected: over all, and from one address, counted over all workers.
//
// One a process; thread-safe. Asked once a connection, never a request, so a sharded lock is cheap enough.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "io/address.h"

namespace hybridge {

class ConnectionLimits {
 public:
  // `is_exempt`: addresses that are not counted one by one (trusted proxies); loopback never is.
  ConnectionLimits(std::uint32_t total, std::uint32_t per_address, std::function<bool(const Address&)> is_exempt);

  struct Admission {
    Reason over = Reason::kOk;  // which limit the connection is over
    bool is_told = true;        // so little over that it may be told by a 503; else it is cut
  };
  // Counts the connection in, whatever the answer.
  Admission enter(const Address& peer);
  void leave(const Address& peer);

  std::uint32_t total() const { return total_; }
  std::uint32_t per_address() const { return per_address_; }
  std::uint32_t current() const { return current_.load(std::memory_order_relaxed); }

 private:
  using Key = std::array<std::uint8_t, 16>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<Key, std::uint32_t, KeyHash> counts;
  };
  bool is_counted(const Address& peer) const;
  Shard& shard(const Key& key) { return shards_[KeyHash{}(key) % shards_.size()]; }

  const std::uint32_t total_;
  const std::uint32_t per_address_;
  const std::function<bool(const Address&)> is_exempt_;
  std::atomic<std::uint32_t> current_{0};
  std::array<Shard, 64> shards_;
};

}  // namespace hybridge
