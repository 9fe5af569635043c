// Certificates for tests, made in memory: authorities, intermediates and leaves with EC and RSA keys, for any names,
// good ones and bad ones. Keys of one kind are made once a process, so that a test costs no RSA key.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ssl_ptr.h"
#include "tls/certificate.h"

namespace hybridge::test {

enum class TestKey { kEc, kOtherEc, kEcP384, kEcP521, kRsa, kRsa1024, kEd25519 };

// The one key of this kind, and its PEM (PKCS #8).
EVP_PKEY* key_of(TestKey kind);
std::string key_pem(TestKey kind);
std::string encrypted_key_pem(TestKey kind);          // PKCS #8, passphrase "secret"
std::string traditional_key_pem(TestKey kind);        // BEGIN EC PRIVATE KEY, BEGIN RSA PRIVATE KEY
std::string encrypted_traditional_pem(TestKey kind);  // Proc-Type: 4,ENCRYPTED

struct Wanted {
  std::vector<std::string> names;  // subject alternative names, DNS
  TestKey key = TestKey::kEc;
  std::vector<std::string> addresses{};  // subject alternative names, IP
  std::string subject{};                 // common name; empty: the first name
  std::int64_t not_before = 1'600'000'000;
  std::int64_t not_after = 4'000'000'000;
  std::string extended_key_usage{};  // e.g. "clientAuth"; empty: the extension is not there
  bool with_sha1 = false;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "Test Root");

  TestAuthority intermediate(const std::string& name) const;

  // The leaf and the intermediates up to, and without, the root.
  PemPair issue(const Wanted& wanted) const;
  // The parsed result; the test fails (throws) if it is refused.
  std::shared_ptr<const Certificate> certificate(const Wanted& wanted) const;

  std::string pem() const;    // its own certificate
  std::string chain() const;  // its own and those of the intermediates above it; empty for a root

 private:
  TestAuthority(std::shared_ptr<EVP_PKEY> key, std::shared_ptr<X509> certificate, std::string above);

  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string above_;  // PEM of this and the intermediates above
};

PemPair self_signed(const Wanted& wanted);

}  // namespace hybridge::test
