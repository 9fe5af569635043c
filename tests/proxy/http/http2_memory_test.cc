#include "proxy/http/http2_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

namespace hybridge::http {
namespace {

const nghttp2_mem& memory() {
  return *http2_memory();
}

TEST(Http2Memory, KeepsTheBytesOfABlockThatChangesItsSize) {
  auto* block = memory().realloc(nullptr, 5, nullptr);
  std::memcpy(block, "12345", 5);
  block = memory().realloc(block, 5'000, nullptr);
  EXPECT_EQ(std::string(static_cast<const char*>(block), 5), "12345");
  block = memory().realloc(block, 3, nullptr);
  EXPECT_EQ(std::string(static_cast<const char*>(block), 3), "123");
  memory().free(block, nullptr);
}

TEST(Http2Memory, ZeroesWhatWasUsedBefore) {
  auto* const used = memory().malloc(600, nullptr);
  std::memset(used, 0xff, 600);
  memory().free(used, nullptr);
  auto* const zeroed = static_cast<const char*>(memory().calloc(6, 100, nullptr));
  EXPECT_TRUE(std::all_of(zeroed, zeroed + 600, [](char c) { return c == 0; }));
  memory().free(const_cast<char*>(zeroed), nullptr);
}

TEST(Http2Memory, IsNullWhereNoneCanBe) {
  constexpr auto kMost = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(memory().malloc(kMost, nullptr), nullptr);
  EXPECT_EQ(memory().calloc(kMost / 2, 3, nullptr), nullptr);
  memory().free(nullptr, nullptr);
}

TEST(Http2Memory, GivesEachItsOwnEvenOfNothing) {
  auto* const one = memory().malloc(0, nullptr);
  auto* const other = memory().calloc(0, 8, nullptr);
  EXPECT_NE(one, nullptr);
  EXPECT_NE(one, other);
  memory().free(one, nullptr);
  memory().free(other, nullptr);
}

}  // namespace
}  // namespace hybridge::http
