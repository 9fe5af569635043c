#include "base/shard_map.h"

#include <cstring>
#include <random>

namespace hybridge {

namespace {

std::uint64_t make_seed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

// The 128-bit product folded: every bit of the input reaches every bit of the result.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::uint64_t hash_name(std::string_view name) {
  static const std::uint64_t seed = make_seed();
  constexpr std::uint64_t kOdd1 = 0x9e3779b97f4a7c15;
  constexpr std::uint64_t kOdd2 = 0xc2b2ae3d27d4eb4f;
  auto hash = seed ^ (name.size() * kOdd1);
  const char* at = name.data();
  auto left = name.size();
  while (left > 0) {
    std::uint64_t word = 0;
    const auto taken = left < sizeof word ? left : sizeof word;
    std::memcpy(&word, at, taken);
    hash = mix(hash ^ word ^ kOdd2, seed | 1) + kOdd1;
    at += taken;
    left -= taken;
  }
  return mix(hash, kOdd2);
}

}  // namespace hybridge
