// Takes the content coding off a small body that we want to read ourselves: gzip and deflate (RFC 9110 8.4.1).
//
// Bytes in, bytes out, never more than asked for: a body that would grow beyond the limit is not decoded at all.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hybridge::http {

// `coding`: the value of Content-Encoding, as sent; "": none. Nothing: a coding (or a list of them) that is not ours to
// read, a broken or incomplete body, or one of more than `limit` bytes. A `deflate` is read with zlib's wrapping and,
// as some servers send it, without.
std::optional<std::string> decode_content(std::string_view coding, std::string_view body, std::size_t limit);

}  // namespace hybridge::http
