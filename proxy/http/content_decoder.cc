#include "proxy/http/content_decoder.h"

#include <zlib.h>

#include "proxy/http/message.h"

namespace hybridge::http {

namespace {
// What inflateInit2 calls the kinds of wrapping.
constexpr int kZlib = MAX_WBITS;
constexpr int kGzip = MAX_WBITS + 16;
constexpr int kBare = -MAX_WBITS;

class Inflater {
 public:
  explicit Inflater(int wrapping) : is_open_(inflateInit2(&stream_, wrapping) == Z_OK) {}
  ~Inflater() {
    if (is_open_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;

  std::optional<std::string> inflate_all(std::string_view body, std::size_t limit) {
    if (!is_open_) return std::nullopt;
    // zlib's interface knows no const; it writes nothing there.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream_.avail_in = static_cast<uInt>(body.size());
    std::string plain(limit + 1, '\0');
    stream_.next_out = reinterpret_cast<Bytef*>(plain.data());
    stream_.avail_out = static_cast<uInt>(plain.size());
    // One call: there is room for all that is wanted. Bytes behind the end would be another member, or somebody's
    // trick.
    if (inflate(&stream_, Z_FINISH) != Z_STREAM_END || stream_.avail_in != 0) return std::nullopt;
    const auto bytes = plain.size() - stream_.avail_out;
    if (bytes > limit) return std::nullopt;
    plain.resize(bytes);
    return plain;
  }

 private:
  z_stream stream_{};
  const bool is_open_;
};

std::optional<std::string> inflate_as(int wrapping, std::string_view body, std::size_t limit) {
  return Inflater(wrapping).inflate_all(body, limit);
}
}  // namespace

std::optional<std::string> decode_content(std::string_view coding, std::string_view body, std::size_t limit) {
  if (body.size() > limit) return std::nullopt;
  if (coding.empty() || equal_ignoring_case(coding, "identity")) return std::string(body);
  // RFC 9110 8.4.1.3: x-gzip is the same as gzip.
  if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) {
    return inflate_as(kGzip, body, limit);
  }
  if (!equal_ignoring_case(coding, "deflate")) return std::nullopt;
  auto plain = inflate_as(kZlib, body, limit);
  return plain ? plain : inflate_as(kBare, body, limit);
}

}  // namespace hybridge::http
