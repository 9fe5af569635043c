#include "proxy/http/forwarded.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "proxy/http/append.h"
#include "proxy/http/characters.h"

namespace hybridge::http {

namespace {

using enum HeaderId;
static_assert(static_cast<std::size_t>(kCount_) <= 64);

// A set of header ids, one bit each.
struct IdSet {
  std::uint64_t bits = 0;
  constexpr bool has(HeaderId id) const { return (bits >> static_cast<unsigned>(id) & 1) != 0; }
  friend constexpr IdSet operator|(IdSet a, IdSet b) { return {a.bits | b.bits}; }
};
template <class... Ids>
constexpr IdSet set_of(Ids... ids) {
  return {((std::uint64_t{1} << static_cast<unsigned>(ids)) | ...)};
}

// RFC 9110 7.6.1, and what frames a message: the next connection has its own.
constexpr IdSet kHopByHop = set_of(kConnection, kKeepAlive, kProxyAuthenticate, kProxyAuthorization, kProxyConnection,
                                   kProxyOther, kTe, kTrailer, kTransferEncoding, kContentLength);

// What a client may not say of itself, what we say instead, and our own reserved names.
constexpr IdSet kNotFromClients =
    kHopByHop | set_of(kHost, kExpect, kUpgrade, kXRealIp, kXForwarded, kXForwardedFor, kXForwardedHost, kForwarded,
                       kCfConnectingIp, kXFrappeSiteName, kXClientPort, kXRequestId, kTraceparent, kXHybridge);

constexpr IdSet kNotFromUpstreams = kHopByHop | set_of(kServer, kXAccel, kXHybridge, kXRequestId, kXProxyUpstream);

constexpr IdSet kSecurity =
    set_of(kXFrameOptions, kXXssProtection, kXContentTypeOptions, kReferrerPolicy, kStrictTransportSecurity);

// RFC 9110 6.5.1: what must be known before the body, or be believed only there.
constexpr IdSet kNotInTrailers = kNotFromClients | kNotFromUpstreams | kSecurity |
                                 set_of(kAuthorization, kContentEncoding, kContentType, kCookie, kDate, kIfMatch);
constexpr std::string_view kNamesNotInTrailers =
    "accept-ranges, age, allow, alt-svc, authentication-info, cache-control, clear-site-data, expires, location, "
    "max-forwards, pragma, range, refresh, retry-after, set-cookie, vary, www-authenticate";
constexpr std::array<std::string_view, 3> kBeginningsNotInTrailers = {"access-control-", "content-", "if-"};

bool is_of_heads_alone(const Header& field) {
  if (kNotInTrailers.has(field.id)) return true;
  if (equal_ignoring_case(field.name, "content-digest")) return false;  // RFC 9530: made while the body is
  const auto is_beginning = [&](std::string_view text) {
    return equal_ignoring_case(field.name.substr(0, text.size()), text);
  };
  return list_contains(kNamesNotInTrailers, field.name) ||
         std::any_of(kBeginningsNotInTrailers.begin(), kBeginningsNotInTrailers.end(), is_beginning);
}

// Does a Connection field name more than the usual options, after which no field is called that would pass?
template <class Head>
bool names_fields(const Head& head) {
  if (!head.headers.has(kConnection)) return false;
  bool names = false;
  for (const auto& header : head.headers) {
    if (header.id != kConnection) continue;
    for_each_member(header.value, [&](std::string_view option) {
      names = names || !(equal_ignoring_case(option, "keep-alive") || equal_ignoring_case(option, "close") ||
                         equal_ignoring_case(option, "upgrade") || equal_ignoring_case(option, "te"));
    });
  }
  return names;
}

bool is_named_by_connection(const Headers& headers, std::string_view name) {
  for (const auto& header : headers) {
    if (header.id == kConnection && list_contains(header.value, name)) return true;
  }
  return false;
}

bool asks_for_trailers(const Header& field) {
  return field.id == kTe && list_contains(field.value, "trailers");
}

bool is_extra(std::span<const ExtraHeader> extra, std::string_view name) {
  return std::any_of(extra.begin(), extra.end(),
                     [name](const ExtraHeader& header) { return equal_ignoring_case(header.name, name); });
}

// Which of the client's fields pass.
class RequestFilter {
 public:
  RequestFilter(const RequestHead& head, std::span<const ExtraHeader> extra)
      : headers_(head.headers), extra_(extra), names_fields_(names_fields(head)) {}

  bool passes(const Header& header) const {
    if (kNotFromClients.has(header.id)) return false;
    // A name with an underscore reaches a CGI or WSGI application as the one with a hyphen: X_Real_IP would be
    // X-Real-IP there. Dropped like today, with every other odd character.
    if (header.id == kOther && !is_all(header.name, kPlainName)) return false;
    if (is_extra(extra_, header.name)) return false;
    return !names_fields_ || !is_named_by_connection(headers_, header.name);
  }

 private:
  const Headers& headers_;
  const std::span<const ExtraHeader> extra_;
  const bool names_fields_;
};

void put_own(Appender& out, const RequestHead& head, const Forwarding& forwarding) {
  out.put_field("Host", forwarding.host.empty() ? head.host : forwarding.host);
  out.put_field("X-Real-IP", forwarding.client_address);
  out.put_field("X-Forwarded-For", forwarding.client_address);
  out.put("X-Client-Port: ");
  out.put_number(forwarding.client_port);
  out.put("\r\n");
  out.put_field("X-Forwarded-Proto", forwarding.scheme);
  out.put_field("X-Forwarded-Host", head.authority);
  if (!forwarding.request_id.empty()) out.put_field("X-Request-ID", forwarding.request_id);
  if (!forwarding.traceparent.empty()) out.put_field("traceparent", forwarding.traceparent);
  if (!head.upgrade.empty()) {
    out.put("Connection: upgrade\r\n");
    out.put_field("Upgrade", head.upgrade);
  }
  if (head.framing.kind == Framing::Kind::kLength) {
    out.put("Content-Length: ");
    out.put_number(head.framing.length);
    out.put("\r\n");
  } else if (head.framing.kind == Framing::Kind::kChunked) {
    out.put("Transfer-Encoding: chunked\r\n");
  }
  if (forwarding.send_expect && head.expects_continue) out.put("Expect: 100-continue\r\n");
}

void add_if_absent(Headers& headers, HeaderId id, std::string_view name, std::string_view value) {
  if (!headers.has(id)) headers.add({name, value, id});
}

}  // namespace

void append_upstream_request(std::string& out, const RequestHead& head, const Forwarding& forwarding) {
  constexpr std::size_t kOwnBytes = 360;  // request line and our fields without their variable parts
  const auto target = forwarding.target.empty() ? head.target : forwarding.target;
  std::size_t bytes = kOwnBytes + head.method_name.size() + target.size() + head.host.size() + forwarding.host.size() +
                      head.authority.size() + 2 * forwarding.client_address.size() + forwarding.scheme.size() +
                      forwarding.request_id.size() + forwarding.traceparent.size() + head.upgrade.size();
  for (const auto& header : head.headers) bytes += Appender::field_bytes(header.name, header.value);
  for (const auto& header : forwarding.extra) bytes += Appender::field_bytes(header.name, header.value);

  Appender appender(out, bytes);
  appender.put(head.method_name);
  appender.put(" ");
  appender.put(target);
  appender.put(" HTTP/1.1\r\n");
  put_own(appender, head, forwarding);
  for (const auto& header : forwarding.extra) appender.put_field(header.name, header.value);
  const RequestFilter filter(head, forwarding.extra);
  bool takes_trailers = false;
  for (const auto& header : head.headers) {
    if (filter.passes(header)) {
      appender.put_field(header.name, header.value);
    } else {
      takes_trailers = takes_trailers || asks_for_trailers(header);
    }
  }
  // RFC 9110 10.1.4: it is said for one connection at a time, so with an option of Connection, which upgrades have.
  if (takes_trailers && head.upgrade.empty() && head.version != Version::kHttp10) {
    appender.put("Connection: TE\r\nTE: trailers\r\n");
  }
  appender.put("\r\n");
}

void apply_response_rules(ResponseHead& head, const ResponseRules& rules, std::string_view date) {
  auto& headers = head.headers;
  // The Upgrade of a 101 stays, for the connection that will write it.
  const auto dropped = kNotFromUpstreams | (rules.security_headers ? kSecurity : IdSet{}) |
                       (head.status == 101 ? IdSet{} : set_of(kUpgrade));
  if (names_fields(head)) {
    headers.remove_if([all = headers](const Header& header) {
      return header.id != kConnection && header.id != kUpgrade && is_named_by_connection(all, header.name);
    });
  }
  headers.remove_if([dropped](const Header& header) { return dropped.has(header.id); });
  if (head.is_informational() && head.status != 101) return;  // the final response says the rest

  add_if_absent(headers, kDate, "Date", date);
  if (!rules.server_header.empty()) headers.add({"Server", rules.server_header, kServer});
  if (rules.security_headers) {
    headers.add({"X-Frame-Options", "SAMEORIGIN", kXFrameOptions});
    headers.add({"X-XSS-Protection", "1; mode=block", kXXssProtection});
    headers.add({"X-Content-Type-Options", "nosniff", kXContentTypeOptions});
    headers.add({"Referrer-Policy", "no-referrer-when-downgrade", kReferrerPolicy});
    headers.add(
        {"Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload", kStrictTransportSecurity});
  }
  if (!rules.proxy_upstream.empty()) headers.add({"X-Proxy-Upstream", rules.proxy_upstream, kXProxyUpstream});
  if (!rules.cors_origin.empty()) {
    add_if_absent(headers, kAccessControlAllowOrigin, "Access-Control-Allow-Origin", rules.cors_origin);
    add_if_absent(headers, kAccessControlAllowHeaders, "Access-Control-Allow-Headers", "Origin, Content-Type, Accept");
    add_if_absent(headers, kAccessControlAllowCredentials, "Access-Control-Allow-Credentials", "true");
    add_if_absent(headers, kAccessControlAllowMethods, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  }
  if (!rules.request_id.empty()) headers.add({"X-Request-ID", rules.request_id, kXRequestId});
  if (!rules.reason.empty()) headers.add({"X-Hybridge-Reason", rules.reason, kXHybridge});
  if (rules.extra.empty()) return;
  headers.remove_if([&rules](const Header& header) { return is_extra(rules.extra, header.name); });
  for (const auto& header : rules.extra) headers.add(header.name, header.value);
}

bool takes_trailers(const RequestHead& request) {
  if (request.version != Version::kHttp11) return request.version == Version::kHttp2;
  return std::any_of(request.headers.begin(), request.headers.end(), asks_for_trailers);
}

void apply_trailer_rules(Headers& trailers, const ResponseHead& head, std::span<const ExtraHeader> extra) {
  trailers.remove_if([&](const Header& field) {
    return is_of_heads_alone(field) || is_extra(extra, field.name) || is_named_by_connection(head.headers, field.name);
  });
}

std::string proxy_upstream_name(std::string_view server) {
  constexpr std::size_t kDigestBytes = 8;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned bytes = 0;
  if (EVP_Digest(server.data(), server.size(), digest.data(), &bytes, EVP_sha512(), nullptr) != 1) return {};
  std::string name = "http://";
  for (std::size_t i = 0; i < kDigestBytes; ++i) {
    name += "0123456789abcdef"[digest[i] >> 4];
    name += "0123456789abcdef"[digest[i] & 15];
  }
  return name;
}

}  // namespace hybridge::http
