#include "admin/certificates_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "tests/admin/api_world.h"
#include "tests/support/test_certificates.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::code_of;
using test::json_of;
using test::TestKey;
using testing::HasSubstr;
using testing::Not;

std::string one(const PemPair& pair) {
  return boost::json::serialize(boost::json::object{{"chain", pair.chain}, {"key", pair.key}});
}

std::string both(const PemPair& a, const PemPair& b) {
  return "{\"pairs\":[" + one(a) + "," + one(b) + "]}";
}

TEST(CertificatesApi, StoresAndShowsWithoutTheKey) {
  ApiWorld world;
  const auto pair = test::self_signed({.names = {"erp.acme.com", "www.acme.com"}});
  const auto put = world.put("/v1/certificates/ERP.acme.com", one(pair));
  EXPECT_EQ(put->status(), 200) << put->body();
  EXPECT_EQ(put->body(), "{\"revision\":1}\n");
  ASSERT_TRUE(world.workers.certificates->own("erp.acme.com"));
  EXPECT_EQ(world.reader->pairs("erp.acme.com").value(), PemPairs{pair});

  const auto got = world.get("/v1/certificates/erp.acme.com");
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("ETag"), "\"1\"");
  EXPECT_THAT(got->body(), Not(HasSubstr("PRIVATE")));
  const auto shown = json_of(*got);
  EXPECT_EQ(shown.at("host"), "erp.acme.com");
  EXPECT_EQ(shown.at("names").as_array().size(), 2U);
  EXPECT_EQ(shown.at("not_after"), "2096-10-02T07:06:40Z");
  EXPECT_EQ(shown.at("fingerprint").as_string().size(), 64U);
  EXPECT_EQ(shown.at("key_types").at(0), "EC");
  EXPECT_EQ(shown.at("covers_host"), true);
}

TEST(CertificatesApi, TakesAnEcAndAnRsaPairSideBySide) {
  ApiWorld world;
  const auto put = world.put(
      "/v1/certificates/a.test",
      both(test::self_signed({.names = {"a.test"}}), test::self_signed({.names = {"a.test"}, .key = TestKey::kRsa})));
  EXPECT_EQ(put->status(), 200) << put->body();
  EXPECT_EQ(json_of(*world.get("/v1/certificates/a.test")).at("key_types").as_array().size(), 2U);
}

TEST(CertificatesApi, TakesWildcards) {
  ApiWorld world;
  const auto body = one(test::self_signed({.names = {"*.example.com"}}));
  EXPECT_EQ(world.put("/v1/certificates/*.example.com", body)->status(), 200);
  EXPECT_EQ(world.get("/v1/certificates/%2a.example.com")->status(), 200);
  EXPECT_EQ(world.workers.certificates->find("x.example.com")->name, "*.example.com");
}

TEST(CertificatesApi, ChangesNothingWhenTheSameIsPutAgain) {
  ApiWorld world;
  const auto body = one(test::self_signed({.names = {"a.test"}}));
  world.put("/v1/certificates/a.test", body);
  EXPECT_EQ(world.put("/v1/certificates/a.test", body)->body(), "{\"revision\":1}\n");
  EXPECT_EQ(world.publisher->revision(), 1U);
  const auto other = one(test::self_signed({.names = {"a.test"}, .key = TestKey::kOtherEc}));
  EXPECT_EQ(world.put("/v1/certificates/a.test", other)->body(), "{\"revision\":2}\n");
}

TEST(CertificatesApi, RefusesAKeyOfAnotherCertificate) {
  ApiWorld world;
  auto pair = test::self_signed({.names = {"a.test"}});
  pair.key = test::key_pem(TestKey::kOtherEc);
  const auto refused = world.put("/v1/certificates/a.test", one(pair));
  EXPECT_EQ(refused->status(), 422);
  EXPECT_EQ(code_of(*refused), "invalid_certificate");
  EXPECT_THAT(refused->body(), Not(HasSubstr("PRIVATE")));
  EXPECT_EQ(world.get("/v1/certificates/a.test")->status(), 404);
}

TEST(CertificatesApi, ListsFaultsOfTheBody) {
  ApiWorld world;
  const auto refused = [&](const std::string& body) { return world.put("/v1/certificates/a.test", body); };
  EXPECT_EQ(refused("not json")->status(), 400);
  EXPECT_THAT(refused("{}")->body(), HasSubstr("\"path\":\"chain\",\"message\":\"is missing: PEM\""));
  EXPECT_THAT(refused(R"({"chain":1,"key":"x"})")->body(), HasSubstr("must be a string"));
  EXPECT_THAT(refused(R"({"chain":"x","key":"x","name":"y"})")->body(), HasSubstr("is not a key here"));
  EXPECT_THAT(refused(R"({"pairs":[]})")->body(), HasSubstr("must be a list of one or two"));
  EXPECT_THAT(refused(R"({"pairs":[{"chain":"x"}]})")->body(), HasSubstr("\"path\":\"pairs[0].key\""));
  EXPECT_THAT(refused(R"({"pairs":[7]})")->body(), HasSubstr("\"path\":\"pairs[0]\""));
  EXPECT_THAT(refused(R"({"chain":"x","chain":"y","key":"z"})")->body(), HasSubstr("is there twice"));
  EXPECT_EQ(refused(R"({"chain":"x","key":"y"})")->status(), 422);
}

TEST(CertificatesApi, RefusesWhatIsNoHostName) {
  ApiWorld world;
  for (const char* host : {"a%2Fb", "..", "a%20b", "a.*.test"}) {
    const auto refused = world.put(std::string("/v1/certificates/") + host, "{}");
    EXPECT_EQ(refused->status(), 400) << host;
    EXPECT_EQ(code_of(*refused), "bad_host");
  }
}

TEST(CertificatesApi, WarnsOfCertificatesThatWillNotServe) {
  ApiWorld world;
  const auto warning = [&](const test::Wanted& wanted) {
    const auto put = world.put("/v1/certificates/a.test", one(test::self_signed(wanted)));
    EXPECT_EQ(put->status(), 200) << put->body();
    return put->body();
  };
  EXPECT_THAT(warning({.names = {"b.test"}}), HasSubstr("is not for \\\"a.test\\\""));
  EXPECT_THAT(warning({.names = {"a.test"}, .not_after = world.now - 1}), HasSubstr("expired at"));
  EXPECT_THAT(warning({.names = {"a.test"}, .not_after = world.now + 86'400}), HasSubstr("expires at"));
  EXPECT_THAT(warning({.names = {"a.test"}, .not_before = world.now + 60}), HasSubstr("not valid before"));
}

TEST(CertificatesApi, Deletes) {
  ApiWorld world;
  world.put("/v1/certificates/a.test", one(test::self_signed({.names = {"a.test"}})));
  const auto gone = world.call_as("certifier", {.method = "DELETE", .target = "/v1/certificates/a.test"});
  EXPECT_EQ(gone->status(), 200);
  EXPECT_EQ(gone->body(), "{\"revision\":2}\n");
  EXPECT_FALSE(world.workers.certificates->own("a.test"));
  EXPECT_EQ(world.get("/v1/certificates/a.test")->status(), 404);
  EXPECT_EQ(world.call_as("certifier", {.method = "DELETE", .target = "/v1/certificates/a.test"})->status(), 404);
}

TEST(CertificatesApi, ComparesRevisions) {
  ApiWorld world;
  world.put("/v1/certificates/b.test", one(test::self_signed({.names = {"b.test"}})));
  world.put("/v1/certificates/a.test", one(test::self_signed({.names = {"a.test"}})));
  const auto remove_if = [&](std::string revision) {
    return world.call_as(
        "boss",
        {.method = "DELETE", .target = "/v1/certificates/a.test", .headers = {{"If-Match", std::move(revision)}}});
  };
  EXPECT_EQ(remove_if("\"1\"")->status(), 412);
  EXPECT_EQ(remove_if("\"2\"")->status(), 200);
}

TEST(CertificatesApi, TriesWithoutChanging) {
  ApiWorld world;
  const auto tried = world.put("/v1/certificates/a.test?dry_run", one(test::self_signed({.names = {"a.test"}})));
  EXPECT_EQ(tried->status(), 200);
  EXPECT_EQ(json_of(*tried).at("dry_run"), true);
  EXPECT_EQ(world.get("/v1/certificates/a.test")->status(), 404);
}

TEST(CertificatesApi, ListsThemInPieces) {
  ApiWorld world;
  for (const std::string host : {"a.test", "b.test", "c.test"}) {
    world.put("/v1/certificates/" + host, one(test::self_signed({.names = {host}})));
  }
  const auto first = json_of(*world.get("/v1/certificates?limit=2"));
  EXPECT_EQ(first.at("certificates").as_array().size(), 2U);
  EXPECT_EQ(first.at("next"), "b.test");
  const auto second = json_of(*world.get("/v1/certificates?limit=2&after=b.test"));
  EXPECT_EQ(second.at("certificates").at(0).at("host"), "c.test");
  EXPECT_FALSE(second.as_object().contains("next"));
  EXPECT_EQ(world.get("/v1/certificates?limit=0")->status(), 400);
  EXPECT_EQ(world.get("/v1/certificates?limit=x")->status(), 400);
}

TEST(CertificatesApi, ShowsInTheStatusWhatExpires) {
  ApiWorld world;
  world.put("/v1/certificates/a.test", one(test::self_signed({.names = {"a.test"}, .not_after = world.now + 60})));
  world.put("/v1/certificates/b.test", one(test::self_signed({.names = {"b.test"}})));
  const auto status = json_of(*world.get("/v1/status"));
  EXPECT_EQ(status.at("certificates"), 2);
  EXPECT_EQ(status.at("certificates_expiring"), 1);
  EXPECT_EQ(status.at("expiring").at(0).at("host"), "a.test");
  EXPECT_EQ(status.at("revision"), 0);
  EXPECT_EQ(status.at("store_revision"), 2);
}

}  // namespace
}  // namespace hybridge
