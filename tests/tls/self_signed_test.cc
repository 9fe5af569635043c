#include "tls/self_signed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tls/tls_server_fixture.h"

namespace hybridge {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;
constexpr std::int64_t kDay = 86'400;

TEST(SelfSigned, IsGoodForItsNamesForTenYears) {
  const auto pem = make_self_signed({"Localhost", "*.edge.example"}, kNow).value();
  const auto certificate = parse_certificate({pem}).value();
  EXPECT_THAT(certificate->names(), testing::ElementsAre("localhost", "*.edge.example"));
  EXPECT_EQ(certificate->not_before(), kNow - kDay);
  EXPECT_EQ(certificate->not_after(), kNow + 3'652 * kDay);
  EXPECT_EQ(certificate->pairs()[0].type, KeyType::kEc);
  EXPECT_EQ(X509_self_signed(certificate->pairs()[0].leaf.get(), 1), 1);
}

TEST(SelfSigned, IsAnotherOneEachTime) {
  EXPECT_NE(make_self_signed({"localhost"}, kNow)->chain, make_self_signed({"localhost"}, kNow)->chain);
}

TEST(SelfSigned, RefusesWhatIsNoName) {
  EXPECT_FALSE(make_self_signed({}, kNow));
  EXPECT_FALSE(make_self_signed({"a b"}, kNow));
  EXPECT_FALSE(make_self_signed({"a.example,DNS:b.example"}, kNow));
}

class SelfSignedTest : public test::TlsServerTest {};

TEST_F(SelfSignedTest, Serves) {
  context_->set_default(parse_certificate({make_self_signed({"localhost"}, kNow).value()}).value());
  EXPECT_EQ(shown("localhost"), "Hybridge default certificate");
}

}  // namespace
}  // namespace hybridge
