#include "tls/trust_store.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <functional>
#include <utility>

#include "tls/pem_pair.h"

namespace hybridge {

namespace {

TrustStore::Anchors share(X509_STORE* store, std::uint64_t id) {
  X509_STORE_up_ref(store);
  return {SslPtr<X509_STORE>(store), id};
}

}  // namespace

Result<std::shared_ptr<TrustStore>> TrustStore::load(const std::string& bundle) {
  SslPtr<X509_STORE> store(X509_STORE_new());
  if (!bundle.empty() && X509_STORE_load_file(store.get(), bundle.c_str()) != 1) {
    ERR_clear_error();
    return make_error(Reason::kInvalid,
                      "no certificates can be read from " + bundle + "; a PEM bundle of CAs is wanted");
  }
  return std::make_shared<TrustStore>(std::move(store));
}

Result<TrustStore::Anchors> TrustStore::find(std::string_view ca) {
  if (ca.empty()) return share(bundle_.get(), 0);
  const std::lock_guard lock(mutex_);
  if (const auto found = kept_.find(ca); found != kept_.end())
    return share(found->second.store.get(), found->second.id);
  auto certificates = parse_pem_certificates(ca);
  if (!certificates) return certificates.error();
  SslPtr<X509_STORE> store(X509_STORE_new());
  for (const auto& certificate : *certificates) X509_STORE_add_cert(store.get(), certificate.get());
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  ERR_clear_error();
  if (kept_.size() >= kMostKept) kept_.clear();  // connections hold references of their own
  const auto& kept = kept_[std::string(ca)] = {std::move(store), ++last_id_};
  return share(kept.store.get(), kept.id);
}

}  // namespace hybridge
