#include "proxy/http/characters.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace hybridge::http {
namespace {

// Where a byte at a time would find it; bytes before and behind are not looked at.
std::size_t found_in(std::string_view text) {
  const auto exact = std::make_unique<char[]>(text.size());  // so that a sanitizer sees a step too far
  text.copy(exact.get(), text.size());
  return static_cast<std::size_t>(find_control(exact.get(), exact.get() + text.size()) - exact.get());
}

TEST(FindControl, FindsTheFirstWhereverItStands) {
  for (std::size_t size = 0; size <= 50; ++size) {
    EXPECT_EQ(found_in(std::string(size, 'a')), size);
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\r';
      EXPECT_EQ(found_in(text), at) << size;
      text[size - 1] = '\n';
      EXPECT_EQ(found_in(text), at) << size;
    }
  }
}

TEST(FindControl, KnowsEachByte) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    const bool is_one = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    EXPECT_EQ(found_in(std::string(5, c)), is_one ? 0U : 5U) << byte;
    EXPECT_EQ(found_in(std::string(16, c)), is_one ? 0U : 16U) << byte;
    EXPECT_EQ(found_in(std::string(16, 'a') + c), is_one ? 16U : 17U) << byte;
  }
}

}  // namespace
}  // namespace hybridge::http
