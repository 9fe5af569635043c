#include "proxy/downstream/stream.h"

#include <openssl/x509v3.h>

namespace hybridge {

bool ClientFacts::is_good_for(std::string_view host) const {
  // Without a name the client connected to an address; what it asks for is what it would have asked for anyway.
  if (!certificate || server_name.empty() || host == server_name) return true;
  if (host.empty()) return false;
  if (X509_check_host(certificate.get(), host.data(), host.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) ==
      1) {
    return true;
  }
  return X509_check_ip_asc(certificate.get(), std::string(host).c_str(), 0) == 1;
}

}  // namespace hybridge
