#include "admin/password_hash.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

// Made by Python's hashlib, in passlib's form.
constexpr std::string_view kSecret =
    "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$aQOdhWy9q87h1Y13loIh9irlXgv2WqcdeMcUgrd9rJ4";
constexpr std::string_view kOdd = "$pbkdf2-sha256$12$.vv8/f7/$5yw1aqEUx/MRjwQV.1/N6hXLkGPmIw0qJ.KOd6vaL2c";

TEST(PasswordHash, FitsWhatOthersMade) {
  EXPECT_TRUE(fits_password(kSecret, "secret"));
  EXPECT_FALSE(fits_password(kSecret, "Secret"));
  EXPECT_FALSE(fits_password(kSecret, ""));
  EXPECT_TRUE(fits_password(kOdd, "p\xc3\xa4ssword"));
  EXPECT_TRUE(fits_password("$pbkdf2-sha256$1$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb60", ""));
}

TEST(PasswordHash, IsMadeWithASaltOfItsOwn) {
  const auto one = hash_password("open sesame").value();
  const auto other = hash_password("open sesame").value();
  EXPECT_NE(one, other);
  EXPECT_TRUE(one.starts_with("$pbkdf2-sha256$29000$")) << one;
  EXPECT_EQ(one.find('='), std::string::npos);
  EXPECT_TRUE(fits_password(one, "open sesame"));
  EXPECT_FALSE(fits_password(one, "open sesam"));
}

TEST(PasswordHash, NothingFitsADamagedOne) {
  for (const auto* hash :
       {"", "secret", "$pbkdf2-sha256$", "$pbkdf2-sha256$29000", "$pbkdf2-sha256$29000$MDEy",
        "$pbkdf2-sha256$29000$MDEy$", "$pbkdf2-sha256$0$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb60",
        "$pbkdf2-sha256$-1$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb60",
        "$pbkdf2-sha256$99999999$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb60",
        "$pbkdf2-sha512$1$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb60",
        "$pbkdf2-sha256$1$$984LZT0tcqQQjPWr6RL/3Xd2Ftu7J6cOggTzri0Pb6"}) {
    EXPECT_FALSE(is_password_hash(hash)) << hash;
    EXPECT_FALSE(fits_password(hash, "")) << hash;
  }
  EXPECT_TRUE(is_password_hash(kSecret));
}

}  // namespace
}  // namespace hybridge
