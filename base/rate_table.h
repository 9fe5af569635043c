// How often things may happen, by key: the generic cell rate algorithm (a token bucket in one number: when the key's
// next event would be due if they were evenly spread) over a table of fixed size. Exact for the keys that are in it.
//
// Shared; any thread: a key's bucket is locked for a few instructions. Memory does not grow with the number of keys.
// When a bucket is full, the key that is least in debt (in events, so that slow rates are not forgotten before quick
// ones) makes room: a flood of new keys displaces itself, not the key that is being held back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/clock.h"

namespace hybridge {

class RateTable {
 public:
  struct Rate {
    Duration interval{};   // one event in each
    Duration tolerance{};  // how far ahead of that a key may be: n intervals let n + 1 come at once
  };
  struct Verdict {
    bool is_over = false;    // it was one too many, and was not counted
    Duration wait{};         // until the next one may come; zero: now
    std::uint32_t left = 0;  // how many more may come now
    Duration until_full{};   // until as many as ever may come at once
  };

  explicit RateTable(std::size_t bytes);  // what it takes, at least one bucket
  RateTable(const RateTable&) = delete;

  // One event of `key` at `now`. Keys are hashes that nobody can foresee (hash_name). One key, one rate.
  Verdict take(std::uint64_t key, const Rate& rate, TimePoint now);

  std::size_t capacity() const { return buckets_.size() * kWays; }
  // Keys that were still in debt when they had to make room: the table is too small for what is going on.
  std::uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kLocks = 64;

  struct Entry {
    std::uint64_t key = 0;  // 0: free
    TimePoint due{};
    Duration interval{1};
  };
  using Bucket = std::array<Entry, kWays>;

  Entry& entry(Bucket& bucket, std::uint64_t key, TimePoint now);

  std::vector<Bucket> buckets_;
  std::array<std::mutex, kLocks> locks_;
  std::atomic<std::uint64_t> forgotten_{0};
};

}  // namespace hybridge
