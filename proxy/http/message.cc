#include "proxy/http/message.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

// A lower-case name known while compiling, compared eight bytes at a time: a letter matches in both cases (its bit
// 0x20 is set in what is compared), anything else exactly.
template <std::size_t kBytes>
struct Name {
  char text[kBytes] = {};
  consteval Name(const char (&literal)[kBytes]) { std::copy_n(literal, kBytes, text); }
  static constexpr std::size_t kLength = kBytes - 1;
};

constexpr std::uint64_t word_of(const char* text, std::size_t bytes, bool mask) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const bool letter = text[i] >= 'a' && text[i] <= 'z';
    const auto byte = mask ? (letter ? 0x20u : 0u) : static_cast<unsigned char>(text[i]);
    word |= static_cast<std::uint64_t>(byte) << (8 * i);
  }
  return word;
}

// Does what begins at `at` (at least kName's length of bytes) match?
template <Name kName, std::size_t kFrom = 0>
inline bool begins_with(const char* at) {
  if constexpr (kFrom == kName.kLength) {
    return true;
  } else {
    constexpr std::size_t kPiece = std::min<std::size_t>(8, kName.kLength - kFrom);
    constexpr auto kWord = word_of(kName.text + kFrom, kPiece, false);
    constexpr auto kMask = word_of(kName.text + kFrom, kPiece, true);
    std::uint64_t word = 0;
    std::memcpy(&word, at + kFrom, kPiece);
    return (word | kMask) == kWord && begins_with<kName, kFrom + kPiece>(at);
  }
}
static_assert(std::endian::native == std::endian::little, "words are compared in the order of bytes in memory");

using enum HeaderId;

template <Name kName>
inline HeaderId if_prefix(std::string_view name, HeaderId id) {
  return name.size() > kName.kLength && begins_with<kName>(name.data()) ? id : kOther;
}

// Families of names of which every member is meant.
HeaderId family_of(std::string_view name) {
  if (name.size() < 5) return kOther;
  switch (name[0] | 0x20) {
    case 'p':
      if (name.size() == 5) return begins_with<"proxy">(name.data()) ? kProxyOther : kOther;
      return if_prefix<"proxy-">(name, kProxyOther);
    case 'x':
      if (const auto id = if_prefix<"x-forwarded-">(name, kXForwarded); id != kOther) return id;
      if (const auto id = if_prefix<"x-hybridge-">(name, kXHybridge); id != kOther) return id;
      return if_prefix<"x-accel-">(name, kXAccel);
    default:
      return kOther;
  }
}

HeaderId id_of_short(const char* at, std::size_t bytes) {
  switch (bytes) {
    case 2:
      if (begins_with<"te">(at)) return kTe;
      break;
    case 4:
      if (begins_with<"host">(at)) return kHost;
      if (begins_with<"date">(at)) return kDate;
      break;
    case 6:
      if (begins_with<"accept">(at)) return kAccept;
      if (begins_with<"cookie">(at)) return kCookie;
      if (begins_with<"server">(at)) return kServer;
      if (begins_with<"expect">(at)) return kExpect;
      break;
    case 7:
      if (begins_with<"referer">(at)) return kReferer;
      if (begins_with<"upgrade">(at)) return kUpgrade;
      if (begins_with<"trailer">(at)) return kTrailer;
      break;
    case 8:
      if (begins_with<"if-match">(at)) return kIfMatch;
      break;
    case 9:
      if (begins_with<"x-real-ip">(at)) return kXRealIp;
      if (begins_with<"forwarded">(at)) return kForwarded;
      break;
    case 10:
      if (begins_with<"connection">(at)) return kConnection;
      if (begins_with<"user-agent">(at)) return kUserAgent;
      if (begins_with<"keep-alive">(at)) return kKeepAlive;
      break;
    case 11:
      if (begins_with<"traceparent">(at)) return kTraceparent;
      break;
    case 12:
      if (begins_with<"content-type">(at)) return kContentType;
      if (begins_with<"x-request-id">(at)) return kXRequestId;
      break;
    default:
      break;
  }
  return kOther;
}

HeaderId id_of_long(const char* at, std::size_t bytes) {
  switch (bytes) {
    case 13:
      if (begins_with<"authorization">(at)) return kAuthorization;
      if (begins_with<"x-client-port">(at)) return kXClientPort;
      break;
    case 14:
      if (begins_with<"content-length">(at)) return kContentLength;
      break;
    case 15:
      if (begins_with<"accept-encoding">(at)) return kAcceptEncoding;
      if (begins_with<"x-forwarded-for">(at)) return kXForwardedFor;
      if (begins_with<"x-frame-options">(at)) return kXFrameOptions;
      if (begins_with<"referrer-policy">(at)) return kReferrerPolicy;
      break;
    case 16:
      if (begins_with<"content-encoding">(at)) return kContentEncoding;
      if (begins_with<"x-forwarded-host">(at)) return kXForwardedHost;
      if (begins_with<"x-proxy-upstream">(at)) return kXProxyUpstream;
      if (begins_with<"x-xss-protection">(at)) return kXXssProtection;
      if (begins_with<"proxy-connection">(at)) return kProxyConnection;
      if (begins_with<"cf-connecting-ip">(at)) return kCfConnectingIp;
      break;
    case 17:
      if (begins_with<"transfer-encoding">(at)) return kTransferEncoding;
      if (begins_with<"sec-websocket-key">(at)) return kSecWebsocketKey;
      break;
    case 18:
      if (begins_with<"x-frappe-site-name">(at)) return kXFrappeSiteName;
      if (begins_with<"proxy-authenticate">(at)) return kProxyAuthenticate;
      break;
    case 19:
      if (begins_with<"proxy-authorization">(at)) return kProxyAuthorization;
      break;
    case 21:
      if (begins_with<"sec-websocket-version">(at)) return kSecWebsocketVersion;
      break;
    case 22:
      if (begins_with<"x-content-type-options">(at)) return kXContentTypeOptions;
      break;
    case 25:
      if (begins_with<"strict-transport-security">(at)) return kStrictTransportSecurity;
      break;
    case 27:
      if (begins_with<"access-control-allow-origin">(at)) return kAccessControlAllowOrigin;
      break;
    case 28:
      if (begins_with<"access-control-allow-headers">(at)) return kAccessControlAllowHeaders;
      if (begins_with<"access-control-allow-methods">(at)) return kAccessControlAllowMethods;
      break;
    case 32:
      if (begins_with<"access-control-allow-credentials">(at)) return kAccessControlAllowCredentials;
      break;
    default:
      break;
  }
  return kOther;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

}  // namespace

Method to_method(std::string_view name) {
  switch (name.size()) {
    case 3:
      if (name == "GET") return Method::kGet;
      if (name == "PUT") return Method::kPut;
      break;
    case 4:
      if (name == "POST") return Method::kPost;
      if (name == "HEAD") return Method::kHead;
      break;
    case 5:
      if (name == "PATCH") return Method::kPatch;
      if (name == "TRACE") return Method::kTrace;
      break;
    case 6:
      if (name == "DELETE") return Method::kDelete;
      break;
    case 7:
      if (name == "OPTIONS") return Method::kOptions;
      if (name == "CONNECT") return Method::kConnect;
      break;
    default:
      break;
  }
  return Method::kOther;
}

std::string_view to_string(Version version) {
  switch (version) {
    case Version::kHttp10:
      return "HTTP/1.0";
    case Version::kHttp2:
      return "HTTP/2.0";
    case Version::kHttp11:
      break;
  }
  return "HTTP/1.1";
}

HeaderId to_header_id(std::string_view name) {
  const auto id = name.size() <= 12 ? id_of_short(name.data(), name.size()) : id_of_long(name.data(), name.size());
  return id != kOther ? id : family_of(name);
}

void Headers::add(const Header& header) {
  auto& first = first_[static_cast<std::size_t>(header.id)];
  if (first == kNone) first = static_cast<std::uint16_t>(fields_.size());
  fields_.push_back(header);
}

void Headers::clear() {
  fields_.clear();
  first_.fill(kNone);
}

std::size_t Headers::count(HeaderId id) const {
  const auto at = first_[static_cast<std::size_t>(id)];
  if (at == kNone) return 0;
  return static_cast<std::size_t>(
      std::count_if(fields_.begin() + at, fields_.end(), [id](const Header& header) { return header.id == id; }));
}

void Headers::index() {
  first_.fill(kNone);
  for (std::size_t i = fields_.size(); i-- > 0;) {
    first_[static_cast<std::size_t>(fields_[i].id)] = static_cast<std::uint16_t>(i);
  }
}

void RequestHead::clear() {
  method = Method::kOther;
  version = Version::kHttp11;
  method_name = target = authority = host = upgrade = {};
  headers.clear();
  framing = {};
  keep_alive = true;
  expects_continue = false;
  bytes.clear();
  lower_host.clear();
}

void ResponseHead::clear() {
  status = 0;
  version = Version::kHttp11;
  phrase = {};
  headers.clear();
  framing = {};
  content_length.reset();
  keep_alive = true;
  keep_alive_seconds = 0;
  bytes.clear();
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

bool list_contains(std::string_view list, std::string_view token) {
  bool found = false;
  for_each_member(list, [&](std::string_view member) { found = found || equal_ignoring_case(member, token); });
  return found;
}

}  // namespace hybridge::http
