// HTTP/2 as a test writes and reads it: frames as bytes, header blocks without compression out, decoded in.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hybridge::test::http2 {

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Type : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
  kPriorityUpdate = 16,
};
enum Flag : std::uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8 };

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string big_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
  return text;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string bytes = big_endian(static_cast<std::uint32_t>(payload.size()), 3);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  bytes += big_endian(stream, 4);
  return bytes.append(payload);
}

// RFC 7541 5.1 with a prefix of 7 bits, and 6.2.2 with a new name: nothing enters the table.
inline std::string hpack_string(std::string_view text) {
  std::string bytes;
  auto size = text.size();
  if (size < 127) {
    bytes += static_cast<char>(size);
  } else {
    bytes += '\x7f';
    for (size -= 127; size >= 128; size >>= 7) bytes += static_cast<char>(0x80 | (size & 0x7f));
    bytes += static_cast<char>(size);
  }
  return bytes.append(text);
}
inline std::string block(const Fields& fields) {
  std::string bytes;
  for (const auto& [name, value] : fields) bytes += '\0' + hpack_string(name) + hpack_string(value);
  return bytes;
}

inline std::string field_of(const Fields& fields, std::string_view name) {  // the first; "": none
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return {};
}

inline Fields request(std::string method = "GET", std::string path = "/", Fields more = {}) {
  Fields fields{
      {":method", std::move(method)}, {":scheme", "https"}, {":authority", "a.test"}, {":path", std::move(path)}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

inline std::string headers(std::uint32_t stream, const Fields& fields, bool ends = true) {
  return frame(kHeaders, static_cast<std::uint8_t>(kEndHeaders | (ends ? kEndStream : 0)), stream, block(fields));
}
inline std::string data(std::uint32_t stream, std::string_view body, bool ends = true) {
  return frame(kData, ends ? kEndStream : 0, stream, body);
}
inline std::string settings(std::initializer_list<std::pair<std::uint16_t, std::uint32_t>> values = {}) {
  std::string payload;
  for (const auto& [id, value] : values) payload += big_endian(id, 2) + big_endian(value, 4);
  return frame(kSettings, 0, 0, payload);
}
inline std::string greeting() {
  return std::string(kPreface) + settings();
}
inline std::string rst_stream(std::uint32_t stream, std::uint32_t code = NGHTTP2_CANCEL) {
  return frame(kRstStream, 0, stream, big_endian(code, 4));
}
inline std::string window_update(std::uint32_t stream, std::uint32_t by) {
  return frame(kWindowUpdate, 0, stream, big_endian(by, 4));
}
inline std::string ping(bool ack = false) {
  return frame(kPing, ack ? kAck : 0, 0, "12345678");
}

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
  Fields fields;  // of HEADERS

  bool ends_stream() const { return (type == kData || type == kHeaders) && (flags & kEndStream) != 0; }
  std::uint32_t number(std::size_t at = 0) const {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4 && i < payload.size(); ++i) value = value << 8 | std::uint8_t(payload[i]);
    return value;
  }
  std::string field(std::string_view name) const { return field_of(fields, name); }
};

// The frames of a connection's bytes, in order; header blocks decoded as the peer's table has it.
class FrameReader {
 public:
  FrameReader() { nghttp2_hd_inflate_new(&inflater_); }
  ~FrameReader() { nghttp2_hd_inflate_del(inflater_); }
  FrameReader(const FrameReader&) = delete;

  void add(std::string_view bytes) { bytes_.append(bytes); }

  // False: not whole yet.
  bool next(Frame& frame) {
    if (bytes_.size() < 9) return false;
    const auto byte = [this](std::size_t at) { return std::uint32_t(std::uint8_t(bytes_[at])); };
    const auto size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes_.size() < 9 + size) return false;
    frame = {.type = std::uint8_t(byte(3)),
             .flags = std::uint8_t(byte(4)),
             .stream = (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7fffffff,
             .payload = bytes_.substr(9, size),
             .fields = {}};
    bytes_.erase(0, 9 + size);
    if (frame.type == kHeaders) inflate(frame);
    return true;
  }
  std::vector<Frame> all() {
    std::vector<Frame> frames;
    for (Frame frame; next(frame);) frames.push_back(frame);
    return frames;
  }

 private:
  void inflate(Frame& frame) {
    auto* at = reinterpret_cast<const std::uint8_t*>(frame.payload.data());
    auto left = frame.payload.size();
    for (;;) {
      nghttp2_nv field;
      int flags = 0;
      const auto used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
      if (used < 0) return;
      at += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        frame.fields.emplace_back(std::string(reinterpret_cast<char*>(field.name), field.namelen),
                                  std::string(reinterpret_cast<char*>(field.value), field.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  std::string bytes_;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace hybridge::test::http2
