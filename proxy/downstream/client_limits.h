// What clients may take of this process, counted over all workers: connections in all; connections, requests under way
// and TLS handshakes a second of one address. And whether there is room for anybody new: descriptors, memory.
//
// One a process; thread-safe; outlives every Place. A lock is taken once a connection, never a request: a connection
// holds on to the counts of its address (Place), and its requests touch only those.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/rate_table.h"
#include "io/address.h"

namespace hybridge {

class ClientLimits {
 private:
  struct Counts;

 public:
  struct Settings {
    std::uint32_t connections = 10'000;
    std::uint32_t connections_per_address = 1'000;
    std::uint32_t requests_per_address = 500;
    std::uint32_t handshakes_per_address = 100;  // a second
    // Who is accepted with a descriptor of this number or above finds all lower ones in use. 0: no matter.
    std::uint32_t descriptors = 0;
  };

  // One of the connections of an address. Gives its place back when destroyed.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    ~Place();

   private:
    friend class ClientLimits;
    ClientLimits* limits_ = nullptr;
    Counts* counts_ = nullptr;  // of its address; nullptr: it is not counted by address
    bool is_told_ = false;      // refused, and one of the few that are told why
  };

  // A request under way, as its address's. Not longer than the connection it came by.
  class Request {
   public:
    Request() = default;
    Request(Request&& other) noexcept { *this = std::move(other); }
    Request& operator=(Request&& other) noexcept;
    ~Request();

   private:
    friend class ClientLimits;
    ClientLimits* limits_ = nullptr;
    Counts* counts_ = nullptr;
    bool holds_ = false;  // keeps the counts alive itself: no connection does
  };

  struct Admission {
    Place place;
    Reason over = Reason::kOk;    // which limit the connection is over, or what there is too little of
    bool is_told = true;          // a few are told so by a 503; the rest is cut
    Reason scarce = Reason::kOk;  // what there is little left of: idle connections had better make room
  };

  explicit ClientLimits(const Settings& settings);
  ClientLimits(const ClientLimits&) = delete;
  void update(const Settings& settings);  // for who comes from now on

  // Counts the connection in, whatever the answer. `is_exempt`: not counted by address (trusted proxies); loopback
  // never is. `descriptor`: as it was accepted.
  Admission enter(const Address& peer, bool is_exempt, int descriptor);
  // The connection turns out to be another client's (a PROXY header): from now on it is counted as that address's.
  // kOk, or kTooManyConnectionsFromAddress.
  Reason move(Place& place, const Address& client, bool is_exempt);

  // False: too many handshakes of the address in this second.
  bool may_shake_hands(const Place& place, TimePoint now);

  // Counts a request in; false: the address has too many under way, and `request` is none.
  bool begin(const Place& place, Request& request);
  // The same for a client that a trusted proxy names in a header: takes the lock.
  bool begin(const Address& client, bool is_exempt, Request& request);

  // Until it is said otherwise nobody new is admitted.
  void set_short_of_memory(bool is_short) { is_short_of_memory_.store(is_short, std::memory_order_relaxed); }
  bool is_short_of_memory() const { return is_short_of_memory_.load(std::memory_order_relaxed); }

  // The sentence for a client that is over it; names the limit.
  Error error(Reason reason) const;

  std::uint32_t current() const { return current_.load(std::memory_order_relaxed); }
  std::size_t addresses() const;  // that are counted now

 private:
  using Key = std::array<std::uint8_t, 16>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct Counts {
    Key key{};
    std::uint32_t holders = 0;      // connections and requests that keep it; under the shard's lock
    std::uint32_t connections = 0;  // under the shard's lock
    std::atomic<std::uint32_t> requests{0};
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<Key, Counts, KeyHash> counts;
  };
  struct Limit {
    std::atomic<std::uint32_t> value{0};
    std::uint32_t operator()() const { return value.load(std::memory_order_relaxed); }
  };

  Shard& shard(const Key& key) { return shards_[KeyHash{}(key) % shards_.size()]; }
  Counts* hold(const Address& address, bool as_connection, bool& is_over);
  void release(Counts& counts, bool as_connection);
  bool count_request(Counts& counts);
  // Of what less than so much in 16 is left; 0: nothing.
  Reason shortage(std::uint32_t before, int descriptor, std::uint32_t sixteenths) const;
  bool take_told(std::uint32_t most);

  Limit connections_;
  Limit connections_per_address_;
  Limit requests_per_address_;
  Limit handshakes_per_address_;
  Limit descriptors_;
  std::atomic<bool> is_short_of_memory_{false};
  std::atomic<std::uint32_t> current_{0};
  std::atomic<std::uint32_t> told_{0};
  std::array<Shard, 64> shards_;
  RateTable handshakes_;
};

}  // namespace hybridge
