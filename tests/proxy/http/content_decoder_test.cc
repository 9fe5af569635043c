#include "proxy/http/content_decoder.h"

#include <gtest/gtest.h>

#include "tests/support/deflated.h"

namespace hybridge::http {
namespace {

using test::deflated;
using test::Wrapping;

constexpr std::size_t kLimit = 1'024;

TEST(ContentDecoder, TakesWhatIsNotEncodedAsItIs) {
  EXPECT_EQ(decode_content("", "plain", kLimit), "plain");
  EXPECT_EQ(decode_content("identity", "plain", kLimit), "plain");
  EXPECT_EQ(decode_content("", "", kLimit), "");
}

TEST(ContentDecoder, ReadsGzipUnderBothOfItsNames) {
  EXPECT_EQ(decode_content("gzip", deflated("hello hello hello", Wrapping::kGzip), kLimit), "hello hello hello");
  EXPECT_EQ(decode_content("X-GZip", deflated("hello", Wrapping::kGzip), kLimit), "hello");
}

TEST(ContentDecoder, ReadsDeflateWrappedAndBare) {
  EXPECT_EQ(decode_content("deflate", deflated("hello", Wrapping::kZlib), kLimit), "hello");
  EXPECT_EQ(decode_content("deflate", deflated("hello", Wrapping::kBare), kLimit), "hello");
}

TEST(ContentDecoder, LeavesWhatItDoesNotKnow) {
  EXPECT_FALSE(decode_content("br", "hello", kLimit));
  EXPECT_FALSE(decode_content("gzip, gzip", deflated("hello", Wrapping::kGzip), kLimit));
  EXPECT_FALSE(decode_content("gzip", "hello", kLimit));
  EXPECT_FALSE(decode_content("gzip", "", kLimit));
}

TEST(ContentDecoder, RefusesABodyThatIsCutAnywhere) {
  const auto whole = deflated("hello hello hello", Wrapping::kGzip);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(decode_content("gzip", whole.substr(0, bytes), kLimit)) << bytes;
  }
}

TEST(ContentDecoder, RefusesWhatComesBehindTheEnd) {
  const auto whole = deflated("hello", Wrapping::kGzip);
  EXPECT_FALSE(decode_content("gzip", whole + whole, kLimit));
  EXPECT_FALSE(decode_content("gzip", whole + "x", kLimit));
}

TEST(ContentDecoder, RefusesWhatGrowsBeyondTheLimit) {
  EXPECT_EQ(decode_content("gzip", deflated(std::string(kLimit, 'x'), Wrapping::kGzip), kLimit)->size(), kLimit);
  EXPECT_FALSE(decode_content("gzip", deflated(std::string(kLimit + 1, 'x'), Wrapping::kGzip), kLimit));
  // A bomb: a thousand times its size.
  EXPECT_FALSE(decode_content("gzip", deflated(std::string(kLimit * 1'000, 'x'), Wrapping::kGzip), kLimit));
  EXPECT_FALSE(decode_content("", std::string(kLimit + 1, 'x'), kLimit));
}

}  // namespace
}  // namespace hybridge::http
