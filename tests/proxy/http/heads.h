// Heads for tests: each is scanned whole and in one-byte pieces, with the same verdict demanded, then parsed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "proxy/http/http1_parser.h"

namespace hybridge::http::test {

inline Result<std::size_t> scan_in_pieces(std::string_view bytes, const HeadLimits& limits, std::size_t piece = 1) {
  HeadScanner scanner;
  for (std::size_t n = std::min(piece, bytes.size());; n = std::min(n + piece, bytes.size())) {
    auto scanned = scanner.scan(bytes.substr(0, n), limits);
    if (!scanned || *scanned != 0 || n == bytes.size()) return scanned;
  }
}

// The scanner's verdict: the same however the bytes are cut.
inline Result<std::size_t> scan_every_way(std::string_view bytes, const HeadLimits& limits = {}) {
  auto whole = HeadScanner{}.scan(bytes, limits);
  for (const std::size_t piece : {1u, 2u, 7u}) {
    EXPECT_TRUE(scan_in_pieces(bytes, limits, piece) == whole) << "in pieces of " << piece;
  }
  return whole;
}

inline Reason reason_of(const auto& result) {
  if (result) return Reason::kOk;
  const std::string& detail = result.error().detail;
  EXPECT_FALSE(detail.empty()) << "an error says what is wrong";
  EXPECT_LT(detail.size(), 300u);
  EXPECT_TRUE(std::all_of(detail.begin(), detail.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) << detail;
  return result.error().reason;
}

// kOk, and `head` filled; or why it was refused. What the scanner refuses, the parser must refuse as well.
inline Reason parse(RequestHead& head, std::string_view bytes, const HeadLimits& limits = {}) {
  const auto scanned = scan_every_way(bytes, limits);
  if (!scanned) {
    EXPECT_FALSE(parse_request_head(head, bytes, limits)) << "the parser alone lets this pass";
    return reason_of(scanned);
  }
  EXPECT_EQ(*scanned, bytes.size()) << "a test's head ends where its bytes end";
  return reason_of(parse_request_head(head, bytes, limits));
}

inline Reason parse(ResponseHead& head, std::string_view bytes, Method method = Method::kGet,
                    const HeadLimits& limits = {}) {
  const auto scanned = scan_every_way(bytes, limits);
  if (!scanned) {
    EXPECT_FALSE(parse_response_head(head, bytes, method, limits)) << "the parser alone lets this pass";
    return as_upstream_fault(scanned.error()).reason;
  }
  EXPECT_EQ(*scanned, bytes.size()) << "a test's head ends where its bytes end";
  return reason_of(parse_response_head(head, bytes, method, limits));
}

// A name for a case that gtest accepts.
inline std::string case_name(const auto& parameter) {
  std::string name = parameter.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
}

}  // namespace hybridge::http::test

namespace hybridge {
inline void PrintTo(Reason reason, std::ostream* out) {
  *out << code(reason);
}
}  // namespace hybridge
