#include "base/digest.h"

#include <gtest/gtest.h>

namespace hybridge {
namespace {

TEST(Digest, Sha256OfThePublishedExample) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, Sha512OfThePublishedExample) {
  EXPECT_EQ(sha512_hex("abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

// Seen on the incumbent: the group of the upstream 127.0.0.11.
TEST(Digest, GivesTheIncumbentsUpstreamHash) {
  EXPECT_EQ(sha512_hex("127.0.0.11").substr(0, 16), "13fc798eeb01c3d7");
}

}  // namespace
}  // namespace hybridge
