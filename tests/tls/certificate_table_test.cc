#include "tls/certificate_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/test_certificates.h"

namespace hybridge {
namespace {

std::string found(const CertificateTable& table, std::string_view name) {
  const auto choice = table.find(name);
  return choice ? std::string(choice->name) + " v" + std::to_string(choice->version) : "default";
}

CertificateTable::Entry entry(std::uint64_t version) {
  return {.version = version, .not_after = 0, .covers_its_name = true, .names = nullptr};
}

CertificateTable::Entry wildcard(std::uint64_t version, std::vector<std::string> names) {
  auto made = entry(version);
  made.names = std::make_shared<const std::vector<std::string>>(std::move(names));
  return made;
}

TEST(CertificateTable, FindsTheHostsOwnInAnyCaseAndWithATrailingDot) {
  const auto table = CertificateTable().with("erp.acme.example", entry(1));
  EXPECT_EQ(found(table, "erp.acme.example"), "erp.acme.example v1");
  EXPECT_EQ(found(table, "ERP.Acme.Example."), "erp.acme.example v1");
}

TEST(CertificateTable, LeavesUnknownAndImpossibleNamesToTheDefault) {
  const auto table = CertificateTable().with("a.example", entry(1)).with("*.b.example", wildcard(2, {"*.b.example"}));
  for (const auto* name : {"b.example", "x.a.example", "", ".", ".b.example", "*.b.example", "example"}) {
    EXPECT_EQ(found(table, name), "default") << name;
  }
  EXPECT_EQ(found(table, std::string(300, 'a')), "default");
  EXPECT_EQ(found(table, std::string(253, 'a')), "default");
  EXPECT_EQ(found(table, std::string(245, 'a') + ".b.example"), "default");
  EXPECT_EQ(found(table, std::string(243, 'a') + ".b.example"), "*.b.example v2");
  EXPECT_EQ(found(table, std::string("a.example\0", 10)), "default");
}

TEST(CertificateTable, AWildcardStandsForOneLabel) {
  const auto table = CertificateTable()
                         .with("*.example", wildcard(1, {"*.example"}))
                         .with("*.b.example", wildcard(2, {"*.b.example"}));
  EXPECT_EQ(found(table, "b.example"), "*.example v1");
  EXPECT_EQ(found(table, "a.b.example"), "*.b.example v2");
  EXPECT_EQ(found(table, "x.a.b.example"), "default");
}

TEST(CertificateTable, PrefersTheHostsOwnToAWildcard) {
  const auto both = CertificateTable().with("*.b.example", wildcard(1, {"*.b.example"})).with("a.b.example", entry(2));
  EXPECT_EQ(found(both, "a.b.example"), "a.b.example v2");
  EXPECT_EQ(found(both.without("a.b.example"), "a.b.example"), "*.b.example v1");
}

TEST(CertificateTable, PassesOverAnOwnCertificateThatDoesNotCoverTheHost) {
  auto wrong = entry(2);
  wrong.covers_its_name = false;
  const auto table = CertificateTable().with("a.b.example", wrong);
  EXPECT_EQ(found(table, "a.b.example"), "default");
  EXPECT_EQ(found(table.with("*.b.example", wildcard(1, {"*.b.example"})), "a.b.example"), "*.b.example v1");
}

TEST(CertificateTable, UsesAllNamesOfAWildcardCertificate) {
  const auto table = CertificateTable().with("*.b.example", wildcard(1, {"*.b.example", "b.example", "*.c.b.example"}));
  EXPECT_EQ(found(table, "b.example"), "*.b.example v1");
  EXPECT_EQ(found(table, "a.b.example"), "*.b.example v1");
  EXPECT_EQ(found(table, "x.c.b.example"), "*.b.example v1");
  EXPECT_EQ(found(table, "x.d.b.example"), "default");
}

TEST(CertificateTable, TakesTheLongestOfSeveralWildcardsThatCover) {
  const auto one = CertificateTable().with("*.b.example", wildcard(1, {"*.b.example", "*.c.b.example"}));
  const auto two = one.with("*.c.b.example", wildcard(2, {"*.c.b.example"}));
  EXPECT_EQ(found(one, "x.c.b.example"), "*.b.example v1");
  EXPECT_EQ(found(two, "x.c.b.example"), "*.c.b.example v2");
  EXPECT_EQ(found(two.without("*.c.b.example"), "x.c.b.example"), "*.b.example v1");
  EXPECT_EQ(found(two.without("*.b.example"), "x.c.b.example"), "*.c.b.example v2");
}

TEST(CertificateTable, ForgetsTheNamesOfAReplacedWildcard) {
  const auto before = CertificateTable().with("*.b.example", wildcard(1, {"*.b.example", "b.example"}));
  const auto after = before.with("*.b.example", wildcard(2, {"*.b.example"}));
  EXPECT_EQ(found(after, "b.example"), "default");
  EXPECT_EQ(found(after, "a.b.example"), "*.b.example v2");
  EXPECT_EQ(found(before, "b.example"), "*.b.example v1");
  EXPECT_EQ(found(after.without("*.b.example"), "a.b.example"), "default");
}

TEST(CertificateTable, DescribesACertificateByWhatItCovers) {
  const test::TestAuthority root;
  const auto certificate = root.certificate({.names = {"*.b.example", "b.example"}, .not_after = 2'000'000'000});
  const auto own = CertificateTable::describe("a.b.example", *certificate, 5);
  EXPECT_TRUE(own.covers_its_name);
  EXPECT_EQ(own.names, nullptr);
  EXPECT_EQ(own.version, 5u);
  EXPECT_EQ(own.not_after, 2'000'000'000);
  EXPECT_FALSE(CertificateTable::describe("other.example", *certificate, 5).covers_its_name);
  const auto wild = CertificateTable::describe("*.b.example", *certificate, 5);
  ASSERT_NE(wild.names, nullptr);
  EXPECT_EQ(*wild.names, certificate->names());
}

TEST(CertificateTable, BuildsManyAtOnceAndVisitsThem) {
  CertificateTable::Builder builder;
  for (int i = 0; i < 10'000; ++i)
    builder.set("h" + std::to_string(i) + ".example", entry(static_cast<std::uint64_t>(i)));
  builder.erase("h7.example");
  const auto table = std::move(builder).build();
  EXPECT_EQ(table.size(), 9'999u);
  EXPECT_EQ(found(table, "h9999.example"), "h9999.example v9999");
  EXPECT_EQ(found(table, "h7.example"), "default");
  std::size_t seen = 0;
  table.for_each([&](const std::string& name, const CertificateTable::Entry& each) {
    ++seen;
    EXPECT_EQ(name, "h" + std::to_string(each.version) + ".example");
  });
  EXPECT_EQ(seen, 9'999u);
}

}  // namespace
}  // namespace hybridge
