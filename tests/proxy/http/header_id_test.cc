#include "proxy/http/header_id.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>
#include <utility>

namespace hybridge::http {
namespace {

const std::pair<std::string_view, HeaderId> kNames[] = {
    {"Accept", HeaderId::kAccept},
    {"Accept-Encoding", HeaderId::kAcceptEncoding},
    {"Access-Control-Allow-Credentials", HeaderId::kAccessControlAllowCredentials},
    {"Access-Control-Allow-Headers", HeaderId::kAccessControlAllowHeaders},
    {"Access-Control-Allow-Methods", HeaderId::kAccessControlAllowMethods},
    {"Access-Control-Allow-Origin", HeaderId::kAccessControlAllowOrigin},
    {"Authorization", HeaderId::kAuthorization},
    {"CF-Connecting-IP", HeaderId::kCfConnectingIp},
    {"Connection", HeaderId::kConnection},
    {"Content-Encoding", HeaderId::kContentEncoding},
    {"Content-Length", HeaderId::kContentLength},
    {"Content-Type", HeaderId::kContentType},
    {"Cookie", HeaderId::kCookie},
    {"Date", HeaderId::kDate},
    {"Expect", HeaderId::kExpect},
    {"Forwarded", HeaderId::kForwarded},
    {"Host", HeaderId::kHost},
    {"If-Match", HeaderId::kIfMatch},
    {"Keep-Alive", HeaderId::kKeepAlive},
    {"Proxy-Authenticate", HeaderId::kProxyAuthenticate},
    {"Proxy-Authorization", HeaderId::kProxyAuthorization},
    {"Proxy-Connection", HeaderId::kProxyConnection},
    {"Proxy-Anything", HeaderId::kProxyOther},
    {"Referer", HeaderId::kReferer},
    {"Referrer-Policy", HeaderId::kReferrerPolicy},
    {"Server", HeaderId::kServer},
    {"Strict-Transport-Security", HeaderId::kStrictTransportSecurity},
    {"TE", HeaderId::kTe},
    {"traceparent", HeaderId::kTraceparent},
    {"Trailer", HeaderId::kTrailer},
    {"Transfer-Encoding", HeaderId::kTransferEncoding},
    {"Upgrade", HeaderId::kUpgrade},
    {"User-Agent", HeaderId::kUserAgent},
    {"X-Accel-Redirect", HeaderId::kXAccel},
    {"X-Client-Port", HeaderId::kXClientPort},
    {"X-Content-Type-Options", HeaderId::kXContentTypeOptions},
    {"X-Forwarded-Proto", HeaderId::kXForwarded},
    {"X-Forwarded-For", HeaderId::kXForwardedFor},
    {"X-Forwarded-Host", HeaderId::kXForwardedHost},
    {"X-Frame-Options", HeaderId::kXFrameOptions},
    {"X-Frappe-Site-Name", HeaderId::kXFrappeSiteName},
    {"X-Hybridge-Reason", HeaderId::kXHybridge},
    {"X-Proxy-Upstream", HeaderId::kXProxyUpstream},
    {"X-Real-IP", HeaderId::kXRealIp},
    {"X-Request-ID", HeaderId::kXRequestId},
    {"X-XSS-Protection", HeaderId::kXXssProtection},
    {"Sec-WebSocket-Key", HeaderId::kSecWebsocketKey},
    {"Sec-WebSocket-Version", HeaderId::kSecWebsocketVersion},
};

std::string changed(std::string_view text, int (*change)(int)) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(change(static_cast<unsigned char>(c)));
  return out;
}

TEST(HeaderId, KnowsEveryNameInAnyCase) {
  std::set<HeaderId> seen;
  for (const auto& [name, id] : kNames) {
    EXPECT_EQ(to_header_id(name), id) << name;
    EXPECT_EQ(to_header_id(changed(name, std::tolower)), id) << name;
    EXPECT_EQ(to_header_id(changed(name, std::toupper)), id) << name;
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(HeaderId::kOther)) << "a name is missing in the table above";
}

TEST(HeaderId, TakesNoNameForAnother) {
  for (const auto& [name, id] : kNames) {
    if (name == "X-Accel-Redirect" || name == "X-Hybridge-Reason" || name == "Proxy-Anything") continue;
    for (std::size_t at = 0; at < name.size(); ++at) {
      std::string other(name);
      other[at] = static_cast<char>(other[at] ^ 0x40);  // what a careless case fold would confuse
      if (name.starts_with("X-Forwarded-") && at >= 12) continue;
      if (name.starts_with("Proxy-") && at >= 6) continue;
      EXPECT_EQ(to_header_id(other), HeaderId::kOther) << other;
    }
  }
  for (const std::string_view name : {"", "X", "Hos", "Hosts", "Content-Lengt", "Content-Length2", "Content_Length",
                                      "X-Forwarded", "X-Accel", "X-Accelerate", "Prox", "Proxied", "Proxy_X"}) {
    EXPECT_EQ(to_header_id(name), HeaderId::kOther) << name;
  }
  EXPECT_EQ(to_header_id(std::string_view("content\rlength")), HeaderId::kOther);
}

TEST(HeaderId, KnowsFamilies) {
  EXPECT_EQ(to_header_id("Proxy"), HeaderId::kProxyOther);  // HTTP_PROXY of a CGI program
  EXPECT_EQ(to_header_id("x-accel-x"), HeaderId::kXAccel);
  EXPECT_EQ(to_header_id("X-FORWARDED-PREFIX"), HeaderId::kXForwarded);
  EXPECT_EQ(to_header_id("x-hybridge-hold"), HeaderId::kXHybridge);
}

TEST(HeaderId, HasALowerCaseNameWhereItStandsForOne) {
  const std::set several{HeaderId::kProxyOther, HeaderId::kXAccel, HeaderId::kXForwarded, HeaderId::kXHybridge};
  for (const auto& [name, id] : kNames) {
    EXPECT_EQ(lower_case_name(id), several.contains(id) ? "" : changed(name, std::tolower)) << name;
  }
  EXPECT_EQ(lower_case_name(HeaderId::kOther), "");
}

}  // namespace
}  // namespace hybridge::http
