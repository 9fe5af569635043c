#include "proxy/hold_preview.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

TEST(HoldPreview, BelievesATokenOfItsWindowUntilItExpires) {
  const auto token = make_preview_token("secret", "w.1", 1000);
  EXPECT_TRUE(is_preview_token("secret", token, "w.1", 999));
  EXPECT_FALSE(is_preview_token("secret", token, "w.1", 1000));
  EXPECT_FALSE(is_preview_token("secret", token, "w.2", 999));
  EXPECT_FALSE(is_preview_token("other", token, "w.1", 999));
}

TEST(HoldPreview, BelievesNoTokenThatWasChanged) {
  const auto token = make_preview_token("secret", "w1", 1000);
  for (std::size_t at = 0; at < token.size(); ++at) {
    auto changed = token;
    changed[at] = changed[at] == '1' ? '2' : '1';
    EXPECT_FALSE(is_preview_token("secret", changed, "w1", 999)) << changed;
  }
}

TEST(HoldPreview, ReadsNonsenseWithoutBelievingIt) {
  for (const auto* nonsense : {"", ".", "..", "w1", "w1.", "w1.9999", "w1..", "w1.9999.", ".9999.aa", "w1.-1.aa"}) {
    EXPECT_FALSE(is_preview_token("secret", nonsense, "w1", 0)) << nonsense;
  }
}

}  // namespace
}  // namespace hybridge
