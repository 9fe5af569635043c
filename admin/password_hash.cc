#include "admin/password_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/base64.h"

namespace hybridge {

namespace {
constexpr std::string_view kPrefix = "$pbkdf2-sha256$";
constexpr int kRounds = 29'000;          // passlib's
constexpr int kMostRounds = 10'000'000;  // seconds
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kMostSaltBytes = 1024;

using Checksum = std::array<std::uint8_t, 32>;

struct ParsedHash {
  int rounds = 0;
  std::string salt;
  std::string checksum;
};

std::optional<std::string> decode(std::string_view text) {
  std::string standard(text);
  if (standard.find('+') != std::string::npos || standard.find('=') != std::string::npos) return std::nullopt;
  std::replace(standard.begin(), standard.end(), '.', '+');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return decode_base64(standard);
}

std::string encode(std::span<const std::uint8_t> bytes) {
  auto text = encode_base64(bytes);
  text.resize(std::min(text.size(), text.find('=')));
  std::replace(text.begin(), text.end(), '+', '.');
  return text;
}

std::optional<ParsedHash> parse(std::string_view hash) {
  if (!hash.starts_with(kPrefix)) return std::nullopt;
  hash.remove_prefix(kPrefix.size());
  const auto first = hash.find('$');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = hash.find('$', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  ParsedHash parsed;
  const auto* const end = hash.data() + first;
  const auto [last, error] = std::from_chars(hash.data(), end, parsed.rounds);
  if (error != std::errc{} || last != end || parsed.rounds < 1 || parsed.rounds > kMostRounds) return std::nullopt;
  auto salt = decode(hash.substr(first + 1, second - first - 1));
  auto checksum = decode(hash.substr(second + 1));
  if (!salt || salt->size() > kMostSaltBytes || !checksum || checksum->size() != Checksum{}.size()) return std::nullopt;
  parsed.salt = std::move(*salt);
  parsed.checksum = std::move(*checksum);
  return parsed;
}

// RFC 8018 section 5.2, with HMAC-SHA-256.
Checksum derive(std::string_view password, std::string_view salt, int rounds) {
  Checksum checksum{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), rounds,
                    EVP_sha256(), static_cast<int>(checksum.size()), checksum.data());
  return checksum;
}
}  // namespace

bool is_password_hash(std::string_view hash) {
  return parse(hash).has_value();
}

Result<std::string> hash_password(std::string_view password) {
  std::array<std::uint8_t, kSaltBytes> salt{};
  if (getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size())) {
    return make_error(Reason::kIo, "the kernel has no randomness to give");
  }
  const auto checksum = derive(password, {reinterpret_cast<const char*>(salt.data()), salt.size()}, kRounds);
  return std::string(kPrefix) + std::to_string(kRounds) + '$' + encode(salt) + '$' + encode(checksum);
}

bool fits_password(std::string_view hash, std::string_view password) {
  const auto parsed = parse(hash);
  if (!parsed) return false;
  const auto checksum = derive(password, parsed->salt, parsed->rounds);
  return CRYPTO_memcmp(checksum.data(), parsed->checksum.data(), checksum.size()) == 0;
}

}  // namespace hybridge
