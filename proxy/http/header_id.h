// Names of fields as numbers: found once while a head is parsed, compared by all rules after that. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace hybridge::http {

// Header names that some rule of ours speaks of; found once, while parsing.
enum class HeaderId : std::uint8_t {
  kAccept,
  kAcceptEncoding,
  kAccessControlAllowCredentials,
  kAccessControlAllowHeaders,
  kAccessControlAllowMethods,
  kAccessControlAllowOrigin,
  kAuthorization,
  kCfConnectingIp,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kIfMatch,
  kKeepAlive,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kProxyOther,  // any other Proxy-*, and `Proxy` itself
  kReferer,
  kReferrerPolicy,
  kServer,
  kStrictTransportSecurity,
  kTe,
  kTraceparent,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kXAccel,  // any X-Accel-*
  kXClientPort,
  kXContentTypeOptions,
  kXForwarded,  // any X-Forwarded-*, but the two below
  kXForwardedFor,
  kXForwardedHost,
  kXFrameOptions,
  kXFrappeSiteName,
  kXHybridge,  // any X-Hybridge-*
  kXProxyUpstream,
  kXRealIp,
  kXRequestId,
  kXXssProtection,
  kSecWebsocketKey,
  kSecWebsocketVersion,
  kOther,
  kCount_
};
HeaderId to_header_id(std::string_view name);  // case-blind
// What is written where names are in lower case (RFC 9113 8.2.1). Empty where an id stands for several names, or any.
std::string_view lower_case_name(HeaderId id);

// Fields that belong to the connection: each writes them from its own facts, never from a head, so that no answer can
// carry two framings.
constexpr bool is_connections_own(HeaderId id) {
  return id == HeaderId::kConnection || id == HeaderId::kContentLength || id == HeaderId::kTransferEncoding ||
         id == HeaderId::kKeepAlive || id == HeaderId::kProxyConnection || id == HeaderId::kUpgrade;
}

}  // namespace hybridge::http
