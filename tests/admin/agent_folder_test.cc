#include "admin/agent_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "routing/snapshot_json.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace hybridge {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Folder {
 public:
  Folder() { fs::create_directories(root() + "/nginx/upstreams"); }
  std::string root() const { return directory_.path() + "/agent"; }
  void put(const std::string& path, const std::string& text) const {
    const fs::path file = root() + "/" + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  AgentFolder read() const { return read_agent_folder(root()).value(); }

 private:
  TemporaryDirectory directory_;
};

// What an agent leaves behind: two servers, a suspended site, a custom domain with its certificate, a redirect, a
// wildcard for code servers.
void fill(const Folder& folder, const test::TestAuthority& authority) {
  const auto pair = authority.issue({.names = {"erp.acme.com"}});
  folder.put("config.json", R"({"name":"n1","access_token":"$pbkdf2-sha256$29000$c2FsdA$aGFzaA"})");
  folder.put("nginx/upstreams/203.0.113.7/acme.example.com", "");
  folder.put("nginx/upstreams/203.0.113.7/late.example.com", "suspended\n");
  folder.put("nginx/upstreams/203.0.113.8/odd.example.com", "activated");
  folder.put("nginx/secondaries.json", R"({"203.0.113.7":[{"203.0.113.9":3}]})");
  folder.put("nginx/hosts/erp.acme.com/map.json", R"({"erp.acme.com":"acme.example.com"})");
  folder.put("nginx/hosts/erp.acme.com/fullchain.pem", pair.chain);
  folder.put("nginx/hosts/erp.acme.com/privkey.pem", pair.key);
  folder.put("nginx/hosts/www.acme.com/map.json", R"({"www.acme.com":"acme.example.com"})");
  folder.put("nginx/hosts/www.acme.com/redirect.json", R"({"www.acme.com":"erp.acme.com"})");
  folder.put("nginx/hosts/*.cs.example.com/map.json", R"({"*.cs.example.com":"$host"})");
  folder.put("nginx/hosts/*.cs.example.com/codeserver", "");
}

constexpr std::string_view kTable =
    R"({"hosts":{"*.cs.example.com":{"code_server":true},"erp.acme.com":{"site":"acme.example.com"},)"
    R"("www.acme.com":{"redirect":"erp.acme.com","site":"acme.example.com"}},"rules":[],)"
    R"("servers":{"203.0.113.7":{"endpoints":[{"address":"203.0.113.7","port":80,"weight":1},)"
    R"({"address":"203.0.113.9","port":80,"weight":3}]},)"
    R"("203.0.113.8":{"endpoints":[{"address":"203.0.113.8","port":80,"weight":1}]}},)"
    R"("sites":{"acme.example.com":{"server":"203.0.113.7"},)"
    R"("late.example.com":{"server":"203.0.113.7","status":"suspended"},)"
    R"("odd.example.com":{"server":"203.0.113.8"}}})";

TEST(AgentFolder, IsTakenOver) {
  Folder folder;
  const test::TestAuthority authority;
  fill(folder, authority);
  const auto read = folder.read();
  EXPECT_EQ(write_snapshot(read.snapshot), kTable);
  ASSERT_EQ(read.certificates.size(), 1U);
  EXPECT_EQ(read.certificates[0].facts.host, "erp.acme.com");
  EXPECT_EQ(read.access_token, "$pbkdf2-sha256$29000$c2FsdA$aGFzaA");
  EXPECT_THAT(read.notes, IsEmpty());
}

TEST(AgentFolder, IsWrittenAsItWasRead) {
  Folder folder, written;
  const test::TestAuthority authority;
  fill(folder, authority);
  const auto read = folder.read();
  std::vector<std::string> notes;
  fs::remove_all(written.root());
  ASSERT_TRUE(write_agent_folder(written.root(), read, notes));
  EXPECT_THAT(notes, IsEmpty());
  const auto again = written.read();
  EXPECT_EQ(write_snapshot(again.snapshot), kTable);
  ASSERT_EQ(again.certificates.size(), 1U);
  EXPECT_EQ(again.certificates[0].pairs, read.certificates[0].pairs);
  EXPECT_EQ(again.access_token, read.access_token);
  const auto key = fs::status(written.root() + "/nginx/hosts/erp.acme.com/privkey.pem").permissions();
  EXPECT_EQ(key & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

TEST(AgentFolder, LeavesTheCertificateOfLinksWhereItIs) {
  Folder folder;
  const auto pair = test::TestAuthority().issue({.names = {"*.example.com"}});
  folder.put("tls/fullchain.pem", pair.chain);
  folder.put("tls/privkey.pem", pair.key);
  folder.put("nginx/hosts/*.example.com/map.json", R"({"default":"$host"})");
  for (const std::string name : {"fullchain.pem", "privkey.pem"}) {
    fs::create_symlink(folder.root() + "/tls/" + name, folder.root() + "/nginx/hosts/*.example.com/" + name);
  }
  const auto read = folder.read();
  EXPECT_THAT(read.certificates, IsEmpty());
  EXPECT_NE(read.snapshot.host("*.example.com"), nullptr);
  EXPECT_THAT(read.notes, ElementsAre(HasSubstr("/tls/fullchain.pem, key: ")));
}

TEST(AgentFolder, LeavesOutWhatCannotBeRight) {
  Folder folder;
  folder.put("nginx/upstreams/203.0.113.7/not a name", "");
  folder.put("nginx/hosts/a.test/map.json", "[]");
  folder.put("nginx/hosts/b.test/fullchain.pem", "garbage");
  folder.put("nginx/hosts/b.test/privkey.pem", "garbage");
  folder.put("nginx/hosts/c.test/map.json", R"({"c.test":"acme.test"})");
  const auto read = folder.read();
  EXPECT_EQ(read.notes.size(), 3U);
  EXPECT_NE(read.snapshot.host("c.test"), nullptr);
}

TEST(AgentFolder, RefusesWhatIsNone) {
  TemporaryDirectory directory;
  EXPECT_THAT(read_agent_folder(directory.path()).error().detail, HasSubstr("it has no nginx/upstreams"));
}

TEST(AgentFolder, IsNotWrittenOverAnother) {
  Folder folder;
  std::vector<std::string> notes;
  EXPECT_EQ(write_agent_folder(folder.root(), {}, notes).error().reason, Reason::kConflict);
}

TEST(AgentFolder, TellsWhatHasNoPlaceInIt) {
  TemporaryDirectory directory;
  AgentFolder folder;
  folder.snapshot = read_snapshot(R"({"servers":{"f1.test":{"endpoints":[{"address":"f1.test","port":8080}]}},
                        "rules":[{"id":"r","match":{},"class":"x"}]})")
                        .snapshot;
  std::vector<std::string> notes;
  ASSERT_TRUE(write_agent_folder(directory.path() + "/new", folder, notes));
  EXPECT_THAT(notes, ElementsAre(HasSubstr("server f1.test: "), HasSubstr("rules have no place")));
}

}  // namespace
}  // namespace hybridge
