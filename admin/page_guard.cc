#include "admin/page_guard.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

#include "base/digest.h"
#include "base/host_name.h"

namespace hybridge {

namespace {
// Without the port, and an IPv6 literal without its brackets.
std::string_view name_of(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}
}  // namespace

bool is_own_host(std::string_view host, const Config& config) {
  const auto name = name_of(host);
  if (const auto address = Address::parse(name, 0)) {
    if (address->is_loopback()) return true;
    const auto& listen = config.admin.listen;
    return std::any_of(listen.begin(), listen.end(),
                       [&](const Address& own) { return own.is_any() || own.with_port(0) == *address; });
  }
  const auto normal = normalize_host_name(name);
  return normal && (*normal == "localhost" || *normal == config.server_name);
}

FormTokens::FormTokens() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) throw std::runtime_error("no random bytes");
}

std::string FormTokens::make(std::string_view who, Deed deed) const {
  std::string signed_text;
  const auto add = [&](std::string_view part) { signed_text.append(std::to_string(part.size()) + ':').append(part); };
  add(who);
  for (const auto part : deed) add(part);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), mac.data(), &length);
  return to_hex({mac.data(), length});
}

bool FormTokens::is_good(std::string_view token, std::string_view who, Deed deed) const {
  const auto wanted = make(who, deed);
  return wanted.size() == token.size() && CRYPTO_memcmp(wanted.data(), token.data(), token.size()) == 0;
}

}  // namespace hybridge
