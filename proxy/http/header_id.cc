#include "proxy/http/header_id.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

namespace hybridge::http {

namespace {

using enum HeaderId;

struct Name {
  HeaderId id;
  std::string_view text;  // lower case
};

constexpr std::array kNames = std::to_array<Name>({
    {kAccept, "accept"},
    {kAcceptEncoding, "accept-encoding"},
    {kAccessControlAllowCredentials, "access-control-allow-credentials"},
    {kAccessControlAllowHeaders, "access-control-allow-headers"},
    {kAccessControlAllowMethods, "access-control-allow-methods"},
    {kAccessControlAllowOrigin, "access-control-allow-origin"},
    {kAuthorization, "authorization"},
    {kCfConnectingIp, "cf-connecting-ip"},
    {kConnection, "connection"},
    {kContentEncoding, "content-encoding"},
    {kContentLength, "content-length"},
    {kContentType, "content-type"},
    {kCookie, "cookie"},
    {kDate, "date"},
    {kExpect, "expect"},
    {kForwarded, "forwarded"},
    {kHost, "host"},
    {kIfMatch, "if-match"},
    {kKeepAlive, "keep-alive"},
    {kProxyAuthenticate, "proxy-authenticate"},
    {kProxyAuthorization, "proxy-authorization"},
    {kProxyConnection, "proxy-connection"},
    {kProxyOther, "proxy"},
    {kReferer, "referer"},
    {kReferrerPolicy, "referrer-policy"},
    {kServer, "server"},
    {kStrictTransportSecurity, "strict-transport-security"},
    {kTe, "te"},
    {kTraceparent, "traceparent"},
    {kTrailer, "trailer"},
    {kTransferEncoding, "transfer-encoding"},
    {kUpgrade, "upgrade"},
    {kUserAgent, "user-agent"},
    {kXClientPort, "x-client-port"},
    {kXContentTypeOptions, "x-content-type-options"},
    {kXForwardedFor, "x-forwarded-for"},
    {kXForwardedHost, "x-forwarded-host"},
    {kXFrameOptions, "x-frame-options"},
    {kXFrappeSiteName, "x-frappe-site-name"},
    {kXProxyUpstream, "x-proxy-upstream"},
    {kXRealIp, "x-real-ip"},
    {kXRequestId, "x-request-id"},
    {kXXssProtection, "x-xss-protection"},
    {kSecWebsocketKey, "sec-websocket-key"},
    {kSecWebsocketVersion, "sec-websocket-version"},
});

// Families of names of which every member is meant that has no id of its own: what begins with this and goes on.
constexpr std::array kFamilies = std::to_array<Name>({
    {kProxyOther, "proxy-"},
    {kXForwarded, "x-forwarded-"},
    {kXHybridge, "x-hybridge-"},
    {kXAccel, "x-accel-"},
});

constexpr std::size_t kLongest =
    std::ranges::max(kNames, {}, [](const Name& name) { return name.text.size(); }).text.size();

// Eight bytes at a time: a letter matches in both cases (its bit 0x20 is set in what is compared), anything else
// exactly.
consteval std::uint64_t word_of(std::string_view text, bool mask) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool letter = text[i] >= 'a' && text[i] <= 'z';
    const auto byte = mask ? (letter ? 0x20u : 0u) : static_cast<unsigned char>(text[i]);
    word |= static_cast<std::uint64_t>(byte) << (8 * i);
  }
  return word;
}

// Does what begins at `at` (at least the name's length of bytes) match?
template <const auto& kTable, std::size_t kIndex, std::size_t kFrom = 0>
inline bool begins_with(const char* at) {
  constexpr auto kRest = kTable[kIndex].text.substr(kFrom);
  if constexpr (kRest.empty()) {
    return true;
  } else {
    constexpr auto kPiece = kRest.substr(0, 8);
    constexpr auto kMask = word_of(kPiece, true);
    constexpr auto kWord = word_of(kPiece, false);
    std::uint64_t word = 0;
    std::memcpy(&word, at + kFrom, kPiece.size());
    return (word | kMask) == kWord && begins_with<kTable, kIndex, kFrom + kPiece.size()>(at);
  }
}
static_assert(std::endian::native == std::endian::little, "words are compared in the order of bytes in memory");

template <std::size_t kLength, std::size_t kIndex>
inline bool is(const char* at) {
  if constexpr (kNames[kIndex].text.size() == kLength) {
    return begins_with<kNames, kIndex>(at);
  } else {
    return false;
  }
}

template <std::size_t kLength>
HeaderId id_of_length(const char* at) {
  auto id = kOther;
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    static_cast<void>(((is<kLength, kIndex>(at) && (id = kNames[kIndex].id, true)) || ...));
  }
  (std::make_index_sequence<kNames.size()>{});
  return id;
}

constexpr auto kByLength = []<std::size_t... kLength>(std::index_sequence<kLength...>) {
  return std::array{&id_of_length<kLength>...};
}
(std::make_index_sequence<kLongest + 1>{});

template <std::size_t kIndex>
inline bool is_in_family(std::string_view name) {
  return name.size() > kFamilies[kIndex].text.size() && begins_with<kFamilies, kIndex>(name.data());
}

HeaderId family_of(std::string_view name) {
  auto id = kOther;
  [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    static_cast<void>(((is_in_family<kIndex>(name) && (id = kFamilies[kIndex].id, true)) || ...));
  }
  (std::make_index_sequence<kFamilies.size()>{});
  return id;
}

constexpr auto kNameOf = [] {
  std::array<std::string_view, static_cast<std::size_t>(kCount_)> names;
  for (const auto& name : kNames) names[static_cast<std::size_t>(name.id)] = name.text;
  // `Proxy` shares its id with others.
  for (const auto& family : kFamilies) names[static_cast<std::size_t>(family.id)] = {};
  return names;
}();

}  // namespace

HeaderId to_header_id(std::string_view name) {
  const auto id = name.size() <= kLongest ? kByLength[name.size()](name.data()) : kOther;
  return id != kOther ? id : family_of(name);
}

std::string_view lower_case_name(HeaderId id) {
  return kNameOf[static_cast<std::size_t>(id)];
}

}  // namespace hybridge::http
