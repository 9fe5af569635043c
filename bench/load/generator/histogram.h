// Counts of durations in buckets of at most 1/64 of their value, from a nanosecond to hours. Owned by the Load.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hybridge::bench {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
    if (nanoseconds > longest_) longest_ = nanoseconds;
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t longest() const { return longest_; }
  // The value that `share` (0 to 1) of all are not above; 0 of an empty histogram.
  std::uint64_t quantile(double share) const;

 private:
  static constexpr int kBits = 6;  // 2^6 buckets for each power of two
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < (1U << kBits)) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBits;
    return (static_cast<std::size_t>(shift) << kBits) + (value >> shift);
  }
  static std::uint64_t middle_of(std::size_t bucket);

  std::array<std::uint64_t, (65 - kBits) << kBits> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t longest_ = 0;
};

}  // namespace hybridge::bench
