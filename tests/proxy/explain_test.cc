#include "proxy/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hybridge {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Host host_of(std::string site) {
  Host host;
  host.site = std::move(site);
  return host;
}

Host redirect_to(std::string target) {
  Host host;
  host.redirect = std::move(target);
  return host;
}

class Explain : public testing::Test {
 protected:
  Explain() {
    config_.domain = "example.com";
    config_.server_name = "n1.example.com";
    Server server;
    server.name = "f1.example.com";
    server.endpoints = {{"198.51.100.7", 80, 3}, {"2001:db8::7", 8080, 1}};
    Server secure;
    secure.name = "f2.example.com";
    secure.endpoints = {{"f2.example.com", 443, 1}};
    secure.tls.mode = ServerTls::Mode::kVerify;
    snapshot_ = Snapshot{}
                    .with_server(server)
                    .with_server(secure)
                    .with_site("acme.example.com", {.server = "f1.example.com"})
                    .with_site("late.example.com", {.server = "f1.example.com", .status = SiteStatus::kSuspended})
                    .with_site("safe.example.com", {.server = "f2.example.com"})
                    .with_host("erp.acme.com", host_of("acme.example.com"))
                    .with_host("www.acme.com", redirect_to("erp.acme.com"))
                    .with_host("lost.acme.com", host_of("gone.example.com"))
                    .with_revision(7);
    CertificateTable::Entry entry;
    entry.not_after = 1'800'000'000;
    certificates_ = certificates_.with("erp.acme.com", entry);
  }

  std::string of(std::string_view url) const {
    const auto text = explain(config_, snapshot_, certificates_, url);
    EXPECT_TRUE(text) << text.error().detail;
    return text ? to_text(*text) : "";
  }

  Config config_;
  Snapshot snapshot_;
  CertificateTable certificates_;
};

TEST_F(Explain, SaysWhatTheProxyItselfAnswers) {
  EXPECT_NE(of("https://n1.example.com/?x").find("the home page"), std::string::npos);
  EXPECT_NE(of("https://n1.example.com/agent/ping").find("the control plane's API"), std::string::npos);
  EXPECT_NE(of("https://n1.example.com/agents").find("nothing of ours"), std::string::npos);
}

TEST_F(Explain, FollowsARequestToItsServer) {
  EXPECT_EQ(of("https://ERP.acme.com:8443/app?a=1#top"),
            "url:         https://erp.acme.com/app?a=1\n"
            "revision:    7\n"
            "certificate: erp.acme.com, valid until 2027-01-15\n"
            "host:        erp.acme.com: listed among the hosts\n"
            "site:        acme.example.com\n"
            "status:      active\n"
            "server:      f1.example.com, over HTTP\n"
            "endpoint:    198.51.100.7:80, weight 3 of 4\n"
            "endpoint:    [2001:db8::7]:8080, weight 1 of 4\n"
            "answer:      the server's, with Host erp.acme.com\n");
}

TEST_F(Explain, TakesAHostAloneAsHttps) {
  EXPECT_EQ(of("erp.acme.com"), of("https://erp.acme.com/"));
}

TEST_F(Explain, NamesHowAServerIsVerified) {
  EXPECT_THAT(of("safe.example.com"), HasSubstr("f2.example.com, over TLS, verified as f2.example.com\n"));
}

TEST_F(Explain, SaysWhyTheDefaultCertificateIsServed) {
  EXPECT_THAT(of("acme.example.com"),
              HasSubstr("certificate: the default one (self-signed): none in the table covers this name\n"));
}

TEST_F(Explain, TellsOfRedirectedHosts) {
  EXPECT_THAT(of("https://www.acme.com/a?b"), HasSubstr("answer:      308 to https://erp.acme.com/a?b\n"));
}

TEST_F(Explain, NamesTheRulesThatMatch) {
  Snapshot::Builder builder(snapshot_);
  using Field = RuleCondition::Field;
  builder.set_rule({"a", 1, {{Field::kPath, "", "^/api"}}, RuleClass{"api"}});
  builder.set_rule({"b", 2, {{Field::kHeader, "x-a", "."}}, RuleDenial{}});
  builder.set_rule({"c", 3, {{Field::kPath, "", "^/api/(.*)"}}, RuleRedirect{"https://b.test/\\1", 301}});
  snapshot_ = std::move(builder).build(8);
  EXPECT_THAT(of("https://erp.acme.com/api/x?y=1"),
              AllOf(HasSubstr("rules:       those with conditions on header fields are left out\n"),
                    HasSubstr("rule:        a: class api\nrule:        c: redirect\n"
                              "answer:      301 to https://b.test/x?y=1\n"),
                    Not(HasSubstr("endpoint"))));
  EXPECT_THAT(of("https://erp.acme.com/"), HasSubstr("endpoint"));
}

TEST_F(Explain, TellsOfSuspendedSites) {
  EXPECT_THAT(of("late.example.com"),
              AllOf(HasSubstr("status:      suspended\n"), HasSubstr("answer:      402 page suspended\n"),
                    Not(HasSubstr("endpoint"))));
}

TEST_F(Explain, TellsWhereUnknownHostsGo) {
  EXPECT_THAT(of("nobody.test"),
              AllOf(HasSubstr("host:        nobody.test: unknown: neither"),
                    HasSubstr("answer:      307 to https://example.com/dashboard/#/sites/new?domain=nobody.test\n")));
  EXPECT_THAT(of("lost.acme.com"), HasSubstr("it names the site gone.example.com, which is not there"));
  config_.domain.clear();
  EXPECT_THAT(of("nobody.test"), HasSubstr("answer:      404 page not_found"));
}

TEST_F(Explain, TellsOfPort80) {
  EXPECT_THAT(of("http://erp.acme.com/x"), HasSubstr("answer:      308 to https://erp.acme.com/x\n"));
  EXPECT_THAT(of("http://erp.acme.com/.well-known/acme-challenge/t"),
              HasSubstr("answer:      301 to http://ssl.example.com/.well-known/acme-challenge/t\n"));
  config_.redirect_to_https = false;
  EXPECT_THAT(of("http://erp.acme.com/x"), HasSubstr("answer:      the server's"));
}

TEST_F(Explain, TellsOfThisProxysOwnName) {
  EXPECT_THAT(of("n1.example.com"), HasSubstr("answer:      200 the home page\n"));
  EXPECT_THAT(of("n1.example.com/x"), HasSubstr("answer:      404 "));
}

TEST_F(Explain, RefusesWhatIsNoUrl) {
  for (const std::string url :
       {"ftp://a.test/", "https://", "https://a.test:x/", "https://a..test/", "https://[::1/", "https://[zz]/", ""}) {
    const auto text = explain(config_, snapshot_, certificates_, url);
    ASSERT_FALSE(text) << url;
    EXPECT_EQ(text.error().reason, Reason::kInvalid);
    EXPECT_NE(text.error().detail, "");
  }
}

}  // namespace
}  // namespace hybridge
