#include "routing/snapshot_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hybridge {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string faults_of(std::string_view text) {
  std::string lines;
  const auto read = read_snapshot(text);
  for (const auto& fault : read.faults.kept()) lines += fault.path + ": " + fault.message + "\n";
  return lines;
}

// A document whose only server has this value.
std::string server_faults(const std::string& value) {
  return faults_of(R"({"servers":{"f1":)" + value + "}}");
}

constexpr std::string_view kDocument =
    R"({"hosts":{"*.example.com":{},"acme.com":{"redirect":"erp.acme.com"},"erp.acme.com":{"code_server":false,"redirect":"www.acme.com","site":"acme.example.com"}},)"
    R"("rules":[],)"
    R"("servers":{"2001:db8::7":{"endpoints":[{"address":"2001:db8::7"}]},"f1.example.com":{"agent":{"port":8443},"endpoints":[{"address":"203.0.113.7","port":80,"weight":1},{"address":"f1b.example.com","port":8080,"weight":3}],"health":{"path":"/api/method/ping?full=1"},"limits":{"connections":100,"waiting":50},"tls":{"mode":"verify","name":"f1.example.com"}}},)"
    R"("sites":{"acme.example.com":{"server":"f1.example.com","status":"active"},"beta.example.com":{"server":"f1.example.com"},"gamma.example.com":{"server":"f1.example.com","status":"suspended_saas"}}})";

TEST(SnapshotJson, GivesBackWhatItTook) {
  const auto read = read_snapshot(kDocument);
  EXPECT_EQ(faults_of(kDocument), "");
  EXPECT_EQ(write_snapshot(read.snapshot), kDocument);
}

TEST(SnapshotJson, FillsTheSnapshot) {
  const auto snapshot = read_snapshot(kDocument).snapshot;
  const auto server = snapshot.server("f1.example.com");
  ASSERT_TRUE(server);
  EXPECT_THAT(server->endpoints, ElementsAre(Endpoint{"203.0.113.7", 80, 1}, Endpoint{"f1b.example.com", 8080, 3}));
  EXPECT_EQ(server->tls, (ServerTls{ServerTls::Mode::kVerify, "f1.example.com", ""}));
  EXPECT_EQ(server->agent_port, 8443);
  EXPECT_EQ(server->limits, (ServerLimits{100, 50}));
  EXPECT_EQ(server->health_path, "/api/method/ping?full=1");
  EXPECT_EQ(snapshot.find("gamma.example.com").status, SiteStatus::kSuspendedSaas);
  EXPECT_EQ(snapshot.find("acme.com").redirect, "erp.acme.com");
}

TEST(SnapshotJson, FillsDefaults) {
  const auto snapshot = read_snapshot(R"({"servers":{"a":{"endpoints":[{"address":"203.0.113.7"}]},
                                   "b":{"endpoints":[{"address":"203.0.113.7"}],"tls":{"mode":"verify"}}}})")
                            .snapshot;
  EXPECT_THAT(snapshot.server("a")->endpoints, ElementsAre(Endpoint{"203.0.113.7", 80, 1}));
  EXPECT_THAT(snapshot.server("b")->endpoints, ElementsAre(Endpoint{"203.0.113.7", 443, 1}));
  EXPECT_EQ(snapshot.server("a")->agent_port, 443);
  EXPECT_EQ(snapshot.server("a")->health_path, "") << "as configured";
}

TEST(SnapshotJson, AnEmptyDocumentIsAnEmptyTable) {
  EXPECT_EQ(faults_of("{}"), "");
  EXPECT_EQ(write_snapshot(read_snapshot("{}").snapshot), R"({"hosts":{},"rules":[],"servers":{},"sites":{}})");
}

TEST(SnapshotJson, ServersMadeByOtherMeansAreWrittenInFull) {
  Server server;
  server.name = "f1";
  server.endpoints = {{"203.0.113.7", 80, 1}};
  EXPECT_EQ(write_server(server), R"({"endpoints":[{"address":"203.0.113.7","port":80,"weight":1}]})");
  server.tls = {ServerTls::Mode::kVerify, "x.test", "PEM"};
  server.agent_port = 8443;
  server.limits = {1, 2};
  server.health_path = "/ping";
  EXPECT_EQ(
      write_server(server),
      R"({"agent":{"port":8443},"endpoints":[{"address":"203.0.113.7","port":80,"weight":1}],)"
      R"("health":{"path":"/ping"},"limits":{"connections":1,"waiting":2},"tls":{"ca":"PEM","mode":"verify","name":"x.test"}})");
}

TEST(SnapshotJson, KeepsWhatASiteSaysOfBeingHeldByItsOwnWord) {
  constexpr std::string_view document =
      R"({"servers":{"f1":{"endpoints":[{"address":"203.0.113.7","port":80}]}},"sites":{"a.test":{"server":"f1"},)"
      R"("b.test":{"in_band":false,"server":"f1"},"c.test":{"in_band":true,"server":"f1"}}})";
  const auto snapshot = read_snapshot(document).snapshot;
  EXPECT_TRUE(snapshot.find("a.test").in_band);
  EXPECT_FALSE(snapshot.find("b.test").in_band);
  EXPECT_TRUE(snapshot.find("c.test").in_band);
  EXPECT_EQ(write_site(*snapshot.site("a.test")), R"({"server":"f1"})");
  EXPECT_EQ(write_site(*snapshot.site("b.test")), R"({"in_band":false,"server":"f1"})");
  EXPECT_EQ(write_site(*snapshot.site("c.test")), R"({"in_band":true,"server":"f1"})");
  EXPECT_EQ(faults_of(R"({"sites":{"a.test":{"server":"f1","in_band":"no"}}})"),
            "sites[\"a.test\"].in_band: must be true or false\n");
}

TEST(SnapshotJson, BringsNamesIntoTheirNormalSpelling) {
  const auto snapshot = read_snapshot(R"({"servers":{"F1.Example.com":{"endpoints":[{"address":"[2001:DB8::1]"}]}},
      "sites":{"Acme.Example.com.":{"server":"F1.example.COM"}},
      "hosts":{"ERP.acme.com":{"site":"ACME.example.com"},"*.Example.com":{},"x.test":{"redirect":"ERP.acme.com"}}})")
                            .snapshot;
  EXPECT_EQ(snapshot.find("erp.acme.com").kind, Route::Kind::kSite);
  EXPECT_EQ(snapshot.find("erp.acme.com").server().endpoints[0].address, "2001:db8::1");
  EXPECT_EQ(snapshot.find("x.test").redirect, "erp.acme.com");
}

TEST(SnapshotJson, ListsAllFaultsWithTheirPaths) {
  const auto faults = faults_of(R"({
    "servers": {"f1": {"endpoints": []}, "f 2": {"endpoints": [{"address": "203.0.113.7"}]}},
    "sites": {"acme.test": {"server": 7, "status": "Active", "colour": "red"}, "b.test": {}},
    "hosts": {"a..b": {}, "x.test": {"site": "a b", "redirect": "", "code_server": 1}},
    "rules": [{}], "extra": 1})");
  EXPECT_EQ(faults,
            "extra: is not a key here (known: servers, sites, hosts, rules)\n"
            "servers[\"f1\"].endpoints: must be a list of 1 to 256 endpoints: "
            "[{\"address\":\"203.0.113.7\",\"port\":80}]\n"
            "servers[\"f 2\"]: \"f 2\" is not a host name or IP address: \" \" does not belong in it "
            "(letters, digits and hyphen between dots)\n"
            "sites[\"acme.test\"].colour: is not a key here (known: server, status, in_band)\n"
            "sites[\"acme.test\"].server: must be a string\n"
            "sites[\"acme.test\"].status: \"Active\" is none of active, suspended, suspended_saas, deactivated\n"
            "sites[\"b.test\"].server: is missing: the name of the server it lives on\n"
            "hosts[\"a..b\"]: \"a..b\" is not a host name: a label is empty "
            "(letters, digits and hyphen between dots)\n"
            "hosts[\"x.test\"].site: \"a b\" is not a host name: \" \" does not belong in it "
            "(letters, digits and hyphen between dots)\n"
            "hosts[\"x.test\"].redirect: \"\" is not a host name: it is empty\n"
            "hosts[\"x.test\"].code_server: must be true or false\n"
            "rules[0].id: \"\" is no rule's id: letters, digits, -, _ and . are taken, 64 at most\n");
}

TEST(SnapshotJson, RefusesSectionsOfAnotherKind) {
  EXPECT_THAT(faults_of("[]"), HasSubstr(": must be an object: {\"servers\""));
  EXPECT_EQ(faults_of(R"({"servers":[],"sites":1,"hosts":null,"rules":{}})"),
            "servers: must be an object, from names to values\n"
            "sites: must be an object, from names to values\n"
            "hosts: must be an object, from names to values\n"
            "rules: must be a list\n");
  EXPECT_EQ(faults_of(R"({"sites":{"a":[]},"hosts":{"b":""},"servers":{"c":null}})"),
            "servers[\"c\"]: must be an object\n"
            "sites[\"a\"]: must be an object\n"
            "hosts[\"b\"]: must be an object\n");
}

TEST(SnapshotJson, RefusesKeysThatAreThereTwice) {
  const auto read = read_snapshot(R"({"sites":{"a.test":{"server":"x"},"a.test":{"server":"y"}},"sites":{}})");
  EXPECT_THAT(read.faults.kept(),
              ElementsAre(Fault{"sites[\"a.test\"]", "is there twice"}, Fault{"sites", "is there twice"}));
  EXPECT_FALSE(read.is_malformed);
}

TEST(SnapshotJson, RefusesTwoSpellingsOfOneName) {
  EXPECT_EQ(faults_of(R"({"hosts":{"a.test":{},"A.test":{}}})"),
            "hosts[\"A.test\"]: is the same name as \"a.test\", which is there already\n");
}

TEST(SnapshotJson, SaysWhereTheTextIsNoJson) {
  const auto read = read_snapshot("{\n  \"sites\": {,}}");
  EXPECT_TRUE(read.is_malformed);
  ASSERT_EQ(read.faults.count(), 1U);
  EXPECT_THAT(read.faults.kept()[0].message, HasSubstr("line 2, column 13"));
  for (const char* text :
       {"", "{", "{}x", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1,}", "\xff", "{\"a\":\"\xff\"}", "{'a':1}"}) {
    EXPECT_TRUE(read_snapshot(text).is_malformed) << text;
  }
}

TEST(SnapshotJson, RefusesNestingThatIsTooDeep) {
  const std::string deep = std::string(17, '[') + std::string(17, ']');
  EXPECT_THAT(faults_of(deep), HasSubstr("is nested deeper than 16 levels at line 1, column 1"));
  EXPECT_THAT(faults_of(std::string(1'000'000, '[')), HasSubstr("deeper"));
  EXPECT_THAT(faults_of(std::string(16, '[') + std::string(16, ']')), HasSubstr("must be an object"));
}

TEST(SnapshotJson, RefusesATextThatIsTooLarge) {
  EXPECT_EQ(read_snapshot("{}", {2, 16}).faults.count(), 0U);
  const auto read = read_snapshot("{} ", {2, 16});
  EXPECT_TRUE(read.is_malformed);
  EXPECT_EQ(read.faults.kept()[0].message, "has 3 bytes, the most is 2");
}

TEST(SnapshotJson, KeepsAThousandFaultsAndCountsTheRest) {
  std::string text = R"({"hosts":{)";
  for (int i = 0; i < 1500; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + ".x\":1";
  const auto read = read_snapshot(text + "}}");
  EXPECT_EQ(read.faults.count(), 1500U);
  EXPECT_EQ(read.faults.kept().size(), 1000U);
}

TEST(SnapshotJson, RefusesEndpointsThatCannotBeReached) {
  EXPECT_THAT(server_faults("{}"), HasSubstr("servers[\"f1\"].endpoints: must be a list"));
  EXPECT_THAT(server_faults(R"({"endpoints":[{}]})"), HasSubstr("endpoints[0].address: is missing"));
  EXPECT_THAT(server_faults(R"({"endpoints":[7]})"), HasSubstr("endpoints[0]: must be an object"));
  for (const char* port : {"0", "65536", "-1", "80.5", "\"80\"", "1e99", "18446744073709551615", "null"}) {
    EXPECT_THAT(server_faults(std::string(R"({"endpoints":[{"address":"a","port":)") + port + "}]}"),
                HasSubstr("servers[\"f1\"].endpoints[0].port: must be a whole number from 1 to 65535"));
  }
  EXPECT_THAT(server_faults(R"({"endpoints":[{"address":"a","weight":0}]})"),
              HasSubstr("weight: must be a whole number"));
  EXPECT_THAT(server_faults(R"({"endpoints":[{"address":"a:80"}]})"), HasSubstr("endpoints[0].address: \"a:80\""));
  EXPECT_THAT(server_faults(R"({"endpoints":[{"address":"a"},{"address":"A","port":80}]})"),
              HasSubstr("endpoints[1]: has the address and port of an endpoint before it"));
}

TEST(SnapshotJson, RefusesTlsThatCannotBeMeant) {
  const std::string begin = R"({"endpoints":[{"address":"a"}],"tls":)";
  EXPECT_THAT(server_faults(begin + "{}}"), HasSubstr("tls.mode: is missing: \"off\" or \"verify\""));
  EXPECT_THAT(server_faults(begin + "true}"), HasSubstr("tls: must be an object"));
  EXPECT_THAT(server_faults(begin + R"({"mode":"insecure"}})"), HasSubstr("\"insecure\" is neither"));
  EXPECT_THAT(server_faults(begin + R"({"mode":"verify","name":"*.x"}})"), HasSubstr("tls.name: \"*.x\" is not"));
  EXPECT_THAT(server_faults(begin + R"({"mode":"verify","ca":"x"}})"),
              HasSubstr("tls.ca: must be certificates in PEM"));
  EXPECT_THAT(server_faults(begin + R"({"mode":"verify","key":"x"}})"), HasSubstr("tls.key: is not a key here"));
}

TEST(SnapshotJson, RefusesAgentsAndLimitsOutOfRange) {
  const std::string begin = R"({"endpoints":[{"address":"a"}],)";
  EXPECT_THAT(server_faults(begin + R"("agent":{"port":0}})"), HasSubstr("agent.port: must be a whole number"));
  EXPECT_THAT(server_faults(begin + R"("agent":{"host":"x"}})"), HasSubstr("agent.host: is not a key here"));
  EXPECT_THAT(server_faults(begin + R"("limits":{"connections":0}})"), HasSubstr("limits.connections: must be"));
  EXPECT_THAT(server_faults(begin + R"("limits":{"x":0}})"), HasSubstr("limits.x: is not a key here"));
}

TEST(SnapshotJson, TakesAnyTargetAsTheHealthChecksPath) {
  const std::string begin = R"({"endpoints":[{"address":"a"}],"health":)";
  for (const std::string& path : {std::string("/"), std::string("/api/method/ping"), std::string("/a?b=c&d=%20"),
                                  "/" + std::string(1023, 'x'), std::string("/~!$'()*+,;:@[]|")}) {
    EXPECT_EQ(server_faults(begin + R"({"path":")" + path + R"("}})"), "") << path;
  }
  EXPECT_EQ(server_faults(begin + "{}}"), "");
}

TEST(SnapshotJson, RefusesAHealthChecksPathThatIsNone) {
  const auto fault = [](const std::string& health) {
    return server_faults(R"({"endpoints":[{"address":"a"}],"health":)" + health + "}");
  };
  const std::string where = R"(servers["f1"].health.path: )";
  for (const std::string path : {"", "ping", "http://a/ping", "*"}) {
    EXPECT_THAT(fault(R"({"path":")" + path + R"("})"),
                HasSubstr(where + '"' + path + "\" does not begin with a slash: a path is meant, such as /"));
  }
  EXPECT_THAT(fault(R"({"path":"/ping#top"})"), HasSubstr(where + "\"/ping#top\" has a fragment"));
  for (const std::string path : {"/a b", "/a\\r\\nX: y", "/\\u0000", "/\xc3\xa4", "/\\u007f"}) {
    EXPECT_THAT(fault(R"({"path":")" + path + R"("})"),
                AllOf(HasSubstr(where), HasSubstr("write them percent-encoded")))
        << path;
  }
  EXPECT_THAT(fault(R"({"path":"/)" + std::string(1024, 'x') + R"("})"),
              HasSubstr(where + "has 1025 bytes, the most is 1024"));
  EXPECT_THAT(fault(R"({"path":7})"), HasSubstr(where + "must be a string"));
  EXPECT_THAT(fault(R"("/ping")"), HasSubstr(R"(servers["f1"].health: must be an object)"));
  EXPECT_THAT(fault(R"({"interval":"1s"})"), HasSubstr("health.interval: is not a key here (known: path)"));
}

TEST(SnapshotJson, RefusesRedirectRings) {
  EXPECT_THAT(faults_of(R"({"hosts":{"a.test":{"redirect":"a.test"}}})"),
              HasSubstr("hosts[\"a.test\"].redirect: redirects lead in a ring: a.test → a.test"));
  EXPECT_THAT(faults_of(R"({"hosts":{"a.test":{"redirect":"b.test"},"b.test":{"redirect":"a.test"}}})"),
              HasSubstr("redirects lead in a ring"));
}

TEST(DanglingReferences, AreListedWithTheirPaths) {
  const auto snapshot = read_snapshot(R"({"sites":{"acme.test":{"server":"f9"}},
      "hosts":{"erp.acme.com":{"site":"gone.test"},"lost.test":{},"*.test":{},"www.acme.com":{"redirect":"elsewhere.example"}}})")
                            .snapshot;
  EXPECT_THAT(dangling_references(snapshot),
              ElementsAre(Fault{"hosts[\"erp.acme.com\"].site",
                                "there is no site \"gone.test\": without a redirect the host is unknown"},
                          Fault{"hosts[\"lost.test\"]",
                                "names neither a site nor a redirect, and no site has this name: the host is unknown"},
                          Fault{"sites[\"acme.test\"].server",
                                "there is no server \"f9\": the site serves as an unknown host"}));
}

TEST(DanglingReferences, AWholeTableHasNone) {
  EXPECT_TRUE(dangling_references(read_snapshot(kDocument).snapshot).empty());
}

TEST(JsonPath, QuotesKeysThatAreNoWords) {
  EXPECT_EQ(json_path("", "sites"), "sites");
  EXPECT_EQ(json_path("sites", "a.test"), "sites[\"a.test\"]");
  EXPECT_EQ(json_path("a", ""), "a[\"\"]");
  EXPECT_EQ(json_path("a[0]", "port"), "a[0].port");
}

}  // namespace
}  // namespace hybridge
