// A checked certificate: one or two chains with their keys (an EC and an RSA one side by side), ready to be put on
// connections. Immutable and shared by all workers; reference counts are taken once a full handshake.
//
// parse_certificate() is slow (half a millisecond): not for a worker's thread. Neither messages nor members show keys.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/ssl_ptr.h"

namespace hybridge {

struct PemPair {
  std::string chain;  // leaf and intermediates
  std::string key;

  friend bool operator==(const PemPair&, const PemPair&) = default;
};
using PemPairs = std::vector<PemPair>;

enum class KeyType : std::uint8_t { kEc, kRsa };
std::string_view name_of(KeyType type);  // "EC", "RSA"

class Certificate {
 public:
  struct Pair {
    SslPtr<X509> leaf;
    SslPtr<STACK_OF(X509)> intermediates;  // in order, without the root; may be empty
    SslPtr<EVP_PKEY> key;
    KeyType type = KeyType::kEc;
    int bits = 0;  // of the key
    std::vector<std::string> names;
    std::int64_t not_before = 0;  // Unix seconds
    std::int64_t not_after = 0;
    Sha256 fingerprint{};  // of the leaf's DER
    std::string issuer;    // RFC 2253, for humans
  };

  static constexpr std::size_t kMaxChain = 10;             // certificates, the leaf included
  static constexpr std::size_t kMaxPemBytes = 128 * 1024;  // of a pair
  static constexpr int kMinRsaBits = 2048;
  static constexpr int kMaxRsaBits = 4096;  // a signature with 8192 bits would hold up a worker for 10 ms

  explicit Certificate(std::vector<Pair> pairs);  // checked ones: use parse_certificate()

  std::span<const Pair> pairs() const { return pairs_; }
  // Subject alternative names (DNS) that all pairs have, lower-case; wildcards as they stand.
  const std::vector<std::string>& names() const { return names_; }
  // Is one of the names this host's (RFC 6125 6.4: a wildcard is the whole first label and stands for one label)?
  // `host` lower-case, without port and trailing dot. For `*.x` itself: is that very name there?
  bool covers(std::string_view host) const;

  std::int64_t not_before() const;  // the latest of the pairs
  std::int64_t not_after() const;   // the soonest of the pairs
  const Sha256& fingerprint() const { return pairs_.front().fingerprint; }
  const std::string& issuer() const { return pairs_.front().issuer; }
  // Tickets resume only where this is the same: a digest of all leaves. 32 bytes, OpenSSL's most.
  std::span<const std::uint8_t> session_context() const { return session_context_; }
  std::size_t memory() const { return memory_; }  // bytes, about

 private:
  std::vector<Pair> pairs_;
  std::vector<std::string> names_;
  Sha256 session_context_{};
  std::size_t memory_ = 0;
};

// kInvalid: a sentence that begins with the pair (`pairs[1]: …`, nothing if there is only one) and says what would be
// right. A chain out of order is put in order, roots and repetitions in it are left out.
Result<std::shared_ptr<const Certificate>> parse_certificate(const PemPairs& pairs);

// Does a certificate for `name` (which may be a wildcard) stand for `host`? Both lower-case.
bool is_covered_by(std::string_view host, std::string_view name);

}  // namespace hybridge
