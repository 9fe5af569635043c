#include "admin/events_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "admin/hold_store.h"
#include "tests/admin/api_world.h"

namespace hybridge {
namespace {

using test::ApiWorld;
using test::code_of;
using test::FakeStream;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct EventsWorld : ApiWorld {
  ~EventsWorld() {
    for (auto& stream : readers) {
      stream->leave();
      while (!stream->is_finished() && !stream->reset_reason()) queue.run_one();
    }
  }

  // A reader that stays.
  FakeStream& follow(std::string target, std::string last_event_id = "") {
    FakeStream::Request request{.target = std::move(target), .peer = "unix"};
    if (!last_event_id.empty()) request.headers.emplace_back("Last-Event-ID", last_event_id);
    readers.push_back(std::make_unique<FakeStream>(std::move(request)));
    spawn(api->serve(*readers.back()));
    while (!readers.back()->is_head_sent()) queue.run_one();
    return *readers.back();
  }
  void run_until(const FakeStream& stream, std::string_view text) {
    while (stream.body().find(text) == std::string::npos) queue.run_one();
  }
  void change(int number) { put("/v1/hosts/h" + std::to_string(number) + ".test", R"({"redirect":"a.test"})"); }

  std::vector<std::unique_ptr<FakeStream>> readers;
};

// `event revision` of each event that was streamed.
std::vector<std::string> told(const FakeStream& stream) {
  std::vector<std::string> events;
  std::istringstream lines(stream.body());
  std::string kind;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("event: ")) kind = line.substr(7);
    if (!line.starts_with("data: ")) continue;
    const auto data = boost::json::parse(line.substr(6)).as_object();
    events.push_back(kind + (data.contains("revision") ? " " + std::to_string(data.at("revision").as_int64()) : ""));
  }
  return events;
}

TEST(EventsApi, TellsAChangeWhenItIsServed) {
  EventsWorld world;
  auto& reader = world.follow("/v1/events");
  EXPECT_EQ(reader.status(), 200);
  EXPECT_EQ(reader.header("Content-Type"), "text/event-stream");
  world.change(1);
  world.run_until(reader, "\n\n");
  EXPECT_THAT(reader.body(), StartsWith("id: 1-1000\nevent: change\ndata: {\"revision\":1,\"at\":\""));
  EXPECT_THAT(reader.body(), HasSubstr(R"("who":"boss","action":"PUT /v1/hosts/h1.test","changes":[{"kind":"host",)"
                                       R"("name":"h1.test","after":{"redirect":"a.test"}}],"count":1})"));
  EXPECT_FALSE(reader.is_finished());
}

TEST(EventsApi, TellsWhatIsNoRevisionToo) {
  EventsWorld world;
  auto& reader = world.follow("/v1/events");
  world.events.add(EventKind::kHold, R"({"id":"w1","state":"draining"})");
  world.run_until(reader, "draining");
  EXPECT_EQ(reader.body(), "id: 0-1000\nevent: hold\ndata: {\"id\":\"w1\",\"state\":\"draining\"}\n\n");
}

TEST(EventsApi, GoesOnFromARevision) {
  EventsWorld world;
  for (int i = 1; i <= 4; ++i) world.change(i);
  auto& reader = world.follow("/v1/events?from=2");
  world.run_until(reader, "h4.test");
  EXPECT_THAT(told(reader), ElementsAre("change 3", "change 4"));
}

TEST(EventsApi, TakesWhatTheLogNoLongerHasFromTheAudit) {
  EventsWorld world;
  for (int i = 1; i <= 12; ++i) world.change(i);
  auto& reader = world.follow("/v1/events?from=0");
  world.run_until(reader, "h12.test");
  world.change(13);
  world.run_until(reader, "h13.test");
  std::vector<std::string> all;
  for (int i = 1; i <= 13; ++i) all.push_back("change " + std::to_string(i));
  EXPECT_EQ(told(reader), all) << "each once, in their order";
}

TEST(EventsApi, ResumesBehindTheEventThatWasReadLast) {
  EventsWorld world;
  world.change(1);
  world.events.add(EventKind::kHold, "{}");
  world.events.add(EventKind::kHealth, "{}");
  world.change(2);
  auto& reader = world.follow("/v1/events?from=0", "1-1001");
  world.run_until(reader, "h2.test");
  EXPECT_THAT(told(reader), ElementsAre("health", "change 2"));
}

TEST(EventsApi, ResumesBehindARevisionOfAnotherRun) {
  EventsWorld world;
  for (int i = 1; i <= 3; ++i) world.change(i);
  auto& reader = world.follow("/v1/events", "2-77");
  world.run_until(reader, "h3.test");
  EXPECT_THAT(told(reader), ElementsAre("change 3"));
}

TEST(EventsApi, TellsWhatTheAuditHasForgotten) {
  EventsWorld world;
  for (int i = 1; i <= 12; ++i) world.change(i);
  ASSERT_TRUE(world.store->database().execute("DELETE FROM audit WHERE revision < 4"));
  auto& reader = world.follow("/v1/events?from=1");
  world.run_until(reader, "h12.test");
  EXPECT_THAT(told(reader).at(0), "gap 3");
  EXPECT_THAT(told(reader).at(1), "change 4");
}

TEST(EventsApi, TellsOfNoChangeWhereAWindowHasItsLineInTheAudit) {
  EventsWorld world;
  for (int i = 1; i <= 12; ++i) world.change(i);
  auto holds = HoldStore::open(world.directory.path()).value();
  const AuditRecord line{0, 0, 11, "ci", "begin hold w1", "{}"};
  ASSERT_TRUE(holds->put({}, {&line, 1}));
  auto& reader = world.follow("/v1/events?from=1");
  world.run_until(reader, "h12.test");
  std::vector<std::string> all;
  for (int i = 2; i <= 12; ++i) all.push_back("change " + std::to_string(i));
  EXPECT_EQ(told(reader), all);
}

TEST(EventsApi, TellsThatARevisionIsOfAnotherState) {
  EventsWorld world;
  world.change(1);
  auto& reader = world.follow("/v1/events?from=99");
  world.run_until(reader, "\n\n");
  EXPECT_THAT(reader.body(), HasSubstr("that revision is not of this state"));
  world.change(2);
  world.run_until(reader, "h2.test");
  EXPECT_THAT(told(reader), ElementsAre("gap 1", "change 2"));
}

TEST(EventsApi, NamesCertificatesApart) {
  AuditRecord record{1, 0, 5, "ci", "PUT", R"({"changes":[{"kind":"certificate","name":"a.test"}],"count":1})"};
  EXPECT_EQ(event_of(record)->kind, EventKind::kCertificate);
  record.detail = R"({"changes":[{"kind":"certificate","name":"a"},{"kind":"host","name":"a"}],"count":2})";
  EXPECT_EQ(event_of(record)->kind, EventKind::kChange);
  record.detail = R"({"changes":[],"count":0})";
  EXPECT_FALSE(event_of(record)) << "a job of which nothing is to be told";
  record.detail = "{}";
  EXPECT_EQ(event_of(record, false)->data,
            R"({"revision":5,"at":"1970-01-01T00:00:00Z","who":"ci","action":"PUT","live":false})");
}

TEST(EventsApi, LetsGoOfAReaderThatIsTooSlow) {
  EventsWorld world;
  auto& reader = world.follow("/v1/events");
  reader.stop_taking();
  world.change(1);
  world.run_until(reader, "h1.test");
  for (int i = 2; i <= 9; ++i) world.change(i);
  reader.take_again();
  while (!reader.is_finished()) world.queue.run_one();
  EXPECT_THAT(told(reader), ElementsAre("change 1", "dropped"));
}

TEST(EventsApi, EndsWithItsClient) {
  EventsWorld world;
  auto& reader = world.follow("/v1/events");
  reader.leave();
  EXPECT_EQ(reader.reset_reason(), Reason::kClientGone);
}

TEST(EventsApi, EndsWhenAnotherProcessHasTakenOver) {
  EventsWorld world;
  auto& reader = world.follow("/v1/events");
  world.change(1);
  world.events.end();
  while (!reader.is_finished()) world.queue.run_one();
  EXPECT_THAT(told(reader), ElementsAre("change 1")) << "and what was told before is read to its end";
}

TEST(EventsApi, HasSeatsForSoMany) {
  EventsWorld world;
  for (int i = 0; i < 64; ++i) world.follow("/v1/events");
  const auto refused = world.get("/v1/events");
  EXPECT_EQ(refused->status(), 503);
  EXPECT_EQ(code_of(*refused), "too_many_readers");
  world.readers.back()->leave();
  world.readers.pop_back();
  EXPECT_EQ(world.follow("/v1/events").status(), 200);
}

TEST(EventsApi, RefusesWhatIsNoPlace) {
  EventsWorld world;
  for (const auto* from : {"x", "-1", "1-", "1-x", "1x", "99999999999999999999"}) {
    const auto refused = world.get(std::string("/v1/events?from=") + from);
    EXPECT_EQ(refused->status(), 400) << from;
    EXPECT_EQ(code_of(*refused), "bad_query");
  }
}

TEST(EventsApi, AnswersHeadWithoutEvents) {
  EventsWorld world;
  const auto answer = world.call_as("boss", {.method = "HEAD", .target = "/v1/events"});
  EXPECT_EQ(answer->status(), 200);
  EXPECT_TRUE(answer->is_finished());
}

}  // namespace
}  // namespace hybridge
