// The handshake of RFC 6455 4, for WebSockets that come by HTTP/2 (RFC 8441), whose clients take no part in it.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace hybridge::http {

// A Sec-WebSocket-Key of our own: 16 random bytes, in base64.
std::string make_websocket_key();

// The Sec-WebSocket-Accept that proves that a server has understood the key.
std::string websocket_accept(std::string_view key);
// Does the 101 have the one that belongs to the request's Sec-WebSocket-Key?
bool is_websocket_accepted(const RequestHead& request, const ResponseHead& response);

}  // namespace hybridge::http
