#include "bench/load/generator/histogram.h"

#include <algorithm>
#include <cmath>

namespace hybridge::bench {

std::uint64_t Histogram::quantile(double share) const {
  const auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * double(count_))));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) return std::min(middle_of(bucket), longest_);
  }
  return longest_;
}

std::uint64_t Histogram::middle_of(std::size_t bucket) {
  if (bucket < (2U << kBits)) return bucket;
  const int shift = static_cast<int>(bucket >> kBits) - 1;
  const std::uint64_t low = ((bucket & ((1U << kBits) - 1)) + (1U << kBits)) << shift;
  return low + (std::uint64_t{1} << shift) / 2;
}

}  // namespace hybridge::bench
