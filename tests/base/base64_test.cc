#include "base/base64.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

std::string encoded(std::string_view text) {
  return encode_base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

// RFC 4648 section 10.
TEST(Base64, GoesOutAndComesBack) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(encoded(plain), text);
    EXPECT_EQ(decode_base64(text), plain);
  }
  EXPECT_EQ(decode_base64("AP+/"), (std::string{'\0', '\xff', '\xbf'}));
}

TEST(Base64, RefusesWhatIsNone) {
  for (const auto* text : {"Zg=", "Zg", "Zg===", "====", "Z===", "Zm9v\n", " Zm9v", "Zm=v", "Zm9.", "Zm9v Zm9v"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

}  // namespace
}  // namespace hybridge
