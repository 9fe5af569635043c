#include "tls/pem_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/host_name.h"

namespace hybridge {

namespace {

Error invalid(std::string detail) {
  ERR_clear_error();  // what OpenSSL thinks of it must not be taken for a later call's error
  return make_error(Reason::kInvalid, std::move(detail));
}

SslPtr<BIO> reader(std::string_view text) {
  return SslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string in_rfc2253(const X509_NAME* name) {
  SslPtr<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(std::min(size, 256L))};
}

std::int64_t unix_seconds(const ASN1_TIME* time) {
  static const SslPtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, epoch.get(), time);
  return std::int64_t{days} * 86'400 + seconds;
}

bool is_same(const X509* a, const X509* b) {
  return X509_cmp(a, b) == 0;
}

bool is_issued_by(X509* certificate, X509* issuer) {
  return X509_check_issued(issuer, certificate) == X509_V_OK;
}

bool is_root(X509* certificate) {
  return (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
}

Result<SslPtr<EVP_PKEY>> parse_key(std::string_view pem) {
  if (pem.find("-----BEGIN ") == std::string_view::npos) {
    return invalid("the key is not PEM: it has no -----BEGIN … PRIVATE KEY----- line");
  }
  if (pem.find("-----BEGIN ENCRYPTED PRIVATE KEY") != std::string_view::npos ||
      pem.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos) {
    return invalid("the key is encrypted; it must come without a passphrase");
  }
  const auto in = reader(pem);
  // Never asks the terminal for a passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  SslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (!key) return invalid("the key cannot be read; a PEM private key is wanted, RSA or EC");
  return key;
}

Result<KeyType> check_key(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA")) {
    if (bits < Certificate::kMinRsaBits || bits > Certificate::kMaxRsaBits) {
      return invalid("the RSA key has " + std::to_string(bits) + " bits; " + std::to_string(Certificate::kMinRsaBits) +
                     " to " + std::to_string(Certificate::kMaxRsaBits) + " are allowed");
    }
    return KeyType::kRsa;
  }
  if (EVP_PKEY_is_a(key, "EC")) {
    char group[64] = "";
    EVP_PKEY_get_group_name(key, group, sizeof group, nullptr);
    const std::string_view name = group;
    if (name != "prime256v1" && name != "P-256" && name != "secp384r1" && name != "P-384") {
      return invalid("the EC key is on the curve " + in_quotes(name) + "; browsers know P-256 and P-384");
    }
    return KeyType::kEc;
  }
  const char* type = EVP_PKEY_get0_type_name(key);
  return invalid("the key's type is " + std::string(type ? type : "unknown") + "; RSA or EC is wanted");
}

// Leaf first, each one issued by the next; roots and repetitions left out.
Result<std::vector<SslPtr<X509>>> in_order(std::vector<SslPtr<X509>> given, const EVP_PKEY* key) {
  const auto leaf = std::find_if(given.begin(), given.end(), [&](const auto& certificate) {
    return EVP_PKEY_eq(X509_get0_pubkey(certificate.get()), key) == 1;
  });
  if (leaf == given.end()) {
    return invalid("the key does not belong to the certificate " + subject_of(given.front().get()) +
                   (given.size() > 1 ? " (nor to any other in the chain)" : ""));
  }
  std::vector<SslPtr<X509>> chain;
  chain.push_back(std::move(*leaf));
  given.erase(leaf);
  for (bool grown = true; grown;) {
    grown = false;
    for (auto at = given.begin(); at != given.end(); ++at) {
      if (!is_issued_by(chain.back().get(), at->get()) || is_root(at->get())) continue;
      chain.push_back(std::move(*at));
      given.erase(at);
      grown = true;
      break;
    }
  }
  for (auto& left : given) {
    const auto has = [&](auto&& like) {
      return std::any_of(chain.begin(), chain.end(), [&](const auto& used) { return like(used.get()); });
    };
    if (is_root(left.get()) || has([&](const X509* used) { return is_same(used, left.get()); })) continue;
    // Another path for the same subject (cross-signed): clients that need it find it behind the others.
    if (has([&](const X509* used) {
          return X509_NAME_cmp(X509_get_subject_name(used), X509_get_subject_name(left.get())) == 0;
        })) {
      chain.push_back(std::move(left));
      continue;
    }
    return invalid("the certificate " + subject_of(left.get()) + " has no place in the chain of " +
                   subject_of(chain.front().get()));
  }
  return chain;
}

Result<std::vector<std::string>> dns_names(const X509* leaf) {
  std::vector<std::string> names;
  const SslPtr<GENERAL_NAMES> general(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; general && i < sk_GENERAL_NAME_num(general.get()); ++i) {
    const auto* each = sk_GENERAL_NAME_value(general.get(), i);
    if (each->type != GEN_DNS) continue;
    const auto* text = each->d.dNSName;
    const std::string_view raw(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<std::size_t>(ASN1_STRING_length(text)));
    auto name = normalize_host_pattern(raw);
    if (!name) return invalid("one of its names is none: " + name.error().detail);
    if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(std::move(*name));
  }
  return names;
}

// What OpenSSL would refuse only when a client is already waiting.
Result<void> check_usable(X509* certificate, bool is_leaf) {
  if (is_leaf && X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) != 1) {
    return invalid("the certificate " + subject_of(certificate) + " is not for TLS servers (extended key usage)");
  }
  int digest = 0;
  int bits = 0;
  if (!is_root(certificate) && X509_get_signature_info(certificate, &digest, nullptr, &bits, nullptr) == 1 &&
      bits < 100) {
    return invalid("the certificate " + subject_of(certificate) + " is signed with " + OBJ_nid2sn(digest) +
                   "; SHA-256 or better is wanted");
  }
  return {};
}

}  // namespace

std::string subject_of(const X509* certificate) {
  auto subject = in_rfc2253(X509_get_subject_name(certificate));
  return subject.empty() ? "without a subject" : in_quotes(subject);
}

Result<std::vector<SslPtr<X509>>> parse_pem_certificates(std::string_view pem) {
  std::vector<SslPtr<X509>> certificates;
  const auto in = reader(pem);
  ERR_clear_error();
  while (auto* certificate = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const auto error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) {
    return invalid("certificate " + std::to_string(certificates.size() + 1) +
                   " of the chain cannot be read; PEM blocks of X.509 are wanted");
  }
  if (certificates.empty()) {
    return invalid("the chain has no -----BEGIN CERTIFICATE----- block; the leaf and its intermediates are wanted");
  }
  ERR_clear_error();
  return certificates;
}

Result<Certificate::Pair> parse_pem_pair(const PemPair& pem) {
  if (pem.chain.size() + pem.key.size() > Certificate::kMaxPemBytes) {
    return invalid("chain and key have more than " + std::to_string(Certificate::kMaxPemBytes / 1024) + " KiB");
  }
  auto certificates = parse_pem_certificates(pem.chain);
  if (!certificates) return certificates.error();
  if (certificates->size() > Certificate::kMaxChain) {
    return invalid("the chain has " + std::to_string(certificates->size()) + " certificates; " +
                   std::to_string(Certificate::kMaxChain) + " are the most");
  }
  auto key = parse_key(pem.key);
  if (!key) return key.error();
  const auto type = check_key(key->get());
  if (!type) return type.error();
  auto chain = in_order(std::move(*certificates), key->get());
  if (!chain) return chain.error();
  for (const auto& certificate : *chain) {
    // Also computes, here and now, what OpenSSL would otherwise compute under a lock at the first handshake.
    const auto usable = check_usable(certificate.get(), &certificate == &chain->front());
    if (!usable) return usable.error();
  }

  Certificate::Pair pair;
  pair.key = std::move(*key);
  pair.type = *type;
  pair.bits = EVP_PKEY_get_bits(pair.key.get());
  pair.leaf = std::move(chain->front());
  pair.intermediates.reset(sk_X509_new_null());
  for (auto at = chain->begin() + 1; at != chain->end(); ++at) sk_X509_push(pair.intermediates.get(), at->release());
  auto names = dns_names(pair.leaf.get());
  if (!names) return names.error();
  pair.names = std::move(*names);
  pair.not_before = unix_seconds(X509_get0_notBefore(pair.leaf.get()));
  pair.not_after = unix_seconds(X509_get0_notAfter(pair.leaf.get()));
  X509_digest(pair.leaf.get(), EVP_sha256(), pair.fingerprint.data(), nullptr);
  pair.issuer = in_rfc2253(X509_get_issuer_name(pair.leaf.get()));
  ERR_clear_error();
  return pair;
}

std::size_t memory_of(const Certificate::Pair& pair) {
  constexpr std::size_t kDecoded = 3'500;  // an X509 beside its DER
  const auto one = [](const X509* certificate) {
    return kDecoded + static_cast<std::size_t>(std::max(0, i2d_X509(certificate, nullptr)));
  };
  std::size_t bytes = sizeof pair + one(pair.leaf.get()) + (pair.type == KeyType::kRsa ? 6'000u : 3'500u);
  for (int i = 0; i < sk_X509_num(pair.intermediates.get()); ++i) {
    bytes += one(sk_X509_value(pair.intermediates.get(), i));
  }
  for (const auto& name : pair.names) bytes += sizeof name + name.size();
  return bytes;
}

}  // namespace hybridge
