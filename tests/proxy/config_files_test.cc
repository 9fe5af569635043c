#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/ssl_ptr.h"
#include "proxy/config.h"

namespace hybridge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string key_pem(EVP_PKEY* key) {
  const SslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  return text_of(bio.get());
}

// Self-signed, for files.test.
std::string certificate_pem(EVP_PKEY* key) {
  const SslPtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  const SslPtr<X509_EXTENSION> names(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:files.test"));
  X509_add_ext(certificate.get(), names.get(), -1);
  X509_set_pubkey(certificate.get(), key);
  EXPECT_GT(X509_sign(certificate.get(), key, EVP_sha256()), 0);
  const SslPtr<BIO> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_X509(bio.get(), certificate.get()), 1);
  return text_of(bio.get());
}

class ConfigFiles : public testing::Test {
 protected:
  ConfigFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hybridge-files-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    const SslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const SslPtr<EVP_PKEY> other(EVP_EC_gen("P-256"));
    write("chain.pem", certificate_pem(key.get()));
    write("key.pem", key_pem(key.get()));
    write("other.pem", key_pem(other.get()));
  }
  ~ConfigFiles() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view text) { std::ofstream(directory_ / name) << text; }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  // The faults of a configuration that begins with a good state_dir; the text is its second line.
  std::vector<std::string> faults(const std::string& text) {
    const auto config = parse_config("state_dir: " + path("state") + '\n' + text, "h.yaml");
    EXPECT_TRUE(config) << config.error().detail;
    return config ? check_files(*config) : std::vector<std::string>{};
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigFiles, FindsNothingWrongWithTheDefaults) {
  EXPECT_THAT(faults(""), IsEmpty());
}

TEST_F(ConfigFiles, LoadsTheDefaultCertificate) {
  EXPECT_THAT(faults("default_certificate: {chain: " + path("chain.pem") + ", key: " + path("key.pem") + "}"),
              IsEmpty());
}

TEST_F(ConfigFiles, SaysWhereAMissingFileWasNamed) {
  EXPECT_THAT(faults("default_certificate: {chain: /no.pem, key: " + path("key.pem") + "}"),
              ElementsAre("h.yaml:2:30: default_certificate.chain: /no.pem: No such file or directory"));
}

TEST_F(ConfigFiles, RefusesAKeyThatIsNotTheCertificates) {
  EXPECT_THAT(faults("default_certificate: {chain: " + path("chain.pem") + ", key: " + path("other.pem") + "}"),
              ElementsAre(StartsWith("h.yaml:2:30: default_certificate.chain: " + path("chain.pem") + " and ")));
}

TEST_F(ConfigFiles, RefusesCiphersThatOpensslDoesNotHave) {
  EXPECT_THAT(faults("tls: {ciphers: ECDHE-ECDSA-AES128-GCM-SHA256}"), IsEmpty());
  EXPECT_THAT(faults("tls: {ciphers: NO-SUCH}"),
              ElementsAre("h.yaml:2:16: tls.ciphers: \"NO-SUCH\" names no cipher that OpenSSL has"));
}

TEST_F(ConfigFiles, RefusesABundleWithoutCertificates) {
  EXPECT_THAT(faults("upstream: {tls: {ca: " + path("chain.pem") + "}}"), IsEmpty());
  EXPECT_THAT(faults("upstream: {tls: {ca: " + path("key.pem") + "}}"),
              ElementsAre("h.yaml:2:22: upstream.tls.ca: " + path("key.pem") + ": holds no certificate in PEM"));
  EXPECT_THAT(faults("upstream: {tls: {ca: /no.pem}}"),
              ElementsAre("h.yaml:2:22: upstream.tls.ca: /no.pem: No such file or directory"));
}

TEST_F(ConfigFiles, RefusesPagesThatAreNotThere) {
  std::filesystem::create_directory(path("pages"));
  EXPECT_THAT(faults("pages_dir: " + path("pages")), IsEmpty());
  EXPECT_THAT(faults("pages_dir: " + path("nothing")), ElementsAre(StartsWith("h.yaml:2:12: pages_dir: ")));
}

TEST_F(ConfigFiles, RefusesToLogIntoADirectory) {
  EXPECT_THAT(faults("access_log: {path: " + path("new/deep/access.log") + "}"), IsEmpty());
  EXPECT_THAT(faults("access_log: {path: /dev/stdout}"), IsEmpty());
  EXPECT_THAT(faults("access_log: {path: " + path("") + "}"),
              ElementsAre("h.yaml:2:20: access_log.path: " + path("") + ": Is a directory"));
  EXPECT_THAT(faults("access_log: {path: " + path("key.pem/access.log") + "}"),
              ElementsAre("h.yaml:2:20: access_log.path: " + path("key.pem") + ": is not a directory"));
}

TEST_F(ConfigFiles, RefusesAStateDirectoryThatIsAFile) {
  const auto config = parse_config("state_dir: " + path("key.pem"), "h.yaml");
  ASSERT_TRUE(config);
  EXPECT_THAT(check_files(*config), ElementsAre("h.yaml:1:12: state_dir: " + path("key.pem") + ": is not a directory"));
}

}  // namespace
}  // namespace hybridge
