#include "tls/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/test_certificates.h"

namespace hybridge {
namespace {

using test::TestAuthority;
using test::TestKey;
using test::Wanted;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string refusal(const PemPairs& pairs) {
  const auto parsed = parse_certificate(pairs);
  return parsed ? "(accepted)" : parsed.error().detail;
}

// The PEM blocks of a chain, first to last.
std::vector<std::string> blocks(const std::string& pem) {
  std::vector<std::string> found;
  const std::string end = "-----END CERTIFICATE-----\n";
  for (std::size_t at = 0; at < pem.size();) {
    const auto next = pem.find(end, at) + end.size();
    found.push_back(pem.substr(at, next - at));
    at = next;
  }
  return found;
}

TEST(Certificate, TellsNamesDatesAndKey) {
  const TestAuthority root("Root One");
  const auto certificate = root.certificate(
      {.names = {"Erp.Acme.example", "*.acme.example"}, .not_before = 1'700'000'000, .not_after = 1'800'000'000});
  EXPECT_THAT(certificate->names(), ElementsAre("erp.acme.example", "*.acme.example"));
  EXPECT_EQ(certificate->not_before(), 1'700'000'000);
  EXPECT_EQ(certificate->not_after(), 1'800'000'000);
  EXPECT_EQ(certificate->issuer(), "CN=Root One");
  ASSERT_EQ(certificate->pairs().size(), 1u);
  EXPECT_EQ(certificate->pairs()[0].type, KeyType::kEc);
  EXPECT_EQ(certificate->pairs()[0].bits, 256);
}

TEST(Certificate, FingerprintIsTheSha256OfTheLeaf) {
  const TestAuthority root;
  const auto certificate = root.certificate({.names = {"a.example"}});
  unsigned char* der = nullptr;
  const auto size = i2d_X509(certificate->pairs()[0].leaf.get(), &der);
  const auto expected = sha256({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  EXPECT_EQ(certificate->fingerprint(), expected);
  EXPECT_NE(root.certificate({.names = {"a.example"}})->fingerprint(), expected);
}

TEST(Certificate, TakesKeysInEitherPemForm) {
  const TestAuthority root;
  for (const auto kind : {TestKey::kEc, TestKey::kEcP384, TestKey::kRsa}) {
    auto pair = root.issue({.names = {"a.example"}, .key = kind});
    EXPECT_EQ(refusal({pair}), "(accepted)");
    pair.key = test::traditional_key_pem(kind);
    EXPECT_EQ(refusal({pair}), "(accepted)");
  }
}

TEST(Certificate, RefusesAKeyOfAnotherCertificate) {
  auto pair = TestAuthority().issue({.names = {"a.example"}});
  pair.key = test::key_pem(TestKey::kOtherEc);
  EXPECT_EQ(refusal({pair}), "the key does not belong to the certificate \"CN=a.example\"");
}

TEST(Certificate, RefusesEncryptedKeysWithoutAskingForAPassphrase) {
  auto pair = TestAuthority().issue({.names = {"a.example"}});
  pair.key = test::encrypted_key_pem(TestKey::kEc);
  EXPECT_EQ(refusal({pair}), "the key is encrypted; it must come without a passphrase");
  pair.key = test::encrypted_traditional_pem(TestKey::kEc);
  EXPECT_EQ(refusal({pair}), "the key is encrypted; it must come without a passphrase");
}

TEST(Certificate, RefusesWhatIsNoKey) {
  auto pair = TestAuthority().issue({.names = {"a.example"}});
  for (const std::string key :
       {"", "secret words", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"}) {
    pair.key = key;
    EXPECT_THAT(refusal({pair}), StartsWith("the key ")) << key;
    EXPECT_THAT(refusal({pair}), Not(HasSubstr("secret"))) << "a key may never be in a message";
  }
}

TEST(Certificate, RefusesKeysThatAreTooSmallOrUnknownToBrowsers) {
  const TestAuthority root;
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .key = TestKey::kRsa1024})}),
            "the RSA key has 1024 bits; 2048 to 4096 are allowed");
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .key = TestKey::kEcP521})}),
            "the EC key is on the curve \"secp521r1\"; browsers know P-256 and P-384");
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .key = TestKey::kEd25519})}),
            "the key's type is ED25519; RSA or EC is wanted");
}

TEST(Certificate, RefusesChainsThatAreNone) {
  auto pair = TestAuthority().issue({.names = {"a.example"}});
  const auto good = pair.chain;
  pair.chain = "";
  EXPECT_EQ(refusal({pair}),
            "the chain has no -----BEGIN CERTIFICATE----- block; the leaf and its intermediates are wanted");
  pair.chain = good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(refusal({pair}), "certificate 2 of the chain cannot be read; PEM blocks of X.509 are wanted");
  pair.chain = std::string(Certificate::kMaxPemBytes, '\n') + good;
  EXPECT_EQ(refusal({pair}), "chain and key have more than 128 KiB");
}

TEST(Certificate, KeepsTheIntermediatesInOrder) {
  const auto root = TestAuthority("Root");
  const auto middle = root.intermediate("Middle");
  const auto lower = middle.intermediate("Lower");
  const auto certificate = lower.certificate({.names = {"a.example"}});
  const auto* intermediates = certificate->pairs()[0].intermediates.get();
  ASSERT_EQ(sk_X509_num(intermediates), 2);
  EXPECT_EQ(X509_check_issued(sk_X509_value(intermediates, 0), certificate->pairs()[0].leaf.get()), X509_V_OK);
  EXPECT_EQ(X509_check_issued(sk_X509_value(intermediates, 1), sk_X509_value(intermediates, 0)), X509_V_OK);
}

TEST(Certificate, PutsAShuffledChainInOrderAndLeavesOutRootAndRepetitions) {
  const auto root = TestAuthority("Root");
  const auto lower = root.intermediate("Middle").intermediate("Lower");
  const auto pair = lower.issue({.names = {"a.example"}});
  const auto parts = blocks(pair.chain);
  ASSERT_EQ(parts.size(), 3u);
  const auto certificate =
      parse_certificate({{root.pem() + parts[2] + parts[0] + parts[1] + parts[1], pair.key}}).value();
  const auto expected = parse_certificate({pair}).value();
  EXPECT_EQ(certificate->fingerprint(), expected->fingerprint());
  const auto* intermediates = certificate->pairs()[0].intermediates.get();
  ASSERT_EQ(sk_X509_num(intermediates), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(X509_cmp(sk_X509_value(intermediates, i), sk_X509_value(expected->pairs()[0].intermediates.get(), i)), 0);
  }
}

TEST(Certificate, RefusesAStrangerInTheChain) {
  auto pair = TestAuthority("Root").issue({.names = {"a.example"}});
  pair.chain += TestAuthority("Other").intermediate("Stranger").chain();
  EXPECT_EQ(refusal({pair}), "the certificate \"CN=Stranger\" has no place in the chain of \"CN=a.example\"");
}

TEST(Certificate, RefusesAChainThatIsTooLong) {
  TestAuthority authority("Root");
  for (int i = 0; i < 9; ++i) authority = authority.intermediate("Level " + std::to_string(i));
  EXPECT_EQ(refusal({authority.issue({.names = {"a.example"}})}), "(accepted)");
  authority = authority.intermediate("Level 9");
  EXPECT_EQ(refusal({authority.issue({.names = {"a.example"}})}), "the chain has 11 certificates; 10 are the most");
}

TEST(Certificate, RefusesWhatClientsWouldNotTake) {
  const TestAuthority root;
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .extended_key_usage = "clientAuth"})}),
            "the certificate \"CN=a.example\" is not for TLS servers (extended key usage)");
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .extended_key_usage = "serverAuth"})}), "(accepted)");
  EXPECT_EQ(refusal({root.issue({.names = {"a.example"}, .with_sha1 = true})}),
            "the certificate \"CN=a.example\" is signed with SHA1; SHA-256 or better is wanted");
  EXPECT_THAT(refusal({root.issue({.names = {"a..example"}, .subject = "a"})}), HasSubstr("one of its names is none"));
}

TEST(Certificate, TakesASelfSignedOne) {
  const auto certificate = parse_certificate({test::self_signed({.names = {"a.example"}})}).value();
  EXPECT_EQ(sk_X509_num(certificate->pairs()[0].intermediates.get()), 0);
}

TEST(Certificate, HoldsAnEcAndAnRsaPairAndTheNamesOfBoth) {
  const TestAuthority root;
  const auto rsa = root.issue({.names = {"a.example", "b.example"}, .key = TestKey::kRsa, .not_after = 2'000'000'000});
  const auto ec = root.issue({.names = {"b.example", "c.example"}, .not_before = 1'650'000'000});
  const auto certificate = parse_certificate({rsa, ec}).value();
  ASSERT_EQ(certificate->pairs().size(), 2u);
  EXPECT_EQ(certificate->pairs()[0].type, KeyType::kEc);
  EXPECT_EQ(certificate->pairs()[1].type, KeyType::kRsa);
  EXPECT_THAT(certificate->names(), ElementsAre("b.example"));
  EXPECT_EQ(certificate->not_before(), 1'650'000'000);
  EXPECT_EQ(certificate->not_after(), 2'000'000'000);
}

TEST(Certificate, NamesTheFaultyPair) {
  const TestAuthority root;
  const auto ec = root.issue({.names = {"a.example"}});
  auto rsa = root.issue({.names = {"a.example"}, .key = TestKey::kRsa});
  rsa.key = ec.key;
  EXPECT_THAT(refusal({ec, rsa}), StartsWith("pairs[1]: the key does not belong to"));
  EXPECT_EQ(refusal({ec, ec}), "pairs[1]: has an EC key like pairs[0]; two pairs are for two types of key, EC and RSA");
  EXPECT_THAT(refusal({ec, rsa, ec}), HasSubstr("there are 3 pairs"));
  EXPECT_EQ(refusal({}), "a certificate needs a chain and a key");
}

TEST(Certificate, LeavesNoErrorBehindForOthers) {
  const TestAuthority root;
  auto pair = root.issue({.names = {"a.example"}});
  EXPECT_EQ(refusal({pair}), "(accepted)");
  EXPECT_EQ(ERR_peek_error(), 0u);
  pair.key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  EXPECT_NE(refusal({pair}), "(accepted)");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Certificate, CoversItsNamesAndOneLabelForAWildcard) {
  const auto certificate = TestAuthority().certificate({.names = {"acme.example", "*.acme.example"}});
  EXPECT_TRUE(certificate->covers("acme.example"));
  EXPECT_TRUE(certificate->covers("erp.acme.example"));
  EXPECT_TRUE(certificate->covers("*.acme.example"));
  EXPECT_FALSE(certificate->covers("a.erp.acme.example"));
  EXPECT_FALSE(certificate->covers(".acme.example"));
  EXPECT_FALSE(certificate->covers("xacme.example"));
  EXPECT_FALSE(certificate->covers("example"));
  EXPECT_FALSE(certificate->covers(""));
  EXPECT_FALSE(certificate->covers("*.example"));
}

TEST(Certificate, SessionContextDiffersWithEachCertificate) {
  const TestAuthority root;
  const auto one = root.certificate({.names = {"a.example"}});
  const auto other = root.certificate({.names = {"a.example"}});
  EXPECT_EQ(one->session_context().size(), 32u);
  EXPECT_FALSE(std::ranges::equal(one->session_context(), other->session_context()));
}

}  // namespace
}  // namespace hybridge
