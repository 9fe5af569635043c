// What holds for any request, by whichever protocol it came: method, target, Host. Strict: what two readers could
// take two ways is refused. The HTTP/1 parser calls these; HTTP/2 calls them with its pseudo-header fields.
#pragma once

#include <string_view>

#include "base/error.h"
#include "proxy/http/message.h"

namespace hybridge::http {

// kBadRequestLine: no token (RFC 9110 5.6.2) or longer than 64 bytes. kMethodNotAllowed: CONNECT, TRACE.
Result<void> check_method(std::string_view name, Method method);

// `target` in origin-form, or `*` with OPTIONS (RFC 9112 3.2). kBadTarget: a byte that may not stand in a target, an
// escape in the path that is none (%zz) or is %00, or a path that climbs above its root (/../x, also when escaped,
// and with repeated slashes taken as one). The target itself is never rewritten.
Result<void> check_target(std::string_view target, Method method);

// host [":" port] (RFC 9110 7.2), as views into the text.
struct Authority {
  std::string_view host;   // as sent, without a trailing dot, IPv6 in brackets
  std::uint16_t port = 0;  // 0: not said
};
// kBadHost: empty, user information, a host that is neither a name (letters, digits, hyphen, underscore; no empty
// label; at most 253 bytes) nor [IPv6], a port that is not 1..65535 written plainly.
Result<Authority> parse_authority(std::string_view text);

// Checks and fills head.authority, head.host.
Result<void> set_authority(RequestHead& head, std::string_view text);

// Do both name the same host and port (the scheme's where none is said)? kBadHost: one of them is malformed.
Result<bool> is_same_authority(std::string_view one, std::string_view other, bool is_https);

// Fills head.expects_continue; the framing is known. kExpectationFailed: another expectation than 100-continue.
Result<void> check_expect(RequestHead& head);

}  // namespace hybridge::http
