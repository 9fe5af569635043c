#include "tests/support/test_certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>
#include <utility>

namespace hybridge::test {

namespace {

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("test certificate: ") + what);
}

EVP_PKEY* make_key(TestKey kind) {
  switch (kind) {
    case TestKey::kEc:
    case TestKey::kOtherEc:
      return EVP_EC_gen("P-256");
    case TestKey::kEcP384:
      return EVP_EC_gen("P-384");
    case TestKey::kEcP521:
      return EVP_EC_gen("P-521");
    case TestKey::kRsa:
      return EVP_RSA_gen(2048);
    case TestKey::kRsa1024:
      return EVP_RSA_gen(1024);
    case TestKey::kEd25519:
      return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  }
  return nullptr;
}

template <class Write>
std::string text(Write&& write) {
  const SslPtr<BIO> out(BIO_new(BIO_s_mem()));
  require(write(out.get()) == 1, "writing PEM");
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  return text([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
}

void extend(X509* certificate, int what, const std::string& value) {
  const SslPtr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, value.c_str());
}

void name(X509_NAME* into, const std::string& common_name) {
  if (common_name.empty()) return;
  require(
      X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1,
      "a subject");
}

SslPtr<X509> begin(const std::string& subject, EVP_PKEY* key, std::int64_t not_before, std::int64_t not_after) {
  static std::atomic<std::uint64_t> serial = 1'000;
  SslPtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), ++serial);
  name(X509_get_subject_name(certificate.get()), subject);
  require(ASN1_TIME_set(X509_getm_notBefore(certificate.get()), not_before) != nullptr, "a date");
  require(ASN1_TIME_set(X509_getm_notAfter(certificate.get()), not_after) != nullptr, "a date");
  require(X509_set_pubkey(certificate.get(), key) == 1, "a key");
  return certificate;
}

SslPtr<X509> make_leaf(const Wanted& wanted, X509* issuer, EVP_PKEY* issuer_key) {
  auto* key = key_of(wanted.key);
  const auto subject = !wanted.subject.empty() || wanted.names.empty() ? wanted.subject : wanted.names.front();
  auto leaf = begin(subject, key, wanted.not_before, wanted.not_after);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer ? issuer : leaf.get()));
  std::string names;
  for (const auto& each : wanted.names) names += (names.empty() ? "DNS:" : ",DNS:") + each;
  for (const auto& each : wanted.addresses) names += (names.empty() ? "IP:" : ",IP:") + each;
  if (!names.empty()) extend(leaf.get(), NID_subject_alt_name, names);
  if (!wanted.extended_key_usage.empty()) extend(leaf.get(), NID_ext_key_usage, wanted.extended_key_usage);
  require(X509_sign(leaf.get(), issuer ? issuer_key : key, wanted.with_sha1 ? EVP_sha1() : EVP_sha256()) > 0,
          "a signature");
  return leaf;
}

SslPtr<X509> make_authority(const std::string& subject, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  auto made = begin(subject, key, 1'600'000'000, 4'000'000'000);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer ? issuer : made.get()));
  extend(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  require(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0, "a signature");
  return made;
}

}  // namespace

EVP_PKEY* key_of(TestKey kind) {
  static const std::vector<SslPtr<EVP_PKEY>> keys = [] {
    std::vector<SslPtr<EVP_PKEY>> made;
    for (int i = 0; i <= static_cast<int>(TestKey::kEd25519); ++i) made.emplace_back(make_key(static_cast<TestKey>(i)));
    return made;
  }();
  return keys[static_cast<std::size_t>(kind)].get();
}

std::string key_pem(TestKey kind) {
  return text(
      [&](BIO* out) { return PEM_write_bio_PrivateKey(out, key_of(kind), nullptr, nullptr, 0, nullptr, nullptr); });
}

std::string encrypted_key_pem(TestKey kind) {
  const unsigned char phrase[] = "secret";
  return text([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, key_of(kind), EVP_aes_256_cbc(), phrase, sizeof phrase - 1, nullptr, nullptr);
  });
}

std::string traditional_key_pem(TestKey kind) {
  return text([&](BIO* out) {
    return PEM_write_bio_PrivateKey_traditional(out, key_of(kind), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string encrypted_traditional_pem(TestKey kind) {
  unsigned char phrase[] = "secret";
  return text([&](BIO* out) {
    return PEM_write_bio_PrivateKey_traditional(out, key_of(kind), EVP_aes_256_cbc(), phrase, sizeof phrase - 1,
                                                nullptr, nullptr);
  });
}

TestAuthority::TestAuthority(const std::string& common_name) : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
  certificate_.reset(make_authority(common_name, key_.get(), nullptr, key_.get()).release(), X509_free);
}

TestAuthority::TestAuthority(std::shared_ptr<EVP_PKEY> key, std::shared_ptr<X509> certificate, std::string above)
    : key_(std::move(key)), certificate_(std::move(certificate)), above_(std::move(above)) {}

TestAuthority TestAuthority::intermediate(const std::string& common_name) const {
  const std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::shared_ptr<X509> made(make_authority(common_name, key.get(), certificate_.get(), key_.get()).release(),
                                   X509_free);
  return {key, made, to_pem(made.get()) + above_};
}

PemPair TestAuthority::issue(const Wanted& wanted) const {
  const auto leaf = make_leaf(wanted, certificate_.get(), key_.get());
  return {to_pem(leaf.get()) + above_, key_pem(wanted.key)};
}

std::shared_ptr<const Certificate> TestAuthority::certificate(const Wanted& wanted) const {
  return parse_certificate({issue(wanted)}).value();
}

std::string TestAuthority::pem() const {
  return to_pem(certificate_.get());
}

std::string TestAuthority::chain() const {
  return above_;
}

PemPair self_signed(const Wanted& wanted) {
  const auto leaf = make_leaf(wanted, nullptr, nullptr);
  return {to_pem(leaf.get()), key_pem(wanted.key)};
}

}  // namespace hybridge::test
