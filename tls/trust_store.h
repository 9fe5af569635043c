// Whom we believe about upstreams: the system's bundle, read once, and the CAs that servers bring along, each parsed at
// its first use. One for the process; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/ssl_ptr.h"

namespace hybridge {

class TrustStore {
 public:
  struct Anchors {
    SslPtr<X509_STORE> store;
    std::uint64_t id = 0;  // never used twice: sessions verified by one store are not resumed for another
  };

  // `bundle`: a PEM file; empty: no anchors but those that servers bring. kInvalid: a sentence that names the file.
  static Result<std::shared_ptr<TrustStore>> load(const std::string& bundle);
  explicit TrustStore(SslPtr<X509_STORE> bundle) : bundle_(std::move(bundle)) {}

  // `ca`: PEM, trusted as it is, be it a root, an intermediate or the server's own certificate; empty: the bundle.
  // kInvalid: no certificates in it.
  Result<Anchors> find(std::string_view ca);

 private:
  static constexpr std::size_t kMostKept = 4'096;
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  const SslPtr<X509_STORE> bundle_;
  std::mutex mutex_;
  std::unordered_map<std::string, Anchors, NameHash, std::equal_to<>> kept_;  // by PEM
  std::uint64_t last_id_ = 0;
};

}  // namespace hybridge
