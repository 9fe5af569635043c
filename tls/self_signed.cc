#include "tls/self_signed.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/host_name.h"

namespace hybridge {

namespace {

constexpr std::int64_t kDay = 86'400;

bool add_extension(X509* certificate, int what, const std::string& value) {
  const SslPtr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_random_serial(X509* certificate) {
  std::uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

bool set_name(X509* certificate) {
  auto* name = X509_get_subject_name(certificate);
  const unsigned char text[] = "Hybridge default certificate";
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, sizeof text - 1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key, const std::string& alternative_names, std::int64_t now) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_random_serial(certificate) &&
         set_name(certificate) && ASN1_TIME_set(X509_getm_notBefore(certificate), now - kDay) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), now + 3'652 * kDay) && X509_set_pubkey(certificate, key) == 1 &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, NID_subject_alt_name, alternative_names) &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Result<PemPair> make_self_signed(const std::vector<std::string>& names, std::int64_t now) {
  if (names.empty()) return make_error(Reason::kInvalid, "a self-signed certificate needs at least one name");
  std::string alternative_names;
  for (const auto& name : names) {
    auto normal = normalize_host_pattern(name);
    if (!normal) return normal.error();
    alternative_names += (alternative_names.empty() ? "DNS:" : ",DNS:") + *normal;
  }
  const SslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const SslPtr<X509> certificate(X509_new());
  const SslPtr<BIO> chain(BIO_new(BIO_s_mem()));
  const SslPtr<BIO> secret(BIO_new(BIO_s_secmem()));
  if (!key || !certificate || !fill(certificate.get(), key.get(), alternative_names, now) ||
      PEM_write_bio_X509(chain.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return make_error(Reason::kInternal, "OpenSSL could not make a self-signed certificate: " +
                                             std::string(reason ? reason : "no reason"));
  }
  return PemPair{text_of(chain.get()), text_of(secret.get())};
}

}  // namespace hybridge
