#include "proxy/hold_preview.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/digest.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace hybridge {

namespace {
// The value of a cookie in one Cookie field (RFC 6265 4.2.1); "": it is not there.
std::string_view cookie_of(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const auto end = std::min(cookies.find(';'), cookies.size());
    auto pair = cookies.substr(0, end);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

bool has_token(const Exchange& exchange, const HoldTerms& terms) {
  if (terms.preview_secret.empty()) return false;
  const auto now = exchange.worker.wall_milliseconds() / 1000;
  for (const auto& header : exchange.request().headers) {
    std::string_view token;
    if (header.id == http::HeaderId::kCookie) {
      token = cookie_of(header.value, kPreviewCookie);
    } else if (http::equal_ignoring_case(header.name, kPreviewHeader)) {
      token = header.value;
    }
    if (!token.empty() && is_preview_token(terms.preview_secret, token, terms.id, now)) return true;
  }
  return false;
}
}  // namespace

bool is_preview(const Exchange& exchange, const HoldTerms& terms) {
  const auto& everywhere = exchange.worker.config().holds.preview;
  if (!everywhere.empty() || !terms.preview.empty()) {
    const auto address = Address::parse(exchange.client_ip(), 0);
    const auto holds = [&](const Network& network) { return address && network.contains(*address); };
    if (std::any_of(everywhere.begin(), everywhere.end(), holds)) return true;
    if (std::any_of(terms.preview.begin(), terms.preview.end(), holds)) return true;
  }
  return has_token(exchange, terms);
}

std::string make_preview_token(std::string_view secret, std::string_view hold_id, std::int64_t expires) {
  auto token = std::string(hold_id) + '.' + std::to_string(expires);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(token.data()), token.size(), mac.data(), &length);
  return token + '.' + to_hex({mac.data(), length});
}

bool is_preview_token(std::string_view secret, std::string_view token, std::string_view hold_id, std::int64_t now) {
  const auto mac = token.rfind('.');
  const auto until = mac == std::string_view::npos || mac == 0 ? mac : token.rfind('.', mac - 1);
  if (until == std::string_view::npos || mac == 0 || token.substr(0, until) != hold_id) return false;
  std::int64_t expires = 0;
  const auto* const end = token.data() + mac;
  const auto [stop, error] = std::from_chars(token.data() + until + 1, end, expires);
  if (error != std::errc{} || stop != end || expires <= now) return false;
  const auto wanted = make_preview_token(secret, hold_id, expires);
  return wanted.size() == token.size() && CRYPTO_memcmp(wanted.data(), token.data(), token.size()) == 0;
}

}  // namespace hybridge
