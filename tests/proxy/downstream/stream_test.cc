#include "proxy/downstream/stream.h"

#include <gtest/gtest.h>

#include "tests/support/test_certificates.h"
#include "tls/pem_pair.h"

namespace hybridge::test {
namespace {

// Of a client that asked for a.test over HTTP/2.
ClientFacts client() {
  ClientFacts facts;
  facts.server_name = "a.test";
  const auto pem = TestAuthority().issue({.names = {"b.test", "*.c.test"}, .addresses = {"192.0.2.1"}});
  facts.certificate = std::move(parse_pem_certificates(pem.chain)->front());
  return facts;
}

TEST(ClientFacts, AreGoodForTheHostThatWasAskedForWhateverTheCertificateSays) {
  EXPECT_TRUE(client().is_good_for("a.test"));
}

TEST(ClientFacts, AreGoodForTheHostsThatTheCertificateCovers) {
  for (const auto* host : {"b.test", "x.c.test", "192.0.2.1"}) EXPECT_TRUE(client().is_good_for(host)) << host;
  for (const auto* host : {"d.test", "c.test", "x.y.c.test", "x.a.test", "192.0.2.2", ""}) {
    EXPECT_FALSE(client().is_good_for(host)) << host;
  }
}

TEST(ClientFacts, AreGoodForAnythingWithoutACertificateOrAName) {
  auto without_name = client();
  without_name.server_name = {};
  EXPECT_TRUE(without_name.is_good_for("d.test"));
  EXPECT_TRUE(ClientFacts().is_good_for("d.test"));  // HTTP/1
}

}  // namespace
}  // namespace hybridge::test
