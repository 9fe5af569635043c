#include "proxy/http/body_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/proxy/http/heads.h"

namespace hybridge::http {
namespace {

using namespace std::string_literals;
using Kind = Framing::Kind;

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool is_done = false;
  bool is_complete_at_close = false;
  Reason reason = Reason::kOk;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode_in_pieces(const Framing& framing, std::string_view bytes, std::size_t piece) {
  BodyDecoder decoder;
  decoder.start(framing);
  Decoded decoded;
  for (std::size_t begin = 0; begin < bytes.size() && !decoder.is_done();) {
    auto input = bytes.substr(begin, piece);
    while (!input.empty() && !decoder.is_done()) {
      auto step = decoder.next(input);
      if (!step) {
        decoded.reason = test::reason_of(step);
        return decoded;
      }
      if (step->consumed == 0 && step->data.empty()) break;
      decoded.body += step->data;
      decoded.consumed += step->consumed;
      input.remove_prefix(step->consumed);
    }
    begin = decoded.consumed;
    if (!input.empty() && !decoder.is_done()) {
      ADD_FAILURE() << "input was left over though the body goes on";
      break;
    }
  }
  decoded.is_done = decoder.is_done();
  decoded.is_complete_at_close = decoder.is_complete_at_close();
  return decoded;
}

Decoded decode(const Framing& framing, std::string_view bytes) {
  auto whole = decode_in_pieces(framing, bytes, bytes.size() + 1);
  for (const std::size_t piece : {1u, 2u, 3u, 17u}) {
    const auto again = decode_in_pieces(framing, bytes, piece);
    // How much came out before an error depends on the pieces; the error does not.
    if (whole.reason == Reason::kOk) {
      EXPECT_TRUE(again == whole) << "in pieces of " << piece;
    } else {
      EXPECT_EQ(again.reason, whole.reason) << "in pieces of " << piece;
    }
  }
  return whole;
}

constexpr Framing kChunked{Kind::kChunked, 0};

TEST(BodyDecoder, HasNothingToDoWithoutABody) {
  for (const Framing framing : {Framing{}, Framing{Kind::kLength, 0}}) {
    const auto decoded = decode(framing, "next");
    EXPECT_TRUE(decoded.is_done);
    EXPECT_TRUE(decoded.is_complete_at_close);
    EXPECT_EQ(decoded.consumed, 0u);
  }
}

TEST(BodyDecoder, StopsAtTheLength) {
  const auto decoded = decode({Kind::kLength, 5}, "helloNEXT");
  EXPECT_EQ(decoded.body, "hello");
  EXPECT_EQ(decoded.consumed, 5u);
  EXPECT_TRUE(decoded.is_done);
}

TEST(BodyDecoder, KnowsAShortBodyAtClose) {
  const auto decoded = decode({Kind::kLength, 5}, "hell");
  EXPECT_EQ(decoded.body, "hell");
  EXPECT_FALSE(decoded.is_done);
  EXPECT_FALSE(decoded.is_complete_at_close);
}

TEST(BodyDecoder, TakesEverythingUntilClose) {
  const auto decoded = decode({Kind::kUntilClose, 0}, "0\r\n\r\nanything");
  EXPECT_EQ(decoded.body, "0\r\n\r\nanything");
  EXPECT_FALSE(decoded.is_done);
  EXPECT_TRUE(decoded.is_complete_at_close);
}

TEST(BodyDecoder, HandsOutViewsOfTheInput) {
  BodyDecoder decoder;
  decoder.start(kChunked);
  const std::string_view input = "5\r\nhello\r\n0\r\n\r\n";
  const auto step = decoder.next(input);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->data.data(), input.data() + 3);
  EXPECT_EQ(step->consumed, 8u);
}

TEST(BodyDecoder, AsksForMoreByTakingNothing) {
  BodyDecoder decoder;
  decoder.start(kChunked);
  const auto step = decoder.next("");
  ASSERT_TRUE(step);
  EXPECT_EQ(step->consumed, 0u);
  EXPECT_FALSE(decoder.is_done());
}

TEST(BodyDecoder, CarriesLengthsBeyondFourGibibytes) {
  BodyDecoder decoder;
  decoder.start({Kind::kLength, 5'000'000'000});
  const std::string block(1'000'000, 'x');
  std::uint64_t total = 0;
  while (!decoder.is_done()) total += decoder.next(block)->data.size();
  EXPECT_EQ(total, 5'000'000'000u);
}

struct Good {
  const char* name;
  std::string bytes;
  std::string body;
};
class GoodChunks : public testing::TestWithParam<Good> {};

TEST_P(GoodChunks, AreDecodedToTheirEnd) {
  const auto decoded = decode(kChunked, GetParam().bytes + "GET /next");
  EXPECT_EQ(decoded.reason, Reason::kOk);
  EXPECT_EQ(decoded.body, GetParam().body);
  EXPECT_TRUE(decoded.is_done);
  EXPECT_EQ(decoded.consumed, GetParam().bytes.size());
}

TEST_P(GoodChunks, AreNotCompleteBeforeTheirEnd) {
  for (std::size_t n = 0; n < GetParam().bytes.size(); ++n) {
    const auto decoded = decode_in_pieces(kChunked, std::string_view(GetParam().bytes).substr(0, n), 1);
    EXPECT_EQ(decoded.reason, Reason::kOk) << n;
    EXPECT_FALSE(decoded.is_complete_at_close) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, GoodChunks,
    testing::Values(Good{"Empty", "0\r\n\r\n", ""}, Good{"One", "5\r\nhello\r\n0\r\n\r\n", "hello"},
                    Good{"Two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
                    Good{"HexLower", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
                    Good{"HexUpper", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
                    Good{"TwoDigits", "1f\r\n" + std::string(31, 'x') + "\r\n0\r\n\r\n", std::string(31, 'x')},
                    Good{"LeadingZeros", "0000000000000005\r\nhello\r\n00\r\n\r\n", "hello"},
                    Good{"DataLikeFraming", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"},
                    Good{"ExtensionName", "1;a\r\nx\r\n0\r\n\r\n", "x"},
                    Good{"ExtensionValue", "1;a=b\r\nx\r\n0;c=d\r\n\r\n", "x"},
                    Good{"ExtensionQuoted", "1;a=\"b; c=,\t\"\r\nx\r\n0\r\n\r\n", "x"},
                    Good{"ExtensionQuotedEmpty", "1;a=\"\"\r\nx\r\n0\r\n\r\n", "x"},
                    Good{"ExtensionsMany", "1;a;b=c;d=\"e\";f\r\nx\r\n0\r\n\r\n", "x"},
                    Good{"ExtensionLongest", "1;" + std::string(254, 'a') + "\r\nx\r\n0\r\n\r\n", "x"},
                    Good{"Trailers", "1\r\nx\r\n0\r\nA: b\r\nC:d\r\nE:\r\n\r\n", "x"},
                    Good{"TrailerOfFraming", "0\r\nContent-Length: 5\r\n\r\n", ""}),
    test::case_name<testing::TestParamInfo<Good>>);

TEST(BodyDecoder, KeepsTheTrailerSectionForWhoWantsIt) {
  std::string trailers;
  BodyDecoder decoder;
  decoder.start({Framing::Kind::kChunked}, &trailers);
  for (const char c : std::string_view("1;a\r\nx\r\n0\r\nA: b\r\nC:d\r\n\r\n")) ASSERT_TRUE(decoder.next({&c, 1}));
  EXPECT_TRUE(decoder.is_done());
  EXPECT_EQ(trailers, "A: b\r\nC:d\r\n\r\n");
}

struct Bad {
  const char* name;
  std::string bytes;
};
class BadChunks : public testing::TestWithParam<Bad> {};

TEST_P(BadChunks, AreRefused) {
  EXPECT_EQ(decode(kChunked, GetParam().bytes).reason, Reason::kBadChunk);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadChunks,
    testing::Values(
        Bad{"SizeMissing", "\r\nhello"}, Bad{"SizeSpaceBefore", " 5\r\nhello"}, Bad{"SizeSpaceAfter", "5 \r\nhello"},
        Bad{"SizeTabAfter", "5\t\r\nhello"}, Bad{"SizePlus", "+5\r\nhello"}, Bad{"SizeMinus", "-5\r\nhello"},
        Bad{"SizeHexPrefix", "0x5\r\nhello"}, Bad{"SizeUnderscore", "1_0\r\nhello"}, Bad{"SizeLetter", "g\r\n"},
        Bad{"SizeSeventeenDigits", "00000000000000005\r\nhello"}, Bad{"SizeOverflow", "10000000000000000\r\nx"},
        Bad{"SizeAbove63Bits", "8000000000000000\r\nx"}, Bad{"SizeAllOnes", "ffffffffffffffff\r\nx"},
        Bad{"SizeNul", "5\0\r\nhello"s}, Bad{"SizeComma", "5,5\r\nhello"}, Bad{"SizeDot", "5.0\r\nhello"},
        Bad{"SizeBareLf", "5\nhello\r\n0\r\n\r\n"}, Bad{"SizeBareCr", "5\rhello"}, Bad{"SizeTwoCrs", "5\r\r\nhello"},
        Bad{"DataTooLong", "5\r\nhello!\r\n0\r\n\r\n"}, Bad{"DataTooShort", "5\r\nhell\r\n0\r\n\r\n"},
        Bad{"DataEndsBareLf", "5\r\nhello\n0\r\n\r\n"}, Bad{"DataEndsBareCr", "5\r\nhello\r0\r\n\r\n"},
        Bad{"DataEndsLfCr", "5\r\nhello\n\r0\r\n\r\n"}, Bad{"ExtensionSpaceBefore", "5 ;a\r\nhello"},
        Bad{"ExtensionSpaceAfter", "5; a\r\nhello"}, Bad{"ExtensionEmpty", "5;\r\nhello"},
        Bad{"ExtensionEmptyBetween", "5;;a\r\nhello"}, Bad{"ExtensionNoName", "5;=a\r\nhello"},
        Bad{"ExtensionNoValue", "5;a=\r\nhello"}, Bad{"ExtensionTwoEquals", "5;a==b\r\nhello"},
        Bad{"ExtensionSpacedEquals", "5;a =b\r\nhello"}, Bad{"ExtensionBareLf", "5;a\nhello"},
        Bad{"ExtensionBareCr", "5;a\rhello"}, Bad{"ExtensionLfInQuotes", "5;a=\"\n\"\r\nhello"},
        Bad{"ExtensionCrLfInQuotes", "5;a=\"\r\n\"\r\nhello"}, Bad{"ExtensionNul", "5;a\0\r\nhello"s},
        Bad{"ExtensionNulInQuotes", "5;a=\"\0\"\r\nhello"s}, Bad{"ExtensionQuotedPair", "5;a=\"\\\"\"\r\nhello"},
        Bad{"ExtensionAfterQuotes", "5;a=\"b\"c\r\nhello"}, Bad{"ExtensionHighByte", "5;a=\xc3\xa4\r\nhello"},
        Bad{"ExtensionTooLong", "5;" + std::string(300, 'a')}, Bad{"TrailerNoColon", "0\r\nA\r\n\r\n"},
        Bad{"TrailerEmptyName", "0\r\n: b\r\n\r\n"}, Bad{"TrailerSpaceBeforeColon", "0\r\nA : b\r\n\r\n"},
        Bad{"TrailerFolded", "0\r\nA: b\r\n c\r\n\r\n"}, Bad{"TrailerBareLf", "0\r\nA: b\n\r\n"},
        Bad{"TrailerBareCr", "0\r\nA: b\rC: d\r\n\r\n"}, Bad{"TrailerNul", "0\r\nA: \0\r\n\r\n"s},
        Bad{"TrailersTooLong", "0\r\nA: " + std::string(8200, 'b')}, Bad{"EndBareLf", "0\r\n\n"},
        Bad{"EndBareCr", "0\r\n\rX"}, Bad{"EndDirectRequest", "0\r\nGET / HTTP/1.1\r\n"}),
    test::case_name<testing::TestParamInfo<Bad>>);

TEST(BodyDecoder, BoundsTheExtensionsOfABody) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "1;" + std::string(200, 'a') + "\r\nx\r\n";
  EXPECT_EQ(decode(kChunked, bytes).reason, Reason::kBadChunk);
  EXPECT_EQ(decode(kChunked, bytes.substr(0, bytes.size() / 2)).reason, Reason::kOk);
}

TEST(BodyDecoder, StartsAnew) {
  BodyDecoder decoder;
  decoder.start(kChunked);
  ASSERT_TRUE(decoder.next("5;a=b\r\nhel"));
  decoder.start({Kind::kLength, 2});
  EXPECT_EQ(decoder.next("okay")->data, "ok");
  EXPECT_TRUE(decoder.is_done());
}

}  // namespace
}  // namespace hybridge::http
