#include "proxy/http/websocket_frames.h"

#include <gtest/gtest.h>

#include <string>

namespace hybridge::http {
namespace {

std::string frame(std::size_t payload, bool masked = false) {
  std::string bytes = "\x82";
  const char mask = masked ? '\x80' : '\0';
  if (payload < 126) {
    bytes += static_cast<char>(static_cast<char>(payload) | mask);
  } else if (payload < 65536) {
    bytes += static_cast<char>(126 | mask);
    bytes += static_cast<char>(payload >> 8);
    bytes += static_cast<char>(payload & 0xff);
  } else {
    bytes += static_cast<char>(127 | mask);
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(payload >> shift & 0xff);
  }
  if (masked) bytes += "mask";
  return bytes + std::string(payload, 'x');
}

class Sizes : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(WebSocketFrames, Sizes, testing::Values(0, 1, 125, 126, 127, 65535, 65536, 70000));

TEST_P(Sizes, EndWhereTheyEnd) {
  for (const bool masked : {false, true}) {
    const auto bytes = frame(GetParam(), masked);
    WebSocketFrames whole;
    whole.feed(as_bytes(bytes));
    EXPECT_TRUE(whole.is_between());
    WebSocketFrames cut;
    cut.feed(as_bytes(bytes.substr(0, bytes.size() - 1)));
    EXPECT_FALSE(cut.is_between());
    EXPECT_EQ(cut.rest_of_frame(as_bytes(bytes.substr(bytes.size() - 1) + "next")), 1u);
  }
}

TEST_P(Sizes, EndThereAlsoWhenTheyComeInPieces) {
  const auto bytes = frame(GetParam()) + frame(3);
  WebSocketFrames frames;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    EXPECT_EQ(frames.is_between(), at == 0 || at == bytes.size() - 5) << at;
    frames.feed(as_bytes(std::string_view(bytes).substr(at, 1)));
  }
  EXPECT_TRUE(frames.is_between());
}

TEST(WebSocketFrames, BeginBetweenTwoOfThem) {
  const WebSocketFrames frames;
  EXPECT_TRUE(frames.is_between());
  EXPECT_EQ(frames.rest_of_frame(as_bytes(frame(5))), 0u);
}

TEST(WebSocketFrames, AreOfTheWholeRangeOfLengths) {
  WebSocketFrames frames;
  frames.feed(as_bytes(std::string_view("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10)));
  EXPECT_FALSE(frames.is_between());
  const std::string piece(1000, 'x');
  EXPECT_EQ(frames.rest_of_frame(as_bytes(piece)), piece.size());
}

}  // namespace
}  // namespace hybridge::http
