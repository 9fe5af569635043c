// Any text as a certificate and its key, as the API takes them. What must hold: it is accepted or refused with a
// sentence; the sentence has nothing of the key; what is accepted covers its own names and no other's, and its parts
// are accepted again.
//
// The input is a chain, a line with four dashes, and a key. `KEY-EC`, `KEY-RSA`, `LEAF-EC`, `LEAF-RSA` and `ROOT` stand
// for good ones, which no mutation would find.
#include <openssl/pem.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/demand.h"
#include "tests/support/test_certificates.h"
#include "tls/certificate.h"
#include "tls/pem_pair.h"

namespace hybridge::test {
namespace {

struct Good {
  TestAuthority authority;
  PemPair ec = authority.issue({.names = {"a.test", "*.a.test"}});
  PemPair rsa = authority.issue({.names = {"a.test", "*.a.test"}, .key = TestKey::kRsa});
};

void replace_all(std::string& text, std::string_view word, std::string_view by) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size())) {
    text.replace(at, word.size(), by);
    if (text.size() > 512 * 1024) return;
  }
}

std::string filled(std::string text) {
  static const Good good;
  replace_all(text, "KEY-EC", good.ec.key);
  replace_all(text, "KEY-RSA", good.rsa.key);
  replace_all(text, "LEAF-EC", good.ec.chain);
  replace_all(text, "LEAF-RSA", good.rsa.chain);
  replace_all(text, "ROOT", good.authority.pem());
  return text;
}

// Has the sentence a line of the key in it, or a good part of one?
bool quotes(std::string_view said, std::string_view key) {
  constexpr std::size_t kPart = 24;
  while (!key.empty()) {
    const auto line = key.substr(0, key.find('\n'));
    key.remove_prefix(std::min(key.size(), line.size() + 1));
    const bool is_base64 = line.find_first_of(" -") == std::string_view::npos;
    if (is_base64 && line.size() >= kPart && said.find(line.substr(0, kPart)) != std::string_view::npos) return true;
  }
  return false;
}

void check(const Certificate& certificate) {
  demand(!certificate.pairs().empty(), "a certificate has a pair");
  for (const auto& name : certificate.names()) {
    demand(!name.empty(), "a name is not empty");
    demand(certificate.covers(name), "it covers its own names");
    if (name.starts_with("*.")) {
      demand(certificate.covers("x" + name.substr(1)), "and what they stand for");
      demand(!is_covered_by("x.y" + name.substr(1), name), "one label only");
    }
  }
  demand(!certificate.covers("not.covered.invalid"), "and no other");
  for (const auto& pair : certificate.pairs()) {
    demand(X509_check_private_key(pair.leaf.get(), pair.key.get()) == 1, "the key is the leaf's");
    demand(
        pair.type != KeyType::kRsa || (pair.bits >= Certificate::kMinRsaBits && pair.bits <= Certificate::kMaxRsaBits),
        "RSA keys are neither weak nor dear");
  }
}

}  // namespace
}  // namespace hybridge::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hybridge;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto line = text.find("\n----\n");
  const PemPair pair{test::filled(text.substr(0, line)),
                     line == std::string::npos ? std::string{} : test::filled(text.substr(line + 6))};
  const auto certificate = parse_certificate({pair});
  if (!certificate) {
    const auto& said = certificate.error().detail;
    test::demand(!said.empty(), "a refusal says why");
    test::demand(!test::quotes(said, pair.key), "a refusal has nothing of the key");
    return 0;
  }
  test::check(**certificate);
  return 0;
}
