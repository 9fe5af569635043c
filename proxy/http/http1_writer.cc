#include "proxy/http/http1_writer.h"

#include <charconv>

#include "proxy/http/append.h"

namespace hybridge::http {

namespace {

void put_connection(Appender& out, const ResponseHead& head, const ConnectionFacts& facts) {
  const int status = head.status;
  if (status == 101) {
    // Of the protocols that were asked for, the upstream says which it took.
    const auto* chosen = head.headers.find(HeaderId::kUpgrade);
    out.put_field("Connection", "upgrade");
    out.put_field("Upgrade", chosen ? chosen->value : facts.upgrade);
    return;
  }
  if (status < 200) return;
  if (!facts.keep_alive || facts.framing.kind == Framing::Kind::kUntilClose) {
    out.put("Connection: close\r\n");
  } else if (facts.is_http10) {
    out.put("Connection: keep-alive\r\n");
  }
}

void put_framing(Appender& out, int status, const ConnectionFacts& facts) {
  if (!facts.has_framing_header || status < 200 || status == 204) return;
  switch (facts.framing.kind) {
    case Framing::Kind::kNone:
      // A 304 speaks of a representation that it does not carry: 0 would be a statement about that one.
      if (status != 304) out.put("Content-Length: 0\r\n");
      break;
    case Framing::Kind::kLength:
      out.put("Content-Length: ");
      out.put_number(facts.framing.length);
      out.put("\r\n");
      break;
    case Framing::Kind::kChunked:
      out.put("Transfer-Encoding: chunked\r\n");
      break;
    case Framing::Kind::kUntilClose:
      break;
  }
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head, const ConnectionFacts& facts) {
  constexpr std::size_t kOwnBytes = 160;  // status line, Connection, Upgrade and framing without their variable parts
  const auto phrase = head.phrase.empty() ? status_phrase(head.status) : head.phrase;
  std::size_t bytes = kOwnBytes + phrase.size() + facts.upgrade.size();
  for (const auto& header : head.headers) bytes += Appender::field_bytes(header.name, header.value);

  Appender appender(out, bytes);
  appender.put("HTTP/1.1 ");
  appender.put_number(static_cast<std::uint64_t>(head.status));
  appender.put(" ");
  appender.put(phrase);
  appender.put("\r\n");
  for (const auto& header : head.headers) {
    if (!is_connections_own(header.id)) appender.put_field(header.name, header.value);
  }
  put_connection(appender, head, facts);
  put_framing(appender, head.status, facts);
  appender.put("\r\n");
}

void append_chunk_begin(std::string& out, std::uint64_t bytes) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, bytes, 16).ptr;
  out.append(digits, end);
  out += "\r\n";
}

void append_last_chunk(std::string& out, const Headers& trailers) {
  std::size_t bytes = kLastChunk.size();
  for (const auto& field : trailers) bytes += Appender::field_bytes(field.name, field.value);
  Appender appender(out, bytes);
  appender.put("0\r\n");
  for (const auto& field : trailers) appender.put_field(field.name, field.value);
  appender.put("\r\n");
}

}  // namespace hybridge::http
