// HTTP/1 heads and chunk frames as bytes. Appends to a string the caller owns and reuses.
#pragma once

#include <cstdint>
#include <string>

#include "proxy/http/message.h"

namespace hybridge::http {

// How the connection frames the body of this response, decided by the connection that writes it.
struct ConnectionFacts {
  Framing framing = {};            // kUntilClose: no framing header, the close ends it
  bool keep_alive = true;          // adds Connection: close, or for HTTP/1.0 keep-alive: Connection: keep-alive
  bool is_http10 = false;          // the client's version
  std::string_view upgrade = {};   // of a 101 whose head has no Upgrade field
  bool has_framing_header = true;  // false for 1xx, 204 (none may be sent) and where a HEAD's length is unknown
};

// Status line and end-to-end fields of `head` (its Connection, Keep-Alive, Upgrade, Transfer-Encoding and
// Content-Length are passed over; the Upgrade of a 101 is written), then the connection's own, then the empty line.
void append_response_head(std::string& out, const ResponseHead& head, const ConnectionFacts& facts);

void append_chunk_begin(std::string& out, std::uint64_t bytes);  // "400\r\n"
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
void append_last_chunk(std::string& out, const Headers& trailers);  // kLastChunk, with fields

}  // namespace hybridge::http
