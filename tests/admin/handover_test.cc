// What a process and its successor share while one takes over from the other: the channel, what is said on it, the
// store and its lock, and the table that both serve by. The whole of it, with real processes: blackbox/test_upgrade.py.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <future>
#include <optional>
#include <thread>

#include "admin/followed_tables.h"
#include "admin/handover_channel.h"
#include "admin/handover_messages.h"
#include "admin/predecessor.h"
#include "tests/admin/api_world.h"
#include "tests/admin/older_store.h"
#include "tests/support/heir.h"

namespace hybridge {
namespace {

using testing::HasSubstr;

constexpr auto kSoon = std::chrono::seconds(10);

Site on_server() {
  Site site;
  site.server = "f1.test";
  return site;
}

struct TwoEnds {
  TwoEnds() {
    auto made = HandoverChannel::make_pair().value();
    one.emplace(std::move(made.first));
    other.emplace(std::move(made.second));
  }
  std::optional<HandoverChannel> one;
  std::optional<HandoverChannel> other;
};

std::pair<dev_t, ino_t> identity(int descriptor) {
  struct stat file {};
  EXPECT_EQ(::fstat(descriptor, &file), 0);
  return {file.st_dev, file.st_ino};
}

TEST(HandoverChannel, CarriesTextsInTheirOrder) {
  TwoEnds ends;
  ASSERT_TRUE(ends.one->send("first", {}, Clock::now() + kSoon));
  ASSERT_TRUE(ends.one->send("", {}, Clock::now() + kSoon));
  ASSERT_TRUE(ends.one->send("third", {}, Clock::now() + kSoon));
  for (const auto* text : {"first", "", "third"}) EXPECT_EQ(ends.other->receive(Clock::now() + kSoon)->text, text);
}

TEST(HandoverChannel, CarriesMoreDescriptorsThanTheKernelPassesAtOnce) {
  TwoEnds ends;
  std::vector<Descriptor> made;
  std::vector<int> numbers;
  for (int i = 0; i < 300; ++i) {
    made.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    numbers.push_back(made.back().get());
  }
  ASSERT_TRUE(ends.one->send("sockets", numbers, Clock::now() + kSoon));
  ASSERT_TRUE(ends.one->send("none", {}, Clock::now() + kSoon));
  const auto received = ends.other->receive(Clock::now() + kSoon).value();
  EXPECT_EQ(received.text, "sockets");
  ASSERT_EQ(received.descriptors.size(), 300U);
  for (std::size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(identity(received.descriptors[i].get()), identity(numbers[i]));
    EXPECT_EQ(::fcntl(received.descriptors[i].get(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_TRUE(ends.other->receive(Clock::now() + kSoon)->descriptors.empty());
}

TEST(HandoverChannel, CarriesMoreThanTheSocketHolds) {
  TwoEnds ends;
  const std::string large(20u << 20, 'x');
  std::thread sender([&] { EXPECT_TRUE(ends.one->send(large, {}, Clock::now() + kSoon)); });
  EXPECT_EQ(ends.other->receive(Clock::now() + kSoon)->text, large);
  sender.join();
}

TEST(HandoverChannel, TellsAnEndFromSilence) {
  TwoEnds ends;
  EXPECT_EQ(ends.other->receive(Clock::now()).error().reason, Reason::kIo);
  ends.one.reset();
  EXPECT_EQ(ends.other->receive(Clock::now() + kSoon).error().reason, HandoverChannel::kClosed);
  EXPECT_EQ(ends.other->send("x", {}, Clock::now() + kSoon).error().reason, HandoverChannel::kClosed);
}

TEST(HandoverChannel, RefusesWhatIsNoMessage) {
  auto ends = HandoverChannel::make_pair().value();
  ASSERT_EQ(::send(ends.first.get(), "GET / HTTP/1.1\r\n", 16, 0), 16);
  EXPECT_EQ(HandoverChannel(std::move(ends.second)).receive(Clock::now() + kSoon).error().reason, Reason::kInvalid);
}

TEST(HandoverMessages, ComeBackAsTheyWere) {
  HandoverOffer offer{
      .version = "1.2.3", .pid = 77, .state_dir = "/state", .sockets = {{"https 0.0.0.0:443", 2}}, .ticket_keys = {}};
  offer.ticket_keys.push_back({TicketKey::random(), std::chrono::minutes(3)});
  const auto back = read_offer(write_offer(offer)).value();
  EXPECT_EQ(back.version, "1.2.3");
  EXPECT_EQ(back.pid, 77);
  EXPECT_EQ(back.state_dir, "/state");
  EXPECT_EQ(back.sockets, offer.sockets);
  ASSERT_EQ(back.ticket_keys.size(), 1U);
  EXPECT_EQ(back.ticket_keys[0].key.encryption, offer.ticket_keys[0].key.encryption);
  EXPECT_EQ(back.ticket_keys[0].age, std::chrono::minutes(3));

  Host host;
  host.redirect = "b.test";
  HandoverMessage message{.word = HandoverWord::kChange, .revision = 9};
  message.changes = {put("a.test", host), deletion(Change::Kind::kSite, "gone.test")};
  const auto change = read_message(write_message(message)).value();
  EXPECT_EQ(change.word, HandoverWord::kChange);
  EXPECT_EQ(change.revision, 9U);
  ASSERT_EQ(change.changes.size(), 2U);
  EXPECT_EQ(value_of(change.changes[0]), value_of(message.changes[0]));
  EXPECT_TRUE(change.changes[1].is_deletion());
  EXPECT_EQ(change.changes[1].name, "gone.test");
}

TEST(HandoverMessages, CarryWhatIsUnderWay) {
  HandoverMessage message{.word = HandoverWord::kUnderWay, .revision = 3};
  message.stragglers = {{.method = "POST", .path = "/a", .site = "a.test", .age_ms = 1500, .is_answering = true}};
  message.cut = 2;
  const auto read = read_message(write_message(message)).value();
  EXPECT_EQ(read.word, HandoverWord::kUnderWay);
  EXPECT_EQ(read.revision, 3U);
  EXPECT_EQ(read.cut, 2U);
  ASSERT_EQ(read.stragglers.size(), 1U);
  const auto& straggler = read.stragglers.front();
  EXPECT_EQ(straggler.method + straggler.path + straggler.site, "POST/aa.test");
  EXPECT_EQ(straggler.age_ms, 1500);
  EXPECT_TRUE(straggler.is_answering);
}

TEST(HandoverMessages, PassOverWhatALaterVersionAddsAndRefuseWhatTheyDoNotKnow) {
  EXPECT_TRUE(read_message(R"({"word":"serving","later":{"x":1}})"));
  EXPECT_THAT(read_message(R"({"word":"dance"})").error().detail, HasSubstr("\"dance\""));
  EXPECT_FALSE(read_message("word"));
  EXPECT_FALSE(read_message(R"({"word":"change","changes":[{"kind":"site","name":"a","value":{"sever":"x"}}]})"));
  EXPECT_THAT(read_offer(R"({"handover":1})").error().detail, HasSubstr("protocol 1, not 2"));
  EXPECT_FALSE(read_offer(R"({"handover":2,"ticket_keys":[{"name":"00"}]})"));
}

TEST(TicketKeyring, GoesOnWithTheKeysOfAnEarlierProcess) {
  const auto now = Clock::now();
  TicketKeyring first(now, std::chrono::hours(8));
  ASSERT_TRUE(first.rotate(now + std::chrono::hours(9)));
  const auto later = now + std::chrono::hours(10);
  TicketKeyring second(later, std::chrono::hours(8), std::chrono::hours(24), first.aged(later));
  ASSERT_EQ(second.keys()->keys().size(), 2U);
  EXPECT_EQ(second.keys()->keys().front().name, first.keys()->keys().front().name);
  EXPECT_EQ(second.next_rotation(), first.next_rotation());
  EXPECT_FALSE(second.rotate(later));
  EXPECT_TRUE(second.rotate(second.next_rotation()));
}

// ---- The store ----

TEST(Store, IsNeverWithoutItsLockWhileItIsHandedOver) {
  TemporaryDirectory directory;
  auto old = Store::open(directory.path(), Store::Access::kServe).value();
  auto fresh = Store::open(directory.path(), Store::Access::kServe, Descriptor(::dup(old->lock_descriptor())));
  ASSERT_TRUE(fresh);
  old->leave_lock();
  EXPECT_EQ(Store::open(directory.path(), Store::Access::kServe).error().reason, Reason::kConflict);
  fresh->reset();
  EXPECT_TRUE(Store::open(directory.path(), Store::Access::kServe));
}

TEST(Store, DoesNotTakeTheLockOfAnotherStateForItsOwn) {
  TemporaryDirectory one;
  TemporaryDirectory other;
  const auto held = Store::open(one.path(), Store::Access::kServe).value();
  const auto elsewhere = Store::open(other.path(), Store::Access::kServe).value();
  EXPECT_FALSE(Store::open(one.path(), Store::Access::kServe, Descriptor(::dup(elsewhere->lock_descriptor()))));
}

// POSIX: whoever closes any descriptor of a file loses its locks on it. A process that reads the state already must
// keep SQLite's when it opens the store, or the log is removed under it when the other process ends.
TEST(Store, KeepsTheLocksOfAReaderThatWasThereBefore) {
  TemporaryDirectory directory;
  auto store = Store::open(directory.path(), Store::Access::kServe).value();
  store.reset();
  const auto child = ::fork();
  if (child == 0) {
    // No exec, no threads: what happens here is SQLite's and the kernel's.
    auto reader = StateReader::open(directory.path());
    auto writer = reader ? Store::open(directory.path(), Store::Access::kServe) : reader.error();
    if (!writer || !(*reader)->load()) ::_exit(2);
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = 0x40000002;  // SQLite's shared bytes: sqlite.org/fileformat2, the lock-byte page
    range.l_len = 510;
    const auto asking = ::fork();
    if (asking == 0) {
      const int file = ::open((directory.path() + "/state.db").c_str(), O_RDWR);
      ::_exit(::fcntl(file, F_GETLK, &range) == 0 && range.l_type == F_RDLCK ? 0 : 1);
    }
    int status = 1;
    ::waitpid(asking, &status, 0);
    ::_exit(WEXITSTATUS(status));
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(StateReader, RehearsesTheNewSchemaBesideAProcessThatHasTheOldOne) {
  TemporaryDirectory directory;
  auto old = Store::open(directory.path(), Store::Access::kServe).value();
  StoreWrite write;
  write.revision = 1;
  write.changes = {put("acme.test", on_server())};
  ASSERT_TRUE(old->commit(std::vector{write}));
  ASSERT_TRUE(old->database().execute(test::kBackToVersion1));
  auto reader = StateReader::open_beside_older(directory.path()).value();
  EXPECT_TRUE(reader->reads_copy());
  EXPECT_TRUE(reader->load()->snapshot.has_site("acme.test"));
  EXPECT_EQ(old->database().number("PRAGMA user_version").value(), 1);  // untouched
  EXPECT_FALSE(reader->reopen());
  EXPECT_TRUE(reader->load()) << "a failed reopen() leaves it as it was";

  auto fresh = Store::open(directory.path(), Store::Access::kServe, Descriptor(::dup(old->lock_descriptor())));
  ASSERT_TRUE(fresh);
  ASSERT_TRUE(reader->reopen());
  EXPECT_FALSE(reader->reads_copy());
  EXPECT_TRUE(reader->load()->snapshot.has_site("acme.test"));
  reader.reset();
  fresh->reset();
  old.reset();
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::Not(testing::Contains(testing::StartsWith("upgrade"))));
}

TEST(StateReader, ReadsThePresentSchemaWithoutACopy) {
  TemporaryDirectory directory;
  const auto store = Store::open(directory.path(), Store::Access::kServe).value();
  EXPECT_FALSE(StateReader::open_beside_older(directory.path()).value()->reads_copy());
}

// ---- Writes and tables ----

Write put_site(const std::string& name) {
  Write write;
  write.plan = [name](const Tip&) {
    Plan plan;
    plan.changes = {put(name, on_server())};
    return plan;
  };
  return write;
}

struct Submission {
  Submission(Publisher& publisher, const std::string& site) {
    publisher.submit(put_site(site), [this](const Outcome& made) { promise.set_value(made); });
  }
  std::promise<Outcome> promise;
  std::future<Outcome> outcome = promise.get_future();
};

void pause(Publisher& publisher) {
  std::promise<void> paused;
  publisher.pause([&] { paused.set_value(); });
  paused.get_future().get();
}

TEST(Publisher, KeepsWritesWaitingWhileItIsPaused) {
  test::ApiWorld world;
  Submission before(*world.publisher, "before.test");
  pause(*world.publisher);
  EXPECT_TRUE(world.reader->load()->snapshot.has_site("before.test"));
  EXPECT_EQ(before.outcome.get().kind, Outcome::Kind::kAccepted);
  Submission during(*world.publisher, "during.test");
  Submission more(*world.publisher, "more.test");
  pause(*world.publisher);  // behind whatever could have run by now
  EXPECT_EQ(during.outcome.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  world.publisher->resume();
  EXPECT_EQ(during.outcome.get().kind, Outcome::Kind::kAccepted);
  EXPECT_EQ(more.outcome.get().kind, Outcome::Kind::kAccepted);
  EXPECT_TRUE(world.workers.snapshot->has_site("more.test"));
}

TEST(Publisher, RefusesWritesOnceItHasRetired) {
  test::ApiWorld world;
  pause(*world.publisher);
  Submission waiting(*world.publisher, "waiting.test");
  world.publisher->retire(make_error(Reason::kConflict, "somebody else writes"));
  Submission late(*world.publisher, "late.test");
  for (auto* each : {&waiting, &late}) {
    const auto outcome = each->outcome.get();
    EXPECT_EQ(outcome.kind, Outcome::Kind::kNotStored);
    EXPECT_EQ(outcome.error.detail, "somebody else writes");
  }
  EXPECT_EQ(world.reader->load()->snapshot.site_count(), 0U);
}

TEST(Publisher, ServesByWhatItFollowsWithoutStoringIt) {
  test::ApiWorld world;
  pause(*world.publisher);
  world.publisher->retire(make_error(Reason::kConflict, "somebody else writes"));
  std::promise<void> live;
  world.publisher->follow({put("followed.test", on_server())}, 41, [&] { live.set_value(); });
  live.get_future().get();
  EXPECT_TRUE(world.workers.snapshot->has_site("followed.test"));
  EXPECT_EQ(world.publisher->tip().snapshot->revision(), 41U);
  EXPECT_EQ(world.reader->load()->snapshot.site_count(), 0U);
}

// With tables of its own.
struct Following : test::Heir {
  Following() {
    serve();
    tables.emplace(workers, *predecessor, std::make_shared<const Snapshot>());
  }
  std::future<void> publish(const std::string& site, std::uint64_t revision) {
    table = std::make_shared<const Snapshot>(apply(*table, {put(site, on_server())}, revision));
    auto live = std::make_shared<std::promise<void>>();
    tables->publish(table, [live] { live->set_value(); });
    return live->get_future();
  }

  test::ObedientWorkers workers;
  std::optional<FollowedTables> tables;
  std::shared_ptr<const Snapshot> table = std::make_shared<const Snapshot>();
};

TEST(FollowedTables, AreLiveWhenTheOtherProcessServesByThemToo) {
  Following following;
  auto first = following.publish("a.test", 1);
  auto second = following.publish("b.test", 2);
  for (const auto* name : {"a.test", "b.test"}) {
    const auto change = following.read();
    EXPECT_EQ(change.word, HandoverWord::kChange);
    ASSERT_EQ(change.changes.size(), 1U);
    EXPECT_EQ(change.changes[0].name, name);
  }
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  following.say({.word = HandoverWord::kLive, .revision = 1});
  EXPECT_EQ(first.wait_for(kSoon), std::future_status::ready);
  EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  following.say({.word = HandoverWord::kLive, .revision = 2});
  EXPECT_EQ(second.wait_for(kSoon), std::future_status::ready);
}

TEST(FollowedTables, AreLiveWhenTheOtherProcessHasEnded) {
  Following following;
  auto untaken = following.publish("a.test", 1);
  following.other.reset();
  EXPECT_EQ(untaken.wait_for(kSoon), std::future_status::ready);
  EXPECT_EQ(following.publish("b.test", 2).wait_for(kSoon), std::future_status::ready);
  EXPECT_TRUE(following.workers.snapshot->has_site("b.test"));
}

}  // namespace
}  // namespace hybridge
