#include "admin/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "admin/schema.h"
#include "admin/state_reader.h"
#include "routing/snapshot_json.h"
#include "tests/admin/older_store.h"
#include "tests/support/temporary_directory.h"

namespace hybridge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<Store> open(const TemporaryDirectory& directory) {
  return Store::open(directory.path(), Store::Access::kServe).value();
}

LoadedState load(const TemporaryDirectory& directory) {
  return StateReader::open(directory.path()).value()->load().value();
}

Host to_site(std::string site) {
  return {std::move(site), "", false, false};
}

StoreWrite write_of(std::uint64_t revision, std::vector<Change> changes) {
  StoreWrite write;
  write.revision = revision;
  write.changes = std::move(changes);
  write.audit = {0, 1'700'000'000'000, revision, "ci", "PUT /v1/snapshot", "{}"};
  return write;
}

CertificateRecord certificate(std::string host, std::string chain = "CHAIN", std::string key = "KEY") {
  CertificateRecord record;
  record.facts = {host, 0, true, {host, "www." + host}, {"EC"}, "abcd", "CN=Test", 1'700'000'000, 1'800'000'000};
  record.pairs = {{std::move(chain), std::move(key)}};
  return record;
}

Result<void> commit(Store& store, StoreWrite write) {
  return store.commit(std::span(&write, 1));
}

constexpr std::string_view kTable =
    R"({"hosts":{"*.example.com":{},"erp.acme.com":{"site":"acme.example.com"}},)"
    R"("rules":[{"deny":{"status":404},"id":"no-admin","match":{"path":"^/admin"},"order":10}],)"
    R"("servers":{"f1":{"endpoints":[{"address":"203.0.113.7","port":80}]}},)"
    R"("sites":{"acme.example.com":{"server":"f1","status":"suspended"}}})";

std::vector<Change> all_of(std::string_view text) {
  return difference(Snapshot{}, read_snapshot(text).snapshot);
}

TEST(Store, GivesBackWhatWasCommitted) {
  TemporaryDirectory directory;
  ASSERT_TRUE(commit(*open(directory), write_of(7, all_of(kTable))));
  const auto state = load(directory);
  EXPECT_EQ(write_snapshot(state.snapshot), kTable);
  EXPECT_EQ(state.snapshot.revision(), 7U);
  EXPECT_EQ(state.revision, 7U);
  EXPECT_TRUE(state.quarantined.empty());
}

TEST(Store, IsEmptyWhenNew) {
  TemporaryDirectory directory;
  open(directory);
  const auto state = load(directory);
  EXPECT_EQ(state.revision, 0U);
  EXPECT_EQ(state.snapshot.host_count() + state.snapshot.site_count() + state.snapshot.server_count(), 0U);
  EXPECT_EQ(state.certificates.size(), 0U);
}

TEST(Store, DeletesAndReplacesSingleRecords) {
  TemporaryDirectory directory;
  auto store = open(directory);
  ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
  ASSERT_TRUE(commit(
      *store,
      write_of(2, {put("acme.example.com", Site{"f2", SiteStatus::kActive, false}),
                   deletion(Change::Kind::kHost, "*.example.com"), deletion(Change::Kind::kServer, "f1"),
                   deletion(Change::Kind::kRule, "no-admin"), deletion(Change::Kind::kSite, "was never there")})));
  EXPECT_EQ(write_snapshot(load(directory).snapshot),
            R"({"hosts":{"erp.acme.com":{"site":"acme.example.com"}},"rules":[],"servers":{},)"
            R"("sites":{"acme.example.com":{"server":"f2"}}})");
}

TEST(Store, KeepsCertificatesWithTheirFacts) {
  TemporaryDirectory directory;
  auto store = open(directory);
  StoreWrite write = write_of(3, {});
  write.certificates = {certificate("erp.acme.com"), certificate("*.example.com")};
  write.certificates[1].pairs.push_back({"RSA CHAIN", "RSA KEY"});
  ASSERT_TRUE(commit(*store, write));

  auto reader = StateReader::open(directory.path()).value();
  const auto facts = reader->certificate("erp.acme.com").value();
  EXPECT_EQ(facts.version, 3U);
  EXPECT_TRUE(facts.covers_host);
  EXPECT_THAT(facts.names, ElementsAre("erp.acme.com", "www.erp.acme.com"));
  EXPECT_THAT(facts.key_types, ElementsAre("EC"));
  EXPECT_EQ(facts.fingerprint, "abcd");
  EXPECT_EQ(facts.issuer, "CN=Test");
  EXPECT_EQ(facts.not_before, 1'700'000'000);
  EXPECT_EQ(facts.not_after, 1'800'000'000);
  const auto pairs = reader->pairs("*.example.com").value();
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].chain, "CHAIN");
  EXPECT_EQ(pairs[1].key, "RSA KEY");

  const auto state = reader->load().value();
  EXPECT_EQ(state.certificates.size(), 2U);
  EXPECT_EQ(state.certificates.own("erp.acme.com")->version, 3U);
  EXPECT_EQ(state.certificates.find("www.example.com")->name, "*.example.com");
  EXPECT_EQ(state.snapshot.revision(), 0U) << "certificates do not change the routing document";
  EXPECT_EQ(state.revision, 3U);
}

TEST(Store, ReplacesAndRemovesCertificates) {
  TemporaryDirectory directory;
  auto store = open(directory);
  StoreWrite first = write_of(1, {});
  first.certificates = {certificate("a.test", "OLD", "OLD"), certificate("b.test")};
  first.certificates[0].pairs.push_back({"OLD RSA", "OLD RSA"});
  ASSERT_TRUE(commit(*store, first));
  StoreWrite second = write_of(2, {});
  second.certificates = {certificate("a.test", "NEW", "NEW")};
  second.removed_certificates = {"b.test"};
  ASSERT_TRUE(commit(*store, second));

  auto reader = StateReader::open(directory.path()).value();
  ASSERT_EQ(reader->pairs("a.test").value().size(), 1U);
  EXPECT_EQ(reader->pairs("a.test").value()[0].chain, "NEW");
  EXPECT_EQ(reader->pairs("b.test").error().reason, Reason::kNotFound);
  EXPECT_EQ(reader->certificate("b.test").error().detail, "no certificate is stored for \"b.test\"");
}

TEST(Store, ListsCertificatesByNameInPieces) {
  TemporaryDirectory directory;
  auto store = open(directory);
  StoreWrite write = write_of(1, {});
  for (const char* host : {"c.test", "a.test", "b.test"}) write.certificates.push_back(certificate(host));
  ASSERT_TRUE(commit(*store, write));
  auto reader = StateReader::open(directory.path()).value();
  const auto names = [&](std::string_view after, std::size_t limit) {
    std::vector<std::string> found;
    for (const auto& facts : reader->certificates(after, limit).value()) found.push_back(facts.host);
    return found;
  };
  EXPECT_THAT(names("", 2), ElementsAre("a.test", "b.test"));
  EXPECT_THAT(names("b.test", 2), ElementsAre("c.test"));
  EXPECT_THAT(names("c.test", 2), IsEmpty());
}

TEST(Store, NotesWhoChangedWhat) {
  TemporaryDirectory directory;
  auto store = open(directory);
  ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
  ASSERT_TRUE(commit(*store, write_of(2, {})));
  const auto audit = StateReader::open(directory.path()).value()->audit(10).value();
  ASSERT_EQ(audit.size(), 2U);
  EXPECT_EQ(audit[0].revision, 2U);
  EXPECT_EQ(audit[1].who, "ci");
  EXPECT_EQ(audit[1].action, "PUT /v1/snapshot");
  ASSERT_TRUE(store->forget_audit_before(1'800'000'000'000, 1).value() == 1U);
  EXPECT_EQ(StateReader::open(directory.path()).value()->audit(10).value().at(0).revision, 2U)
      << "the oldest goes first";
  ASSERT_TRUE(store->forget_audit_before(1'800'000'000'000, 10).value() == 1U);
  EXPECT_TRUE(StateReader::open(directory.path()).value()->audit(10).value().empty());
}

TEST(Store, CommitsAllWritesOrNone) {
  TemporaryDirectory directory;
  auto store = open(directory);
  ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
  // As full as it will ever be: no page more.
  const auto pages = store->database().number("PRAGMA page_count").value();
  ASSERT_TRUE(store->database().execute(("PRAGMA max_page_count = " + std::to_string(pages)).c_str()));
  std::vector<StoreWrite> writes = {write_of(2, {put("first.test", Site{"f1", SiteStatus::kActive, false})})};
  writes.push_back(write_of(3, {}));
  for (int i = 0; i < 1000; ++i)
    writes.back().changes.push_back(put("h" + std::to_string(i) + ".test", to_site("x.test")));
  const auto refused = store->commit(writes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kIo);
  EXPECT_EQ(refused.error().detail, (directory / "state.db") + ": the disk is full");
  EXPECT_EQ(write_snapshot(load(directory).snapshot), kTable);

  // And goes on when there is room again.
  ASSERT_TRUE(store->database().execute("PRAGMA max_page_count = 1000000"));
  ASSERT_TRUE(store->commit(writes));
  EXPECT_EQ(load(directory).revision, 3U);
}

TEST(Store, IsReadableByNobodyElse) {
  TemporaryDirectory directory;
  const std::string inner = directory / "made/for/it";
  const auto store = Store::open(inner, Store::Access::kServe).value();
  ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
  const auto mode = [](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode(inner), 0700U);
  for (const char* name : {"/state.db", "/state.db-wal", "/state.db-shm", "/state.lock"})
    EXPECT_EQ(mode(inner + name), 0600U) << name;
}

TEST(Store, TakesRightsBackThatAnOlderFileGave) {
  TemporaryDirectory directory;
  open(directory);
  ASSERT_EQ(::chmod((directory / "state.db").c_str(), 0644), 0);
  open(directory);
  struct stat status {};
  ASSERT_EQ(::stat((directory / "state.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(Store, ServesOneProcessAtATime) {
  TemporaryDirectory directory;
  auto first = open(directory);
  const auto second = Store::open(directory.path(), Store::Access::kServe);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, Reason::kConflict);
  EXPECT_THAT(second.error().detail,
              HasSubstr("is in use by another hybridge (process " + std::to_string(::getpid()) + ")"));
  first.reset();
  EXPECT_TRUE(Store::open(directory.path(), Store::Access::kServe));
}

TEST(Store, LetsCommandsInBesideTheOneThatServes) {
  TemporaryDirectory directory;
  const auto serving = open(directory);
  const auto command = Store::open(directory.path(), Store::Access::kCommand);
  ASSERT_TRUE(command);
  EXPECT_TRUE((*command)->add_token({"ci", Role::kRoute, sha256("x"), 1}));
}

TEST(Store, KeepsJobsWithTheWriteTheyBelongTo) {
  TemporaryDirectory directory;
  auto store = open(directory);
  auto write = write_of(3, all_of(kTable));
  write.jobs = {
      {1'000'001, "faefbd3550", "Add Site to Upstream", false, 1'700'000'000'000'000, 3, {"A", "B"}, {0, 4, 9}, "{}"},
      {1'000'002, "", "Add Host to Proxy", true, 1'800'000'000'000'000, 3, {"C"}, {}, "{\"traceback\":\"x\"}"}};
  ASSERT_TRUE(commit(*store, write));
  const auto reader = StateReader::open(directory.path()).value();
  EXPECT_EQ(reader->highest_job().value(), 1'000'002);
  const std::vector<std::string> names = {"faefbd3550", "unknown", ""};
  const auto found = reader->jobs(names).value();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, 1'000'001);
  EXPECT_THAT(found[0].steps, ElementsAre("A", "B"));
  EXPECT_THAT(found[0].times, ElementsAre(0, 4, 9));
  const std::vector<std::int64_t> ids = {1'000'002, 7};
  ASSERT_EQ(reader->jobs(ids).value().size(), 1U);
  EXPECT_TRUE(reader->jobs(ids).value()[0].failed);
  EXPECT_EQ(reader->newest_jobs(1).value()[0].id, 1'000'002);
  ASSERT_TRUE(store->forget_jobs_before(1'750'000'000'000'000, 10));
  EXPECT_EQ(reader->newest_jobs(9).value().size(), 1U);
  // The highest stays, however old: ids are never given twice.
  ASSERT_TRUE(store->forget_jobs_before(1'900'000'000'000'000, 10));
  EXPECT_EQ(reader->highest_job().value(), 1'000'002);
}

TEST(Store, KeepsReceiptsForAWhile) {
  TemporaryDirectory directory;
  auto store = open(directory);
  auto write = write_of(1, all_of(kTable));
  write.receipts = {{"ci", "k1", sha256("call"), 100, 200, "application/json", "{}"}};
  ASSERT_TRUE(commit(*store, write));
  ASSERT_TRUE(store->put_receipt({"ci", "k2", sha256("other"), 200, 202, "application/json", "{\"live\":false}"}));
  const auto reader = StateReader::open(directory.path()).value();
  const auto found = reader->receipt("ci", "k2").value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->fingerprint, sha256("other"));
  EXPECT_EQ(found->status, 202);
  EXPECT_EQ(found->body, "{\"live\":false}");
  EXPECT_FALSE(reader->receipt("another", "k2").value()) << "a receipt is its caller's own";
  EXPECT_EQ(store->forget_receipts_before(200, 10).value(), 1U);
  EXPECT_FALSE(reader->receipt("ci", "k1").value());
  EXPECT_TRUE(reader->receipt("ci", "k2").value());
}

TEST(Store, KeepsSecretsByTheirNames) {
  TemporaryDirectory directory;
  auto store = open(directory);
  const auto reader = StateReader::open(directory.path()).value();
  EXPECT_EQ(reader->secret("agent_password").error().reason, Reason::kNotFound);
  auto write = write_of(1, {});
  write.secrets = {{"agent_password", "one"}};
  ASSERT_TRUE(commit(*store, write));
  EXPECT_EQ(reader->secret("agent_password").value(), "one");
  ASSERT_TRUE(store->put_secret("agent_password", "two"));
  EXPECT_EQ(reader->secret("agent_password").value(), "two");
}

TEST(Store, RefusesANewerSchema) {
  TemporaryDirectory directory;
  ASSERT_TRUE(open(directory)->database().execute("PRAGMA user_version = 99"));
  const auto refused = Store::open(directory.path(), Store::Access::kServe);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kConflict);
  EXPECT_THAT(refused.error().detail, HasSubstr("has schema version 99, this hybridge knows " +
                                                std::to_string(kSchemaVersion) + ": run the newer hybridge"));
  EXPECT_EQ(StateReader::open(directory.path()).error().reason, Reason::kConflict);
}

TEST(Store, BringsAnOlderSchemaUpToDate) {
  TemporaryDirectory directory;
  {
    const auto store = open(directory);
    ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
    ASSERT_TRUE(store->database().execute(test::kBackToVersion1));
  }
  const auto older = StateReader::open(directory.path());
  ASSERT_FALSE(older);
  EXPECT_THAT(older.error().detail, HasSubstr("has the older schema version 1: `hybridge run` brings it up to date"));
  ASSERT_TRUE(Store::open(directory.path(), Store::Access::kServe));
  const auto state = StateReader::open(directory.path()).value()->load();
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->snapshot.has_site("acme.example.com"));
  EXPECT_TRUE(state->snapshot.rules()->empty());
}

TEST(Store, RefusesWhatIsNoStore) {
  TemporaryDirectory directory;
  std::ofstream(directory / "state.db")
      << "this is a text of more than a hundred bytes, so that it is longer than the header "
         "of a database, which it is not in any way";
  const auto refused = Store::open(directory.path(), Store::Access::kServe);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kInvalid);
  EXPECT_THAT(refused.error().detail, HasSubstr("is damaged (file is not a database)"));
}

TEST(Store, RefusesTheDatabaseOfAnotherProgram) {
  TemporaryDirectory directory;
  std::ofstream(directory / "state.db").close();
  auto foreign = Database::open(directory / "state.db", Database::Access::kReadWrite).value();
  ASSERT_TRUE(foreign->execute("CREATE TABLE bookmarks (url TEXT)"));
  const auto refused = Store::open(directory.path(), Store::Access::kServe);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("is an SQLite database, but not Hybridge's"));
}

TEST(Store, FindsDamagedPages) {
  TemporaryDirectory directory;
  {
    auto store = open(directory);
    StoreWrite write = write_of(1, {});
    for (int i = 0; i < 2000; ++i) write.changes.push_back(put("h" + std::to_string(i) + ".test", to_site("x.test")));
    ASSERT_TRUE(commit(*store, write));
    ASSERT_TRUE(StateReader::open(directory.path()).value()->check_integrity());
  }
  const auto size = std::filesystem::file_size(directory / "state.db");
  ASSERT_GT(size, 100'000U);
  std::fstream file(directory / "state.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 2 / 4096 * 4096));
  file << std::string(4096, '\xee');
  file.close();
  const auto refused = Store::open(directory.path(), Store::Access::kCommand);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kInvalid);
  EXPECT_THAT(refused.error().detail, HasSubstr("is damaged"));
}

TEST(Store, SaysWhenTheDirectoryCannotBeMade) {
  const auto refused = Store::open("/proc/hybridge", Store::Access::kServe);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::kIo);
  EXPECT_THAT(refused.error().detail, HasSubstr("/proc/hybridge: cannot be made"));
}

TEST(StateReader, LeavesDamagedRecordsOutAndServesTheRest) {
  TemporaryDirectory directory;
  auto store = open(directory);
  ASSERT_TRUE(commit(*store, write_of(1, all_of(kTable))));
  ASSERT_TRUE(
      store->database().execute("INSERT INTO hosts VALUES ('bad.test', '{\"site\":7}', 1);"
                                "INSERT INTO hosts VALUES ('worse.test', 'not json', 1);"
                                "INSERT INTO hosts VALUES ('NO NAME', '{}', 1);"
                                "INSERT INTO certificates VALUES ('../x', 1, 1, '', '', '', '', 0, 0)"));
  const auto state = load(directory);
  EXPECT_EQ(write_snapshot(state.snapshot), kTable);
  std::vector<std::string> paths;
  for (const auto& fault : state.quarantined.kept()) paths.push_back(fault.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre("hosts[\"NO NAME\"]", "hosts[\"bad.test\"].site",
                                                   "hosts[\"worse.test\"]", "certificates[\"../x\"]"));
}

TEST(StateReader, SaysThatThereIsNoStateYet) {
  TemporaryDirectory directory;
  const auto missing = StateReader::open(directory.path());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, Reason::kIo);
  EXPECT_THAT(missing.error().detail, HasSubstr("unable to open database file"));
}

TEST(StateReader, SeesThatAnotherConnectionWrote) {
  TemporaryDirectory directory;
  auto store = open(directory);
  auto reader = StateReader::open(directory.path()).value();
  const auto before = reader->data_version().value();
  EXPECT_EQ(reader->data_version().value(), before);
  ASSERT_TRUE(store->add_token({"ci", Role::kRoute, sha256("x"), 1}));
  EXPECT_NE(reader->data_version().value(), before);
}

TEST(Store, KeepsTokens) {
  TemporaryDirectory directory;
  auto store = open(directory);
  auto reader = StateReader::open(directory.path()).value();
  ASSERT_TRUE(store->add_token({"ci", Role::kRoute, sha256("x"), 5}));
  ASSERT_TRUE(store->add_token({"boss", Role::kAdmin, sha256("y"), 6}));
  const auto twice = store->add_token({"ci", Role::kRead, sha256("z"), 7});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason, Reason::kConflict);

  const auto tokens = reader->tokens().value();
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0].name, "boss");
  EXPECT_EQ(tokens[1].role, Role::kRoute);
  EXPECT_EQ(tokens[1].hash, sha256("x"));
  EXPECT_EQ(tokens[1].created, 5);
  EXPECT_TRUE(store->remove_token("ci").value());
  EXPECT_FALSE(store->remove_token("ci").value());
  EXPECT_EQ(reader->tokens().value().size(), 1U);
}

}  // namespace
}  // namespace hybridge
