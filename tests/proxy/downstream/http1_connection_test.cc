#include "proxy/downstream/http1_connection.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/downstream_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kGotA = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGET /a ";

// ---- One request after the other ----

TEST(Http1Connection, AnswersOneRequestAfterTheOther) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  for (int i = 0; i < 3; ++i) {
    client->send(kGet);
    EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  }
  EXPECT_EQ(world.served, 3);
  EXPECT_EQ(world.opened, 1);
  EXPECT_EQ(world.closed, 0);
}

TEST(Http1Connection, ClosesWhenTheClientAsksForIt) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGET /a ");
  EXPECT_EQ(world.served, 1);
}

TEST(Http1Connection, ClosesAfterTheConfiguredNumberOfRequests) {
  DownstreamWorld world({.settings = {.requests_per_connection = 2}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  client->send(kGet);
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGET /a ");
}

TEST(Http1Connection, AnswersPipelinedRequestsInTheirOrder) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(
      "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"
      "GET /3 HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto& first = world.next_story();
  EXPECT_EQ(first.stream.request().target, "/1");
  world.runner.turns(5);
  EXPECT_EQ(world.served, 1);  // the second is not begun before the first has been answered
  answer(first.stream, 200, "one");
  first.end();
  auto& second = world.next_story();
  EXPECT_EQ(second.stream.request().target, "/2");
  const Outcome<Result<std::string>> body{read_all(second.stream)};
  ASSERT_TRUE(body.is_there());
  answer(second.stream, 200, "two");
  second.end();
  auto& third = world.next_story();
  EXPECT_EQ(third.stream.request().target, "/3");
  answer(third.stream, 200, "three");
  third.end();
  EXPECT_EQ(client->receive_until("three"),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree");
}

TEST(Http1Connection, AnswersAThousandPipelinedRequests) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  std::string requests;
  std::string answers;
  for (int i = 0; i < 1'000; ++i) {
    requests += kGet;
    answers += kGotA;
  }
  client->send(requests);
  EXPECT_EQ(client->receive(answers.size()), answers);
}

TEST(Http1Connection, UnderstandsAConversationThatComesByteByByte) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send_bytewise(
      "\r\nPOST /p?q HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
  client->send_bytewise("POST /r HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nxyz");
  EXPECT_EQ(client->receive_until("xyz"),
            "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nPOST /p?q abcde"
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nPOST /r xyz");
}

TEST(Http1Connection, RefusesByteByByteWhatItRefusesAtOnce) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const std::string bad = "GET /a HTTP/1.1\r\nHost : a.test\r\n\r\n";
  const auto whole = world.connect();
  whole->send(bad);
  const auto verdict = whole->receive_to_end();
  EXPECT_TRUE(verdict.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n")) << verdict;
  const auto bytewise = world.connect();
  bytewise->send_bytewise(bad);
  EXPECT_EQ(bytewise->receive_to_end(), verdict);
}

TEST(Http1Connection, PassesOverEmptyLinesBeforeARequestButNotManyOfThem) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  const auto refused = world.connect();
  refused->send("\r\n\r\n\r\n" + std::string(kGet));
  EXPECT_TRUE(refused->receive_to_end().starts_with("HTTP/1.1 400 "));
  const auto bytewise = world.connect();
  bytewise->send_bytewise("\r\n\r\n\r\n");
  EXPECT_TRUE(bytewise->receive_to_end().starts_with("HTTP/1.1 400 "));
}

TEST(Http1Connection, SpeaksHttp10OnceUnlessAskedToStay) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto once = world.connect();
  once->send("GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(once->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGET /a ");

  const auto stays = world.connect();
  const std::string request = "GET /a HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n";
  const std::string got = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 7\r\n\r\nGET /a ";
  stays->send(request);
  EXPECT_EQ(stays->receive(got.size()), got);
  stays->send(request);
  EXPECT_EQ(stays->receive(got.size()), got);
}

// ---- Ends ----

TEST(Http1Connection, ServesAClientThatHasHalfClosed) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  client->shutdown();
  auto& story = world.next_story();
  world.runner.turns(5);
  EXPECT_FALSE(story.stream.is_gone());
  answer(story.stream, 200, "served");
  story.end();
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved");
  world.runner.until([&] { return world.downstream.connections() == 0; });
}

TEST(Http1Connection, ServesAllThatAHalfClosedClientHadPipelined) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(std::string(kGet) + std::string(kGet));
  client->shutdown();
  EXPECT_EQ(client->receive_to_end(), std::string(kGotA) + std::string(kGotA));
}

TEST(Http1Connection, RefusesAHeadThatEndsWithTheConnection) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("GET /a HTTP/1.1\r\nHost: a.te");
  client->shutdown();
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 400 ")) << refusal;
  EXPECT_NE(refusal.find("ended inside the head"), std::string::npos) << refusal;
}

TEST(Http1Connection, ClosesAtOnceWhenAnIdleClientDoes) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  client->shutdown();
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_EQ(world.downstream.connections(), 0u);
}

TEST(Http1Connection, DiscardsWhatComesAfterTheLastAnswer) {
  DownstreamWorld world({});
  world.serve_by(ignore);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4000000\r\n\r\n");
  world.runner.until([&] { return world.served == 1; });
  client->send(std::string(4'000'000, 'u'));  // would be a reset without lingering
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nignored");
  EXPECT_FALSE(client->was_reset());
  EXPECT_EQ(world.served, 1);
}

// ---- Deadlines ----

TEST(Http1Connection, SaysWhichTimeOutASlowHeadHasPassed) {
  DownstreamWorld world({.settings = {.request_head = 100ms}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("GET /a HTTP/1.1\r\nHost: a");
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("timeouts.request_head (100 ms)"), std::string::npos) << refusal;
}

TEST(Http1Connection, GivesASlowHeadNoMoreTimeForEachByte) {
  DownstreamWorld world({.settings = {.request_head = 300ms}});
  world.serve_by(echo);
  const auto client = world.connect();
  const auto began = Clock::now();
  // A byte now and then would go on for ever if each of them put the deadline off.
  client->send("GET /");
  while (!client->has_input() && Clock::now() - began < 5s) {
    client->send("a");
    world.runner.for_at_least(50ms);
  }
  EXPECT_TRUE(client->receive_to_end().starts_with("HTTP/1.1 408 "));
}

TEST(Http1Connection, ClosesSilentlyWhenNothingWasAsked) {
  DownstreamWorld world({.settings = {.request_head = 100ms}});
  world.serve_by(echo);
  const auto client = world.connect();
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_EQ(world.served, 0);
}

TEST(Http1Connection, ClosesAnIdleConnectionSilently) {
  DownstreamWorld world({.settings = {.keep_alive = 100ms}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive_to_end(), kGotA);
  EXPECT_EQ(world.served, 1);
}

TEST(Http1Connection, StaysWhileRequestsComeWithinTheIdleTime) {
  DownstreamWorld world({.settings = {.keep_alive = 1s}});
  world.serve_by(echo);
  const auto client = world.connect();
  for (int i = 0; i < 6; ++i) {
    client->send(kGet);
    ASSERT_EQ(client->receive(kGotA.size()), kGotA);
    world.runner.for_at_least(250ms);
  }
}

TEST(Http1Connection, SaysWhichTimeOutASlowBodyHasPassed) {
  DownstreamWorld world({.settings = {.body_idle = 100ms}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("timeouts.body_idle (100 ms)"), std::string::npos) << refusal;
}

TEST(Http1Connection, WaitsAsLongAsABodyMoves) {
  DownstreamWorld world({.settings = {.body_idle = 1s}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1200\r\n\r\n");
  for (int i = 0; i < 6; ++i) {
    world.runner.for_at_least(250ms);
    client->send(std::string(200, 'x'));
  }
  EXPECT_TRUE(client->receive_until(std::string(1200, 'x')).starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(Http1Connection, CutsABodyThatComesSlowerThanItMust) {
  DownstreamWorld world({.settings = {.body_idle = 500ms, .min_rate = 1000}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n");
  const auto began = Clock::now();
  while (!client->has_input() && Clock::now() - began < 5s) {
    client->send("x");
    world.runner.for_at_least(50ms);
  }
  EXPECT_TRUE(client->receive_to_end().starts_with("HTTP/1.1 408 "));
}

TEST(Http1Connection, DoesNotBlameAClientWhoseBodyNobodyReads) {
  DownstreamWorld world({.settings = {.body_idle = 100ms}});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n");
  auto& story = world.next_story();
  world.runner.for_at_least(400ms);  // a slow upstream: the client was not asked for a byte
  client->send("abc");
  Outcome<Result<std::string>> body{read_all(story.stream)};
  world.runner.until([&] { return body.is_there(); });
  ASSERT_TRUE(body->has_value());
  EXPECT_EQ(body->value(), "abc");
  answer(story.stream, 200, "late");
  story.end();
  EXPECT_EQ(client->receive_until("late"), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
}

TEST(Http1Connection, HoldsASlowReaderBackWithinBoundedMemory) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  world.runner.turns(20);
  const auto given = story.stream.bytes_out();
  world.runner.for_at_least(100ms);
  EXPECT_EQ(story.stream.bytes_out(), given);  // the writer waits
  EXPECT_FALSE(written.is_there());
  EXPECT_GE(world.runner.loop().chunks().in_use() * Chunk::kBytes, Transport::kHighWater);
  EXPECT_LE(world.runner.loop().chunks().in_use() * Chunk::kBytes, Transport::kHighWater + 8 * Chunk::kBytes);
  // It takes some: the writer goes on.
  for (int i = 0; i < 200 && story.stream.bytes_out() == given; ++i) client->receive(64 * 1024);
  EXPECT_GT(story.stream.bytes_out(), given);
  EXPECT_FALSE(written.is_there());
  story.stream.reset(Reason::kInternal);
  ASSERT_TRUE(written.is_there());
  story.end();
}

TEST(Http1Connection, CutsAReaderThatTakesNothingVisibly) {
  DownstreamWorld world({.settings = {.write_idle = 300ms}});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  world.runner.until([&] { return written.is_there(); });
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  EXPECT_TRUE(story.stream.is_gone());
  story.end();
  EXPECT_EQ(client->receive_to_end().find("\r\n0\r\n\r\n"), std::string::npos);
  EXPECT_TRUE(client->was_reset());
  world.runner.until([&] { return world.downstream.connections() == 0; });
}

// An answer without known length whose end the client does not take for now; how long it is.
std::size_t answer_more_than_is_taken(DownstreamWorld& world, DownstreamWorld::Story& story) {
  story.stream.write_head(head_of(200, until_close()));
  const std::string piece(64 * 1024, 'x');
  std::size_t bytes = 0;
  // More than the kernel takes, less than would stop the writer.
  while (world.runner.loop().chunks().in_use() < 6) {
    const Outcome<Result<bool>> written{write_piece(story.stream, piece)};
    EXPECT_TRUE(written.is_there());
    bytes += piece.size();
    world.runner.turns(3);
  }
  story.stream.finish();
  story.end();
  return bytes;
}

TEST(Http1Connection, CutsAPipeliningClientThatTakesNothing) {
  DownstreamWorld world({.settings = {.write_idle = 300ms}});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send(std::string(kGet) + std::string(kGet));
  auto& first = world.next_story();
  first.stream.write_head(head_of(200, chunked()));
  const std::string piece(64 * 1024, 'x');
  while (world.runner.loop().chunks().in_use() < 6) {
    const Outcome<Result<bool>> written{write_piece(first.stream, piece)};
    ASSERT_TRUE(written.is_there());
    world.runner.turns(3);
  }
  first.stream.finish();
  first.end();
  // The second begins while the first one's end is stuck: the deadline must hold for it, too.
  auto& second = world.next_story();
  second.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(second.stream)};
  world.runner.until([&] { return written.is_there(); });
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  second.end();
}

TEST(Http1Connection, CutsAnUntakenEndOfAnAnswerVisibly) {
  // The story has ended; what the client does not take is all that is left, and HTTP/1.0 knows the end by the close.
  DownstreamWorld world({.settings = {.write_idle = 300ms}});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send("GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n");
  answer_more_than_is_taken(world, world.next_story());
  world.runner.until([&] { return world.downstream.connections() == 0; });
  client->receive_to_end();
  EXPECT_TRUE(client->was_reset());
}

TEST(Http1Connection, LetsASlowReaderFinishAfterTheStoryHasEnded) {
  for (const bool half_closes : {false, true}) {
    DownstreamWorld world({});
    const auto client = world.connect();
    client->limit_buffers(16 * 1024);
    client->send("GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n");
    const auto bytes = answer_more_than_is_taken(world, world.next_story());
    if (half_closes) client->shutdown();
    world.runner.turns(5);
    const std::string head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(client->receive(head.size()), head);
    EXPECT_EQ(client->receive_to_end().size(), bytes);
    EXPECT_FALSE(client->was_reset());
  }
}

// ---- Clients that leave ----

TEST(Http1Connection, TellsTheStoryWhenTheClientResets) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  Departed departed;
  story.stream.set_gone_listener(&departed);
  client->reset();
  world.runner.until([&] { return departed.times == 1; });
  EXPECT_TRUE(story.stream.is_gone());
  EXPECT_EQ(world.closed, 0);  // the connection waits for the end of the story
  story.end();
  world.runner.until([&] { return world.closed == 1; });
  EXPECT_EQ(departed.times, 1);
}

TEST(Http1Connection, EndsAPendingReadWhenTheClientResets) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  auto& story = world.next_story();
  Outcome<Result<std::string>> body{read_all(story.stream)};
  world.runner.turns(3);
  client->reset();
  world.runner.until([&] { return body.is_there(); });
  EXPECT_EQ(body->error().reason, Reason::kClientGone);
  story.end();
}

TEST(Http1Connection, EndsAPendingWriteWhenTheClientResets) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  world.runner.turns(20);
  ASSERT_FALSE(written.is_there());
  client->reset();
  world.runner.until([&] { return written.is_there(); });
  EXPECT_EQ(written->error().reason, Reason::kClientGone);
  story.end();
}

TEST(Http1Connection, FailsLaterCallsOnceTheClientHasGone) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  client->reset();
  world.runner.until([&] { return story.stream.is_gone(); });
  story.stream.write_head(head_of(200, length(1)));
  EXPECT_FALSE(story.stream.is_head_sent());
  Outcome<Result<bool>> written{write_piece(story.stream, "x")};
  ASSERT_TRUE(written.is_there());
  EXPECT_EQ(written->error().reason, Reason::kClientGone);
  Outcome<Result<std::string>> read{read_piece(story.stream)};
  ASSERT_TRUE(read.is_there());
  EXPECT_EQ(read->error().reason, Reason::kClientGone);
  story.stream.finish();
  story.end();
}

}  // namespace
}  // namespace hybridge::test
