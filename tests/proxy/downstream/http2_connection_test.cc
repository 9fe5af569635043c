#include "proxy/downstream/http2_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/http2_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

TEST(Http2Connection, AnswersRequestsBesideEachOther) {
  Http2World h2;
  auto& first = h2.ask(1, http2::request("GET", "/1"));
  auto& second = h2.ask(3, http2::request("GET", "/2"));
  EXPECT_EQ(first.stream.request().target, "/1");
  answer(second.stream, 200, "two");
  second.end();
  auto frame = h2.frame();
  EXPECT_EQ(frame.stream, 3u);
  EXPECT_EQ(frame.field(":status"), "200");
  EXPECT_EQ(frame.field("content-length"), "3");
  EXPECT_EQ(h2.frame().payload, "two");
  answer(first.stream, 404, "one");
  first.end();
  EXPECT_EQ(h2.frame().field(":status"), "404");
  frame = h2.frame();
  EXPECT_EQ(frame.payload, "one");
  EXPECT_TRUE(frame.ends_stream());
  EXPECT_EQ(h2.world.opened, 1);
  EXPECT_EQ(h2.world.closed, 0);
}

TEST(Http2Connection, UnderstandsAConversationThatComesByteByByte) {
  Http2World h2;
  h2.world.serve_by(echo);
  h2.client->send_bytewise(http2::headers(1, http2::request("POST", "/p"), false) + http2::data(1, "ab", false) +
                           http2::data(1, "cd"));
  EXPECT_EQ(h2.frame().field(":status"), "200");
  EXPECT_EQ(h2.frame().payload, "POST /p abcd");
}

TEST(Http2Connection, AnswersARefusedRequestWithItsFault) {
  Http2World h2;
  h2.world.serve_by(echo);
  h2.client->send(http2::headers(1, http2::request("GET", "/../x")));
  EXPECT_EQ(h2.frame().field(":status"), "400");
  auto frame = h2.frame();
  EXPECT_THAT(frame.payload, testing::HasSubstr("climbs above"));
  EXPECT_TRUE(frame.ends_stream());  // HTTP/2 has nothing against it
  h2.client->send(http2::headers(3, http2::request("GET", "/", {{"connection", "x"}})));
  EXPECT_EQ(h2.frame().field(":status"), "400");
  EXPECT_FALSE(h2.frame().ends_stream());
  EXPECT_EQ(h2.frame().number(), std::uint32_t{NGHTTP2_PROTOCOL_ERROR});
}

TEST(Http2Connection, HandsOutABodyAsItComesAndKeepsWhatNobodyReads) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request("POST"), false);
  h2.client->send(http2::data(1, "early", false));
  h2.world.runner.turns(3);
  Outcome<Result<std::string>> first{read_piece(story.stream)};
  ASSERT_TRUE(first.is_there());
  EXPECT_EQ(**first, "early");
  Outcome<Result<std::string>> second{read_piece(story.stream)};
  EXPECT_FALSE(second.is_there());
  h2.client->send(http2::data(1, "late"));
  h2.world.runner.until([&] { return second.is_there(); });
  EXPECT_EQ(**second, "late");
  Outcome<Result<std::string>> end{read_piece(story.stream)};
  EXPECT_EQ(**end, "");
  EXPECT_TRUE(story.stream.is_body_read());
  EXPECT_EQ(story.stream.bytes_in(), 9u);
  answer(story.stream, 200, "");
  story.end();
}

TEST(Http2Connection, OpensAStreamsWindowOnlyAsItIsRead) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request("POST"), false);
  const std::string piece(16'000, 'x');
  for (int i = 0; i < 4; ++i) h2.client->send(http2::data(1, piece, false));
  h2.client->send(http2::ping());
  EXPECT_EQ(h2.frame().type, http2::kPing);  // and no WINDOW_UPDATE of the stream before it
  Outcome<Result<std::string>> all{read_all(story.stream)};
  EXPECT_FALSE(all.is_there());
  const auto update = h2.frame();
  EXPECT_EQ(update.type, http2::kWindowUpdate);
  EXPECT_EQ(update.stream, 1u);
  EXPECT_GE(update.number(), 32'768u);
  h2.client->send(http2::data(1, "end"));
  h2.world.runner.until([&] { return all.is_there(); });
  EXPECT_EQ((*all)->size(), 4 * piece.size() + 3);
  answer(story.stream, 200, "");
  story.end();
}

TEST(Http2Connection, WaitsWhileTheClientsWindowIsShut) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request());
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  std::size_t seen = 0;
  EXPECT_EQ(h2.frame().type, http2::kHeaders);
  while (seen < 65'535) seen += h2.frame().payload.size();
  h2.world.runner.turns(5);
  EXPECT_EQ(seen, 65'535u);
  const auto ahead = story.stream.bytes_out();
  EXPECT_LE(ahead, 65'535u + 64 * 1024);
  h2.world.runner.turns(5);
  EXPECT_EQ(story.stream.bytes_out(), ahead);
  h2.client->send(http2::window_update(0, 100'000) + http2::window_update(1, 100'000));
  h2.world.runner.until([&] { return story.stream.bytes_out() > ahead; });
  EXPECT_FALSE(written.is_there());
  h2.client->send(http2::rst_stream(1));
  h2.world.runner.until([&] { return written.is_there(); });
  EXPECT_EQ(written->error().reason, Reason::kClientGone);
  story.end();
}

TEST(Http2Connection, TellsWhoeverWaitsThatTheClientHasLeft) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request("POST"), false);
  Departed departed;
  story.stream.set_gone_listener(&departed);
  Outcome<Result<std::string>> read{read_piece(story.stream)};
  h2.client->send(http2::rst_stream(1));
  h2.world.runner.until([&] { return read.is_there(); });
  EXPECT_EQ(read->error().reason, Reason::kClientGone);
  EXPECT_EQ(departed.times, 1);
  EXPECT_TRUE(story.stream.is_gone());
  story.stream.set_gone_listener(nullptr);
  story.end();
  h2.client->send(http2::ping());
  EXPECT_EQ(h2.frame_of(http2::kPing).type, http2::kPing);  // the connection goes on
}

TEST(Http2Connection, TellsAllWhenTheConnectionIsLost) {
  Http2World h2;
  Departed departed[3];
  std::vector<DownstreamWorld::Story*> stories;
  for (std::uint32_t i = 0; i < 3; ++i) {
    stories.push_back(&h2.ask(2 * i + 1, http2::request()));
    stories.back()->stream.set_gone_listener(&departed[i]);
  }
  h2.client->close();
  h2.world.runner.until([&] { return departed[2].times == 1; });
  EXPECT_EQ(h2.world.closed, 0);  // not before its stories have ended
  for (auto* story : stories) {
    EXPECT_TRUE(story->stream.is_gone());
    story->stream.set_gone_listener(nullptr);
    story->end();
  }
  h2.world.runner.until([&] { return h2.world.closed == 1; });
}

TEST(Http2Connection, ServesWhatWasAskedBeforeAHalfClose) {
  Http2World h2;
  auto& whole = h2.ask(1, http2::request());
  auto& half = h2.ask(3, http2::request("POST"), false);
  h2.client->shutdown();
  h2.world.runner.until([&] { return half.stream.is_gone(); });
  EXPECT_FALSE(whole.stream.is_gone());
  half.end();
  answer(whole.stream, 200, "still");
  whole.end();
  EXPECT_EQ(h2.frame_of(http2::kHeaders).field(":status"), "200");
  EXPECT_EQ(h2.frame_of(http2::kData).payload, "still");
  h2.world.runner.until([&] { return h2.world.closed == 1; });
}

TEST(Http2Connection, TakesTheConnectionsEndForLeavingWhileHeld) {
  Http2World h2;
  auto& held = h2.ask(1, http2::request());
  auto& late = h2.ask(3, http2::request());
  auto& served = h2.ask(5, http2::request());
  Departed departed;
  held.stream.set_gone_listener(&departed);
  held.stream.set_held(true);
  EXPECT_FALSE(held.stream.is_gone());
  h2.client->shutdown();
  h2.world.runner.until([&] { return held.stream.is_gone(); });
  EXPECT_EQ(departed.times, 1);
  held.stream.set_gone_listener(nullptr);
  EXPECT_FALSE(late.stream.is_gone());
  late.stream.set_held(true);  // it had left before
  EXPECT_TRUE(late.stream.is_gone());
  held.end();
  late.end();
  answer(served.stream, 200, "served");
  served.end();
  EXPECT_EQ(h2.frame_of(http2::kData).payload, "served");
}

TEST(Http2Connection, TellsWhatOfABodyWaits) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request("POST"), false);
  story.stream.set_held(true);
  EXPECT_EQ(story.stream.buffered_bytes(), 0u);
  h2.client->send(http2::data(1, "12345", false));
  h2.world.runner.until([&] { return story.stream.buffered_bytes() == 5; });
  story.stream.set_held(false);
  Outcome<Result<std::string>> piece{read_piece(story.stream)};
  EXPECT_EQ(**piece, "12345");
  EXPECT_EQ(story.stream.buffered_bytes(), 0u);
  answer(story.stream, 200, "");
  story.end();
}

TEST(Http2Connection, NeverBeginsWhatIsTakenBackInTheSameBreath) {
  Http2World h2;
  h2.world.serve_by(ignore);
  h2.client->send(http2::headers(1, http2::request()) + http2::rst_stream(1) + http2::headers(3, http2::request()));
  EXPECT_EQ(h2.frame_of(http2::kData).stream, 3u);
  EXPECT_EQ(h2.world.served, 1);
}

TEST(Http2Connection, ResetsAStreamWhoseAnswerIsBroken) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request());
  story.stream.write_head(head_of(200, length(10)));
  const Outcome<Result<bool>> written{write_piece(story.stream, "half")};
  story.stream.reset(Reason::kUpstreamTruncated);
  story.end();
  EXPECT_EQ(h2.frame_of(http2::kRstStream).number(), std::uint32_t{NGHTTP2_INTERNAL_ERROR});
}

TEST(Http2Connection, ResetsAStreamThatItsStoryLeavesUnanswered) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request());
  story.end();
  EXPECT_EQ(h2.frame().number(), std::uint32_t{NGHTTP2_INTERNAL_ERROR});
}

TEST(Http2Connection, GivesABodyItsTime) {
  Http2World h2({.body_idle = 200ms});
  auto& story = h2.ask(1, http2::request("POST"), false);
  const Outcome<Result<std::string>> read{read_all(story.stream)};
  h2.world.runner.until([&] { return read.is_there(); });
  EXPECT_EQ(const_cast<Outcome<Result<std::string>>&>(read)->error().reason, Reason::kBodyTimeout);
  answer(story.stream, 408, "late");
  story.end();
  EXPECT_EQ(h2.frame().field(":status"), "408");
}

TEST(Http2Connection, ResetsAStreamWhoseClientOpensNoWindow) {
  Http2World h2({.write_idle = 300ms});
  h2.client->send(http2::settings({{4, 0}}));
  auto& story = h2.ask(1, http2::request());
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  EXPECT_EQ(h2.frame_of(http2::kRstStream).number(), std::uint32_t{NGHTTP2_CANCEL});
  ASSERT_TRUE(written.is_there());
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  story.end();
  h2.client->send(http2::ping());
  EXPECT_EQ(h2.frame().type, http2::kPing);
}

TEST(Http2Connection, EndsASilentOrIdleOne) {
  {
    Http2World idle({.keep_alive = 200ms});
    idle.world.serve_by(ignore);
    idle.client->send(http2::headers(1, http2::request()));
    EXPECT_EQ(idle.frame_of(http2::kGoaway).number(4), std::uint32_t{NGHTTP2_NO_ERROR});
    EXPECT_TRUE((idle.client->receive_to_end(), true));
  }
  Http2World slow({.request_head = 200ms});
  slow.client->send(http2::headers(1, http2::request()).substr(0, 20));
  EXPECT_EQ(slow.frame_of(http2::kGoaway).type, http2::kGoaway);
  EXPECT_THAT(slow.world.refused, testing::ElementsAre(Reason::kHeadTimeout));
}

TEST(Http2Connection, MakesRoomForOthersWhenItIsIdleAndOnlyThen) {
  Http2World h2({.spared_idle = 1ms});
  const auto make_room = [&] {
    h2.world.runner.for_at_least(100ms);  // between two of them
    h2.world.downstream.close_longest_idle(Reason::kShortOfMemory);
    return h2.world.idle_closed;
  };
  EXPECT_EQ(make_room(), 0u);  // nothing was asked yet
  auto& story = h2.ask(1, http2::request());
  EXPECT_EQ(make_room(), 0u);
  answer(story.stream, 200, "");
  story.end();
  h2.frame_of(http2::kHeaders);
  EXPECT_EQ(make_room(), 1u);
  EXPECT_EQ(h2.frame_of(http2::kGoaway).number(), 0x7fffffffu);
  EXPECT_EQ(make_room(), 1u);  // it is on its way
}

TEST(Http2Connection, CutsAFloodByName) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request());
  std::string pings;
  for (int i = 0; i < 1'000; ++i) pings += http2::ping();
  h2.client->send(pings);
  EXPECT_EQ(h2.frame_of(http2::kGoaway).number(4), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_TRUE(story.stream.is_gone());
  story.end();
  EXPECT_THAT(h2.world.refused, testing::ElementsAre(Reason::kHttp2Frames));
  h2.world.runner.until([&] { return h2.world.closed == 1; });
}

TEST(Http2Connection, DrainsInTwoSteps) {
  Http2World h2;
  auto& story = h2.ask(1, http2::request());
  bool all_gone = false;
  h2.world.downstream.drain([&] { all_gone = true; });
  EXPECT_EQ(h2.frame().number(), 0x7fffffffu);
  EXPECT_EQ(h2.frame().type, http2::kPing);
  h2.client->send(http2::headers(3, http2::request()) + http2::ping(true));
  auto& late = h2.world.next_story();
  EXPECT_EQ(h2.frame().number(), 3u);
  for (auto* each : {&story, &late}) {
    answer(each->stream, 200, "last");
    each->end();
  }
  EXPECT_EQ(h2.frame_of(http2::kData).payload, "last");
  h2.client->receive_to_end();
  h2.client->close();
  h2.world.runner.until([&] { return all_gone; });
}

TEST(Http2Connection, DrainsAClientThatAnswersNoPing) {
  Http2World h2;
  h2.client->send(http2::ping());
  EXPECT_EQ(h2.frame().type, http2::kPing);
  bool all_gone = false;
  h2.world.downstream.drain([&] { all_gone = true; });
  EXPECT_EQ(h2.frame().number(), 0x7fffffffu);
  EXPECT_EQ(h2.frame_of(http2::kGoaway).number(), 0u);
  h2.client->close();
  h2.world.runner.until([&] { return all_gone; });
}

TEST(Http2Connection, EndsAfterTheConfiguredNumberOfRequests) {
  Http2World h2({.requests_per_connection = 2});
  h2.world.serve_by(ignore);
  h2.client->send(http2::headers(1, http2::request()) + http2::headers(3, http2::request()));
  EXPECT_EQ(h2.frame_of(http2::kGoaway).number(), 0x7fffffffu);
  h2.client->send(http2::ping(true));
  EXPECT_EQ(h2.frame_of(http2::kGoaway).number(), 3u);
  h2.client->close();
  h2.world.runner.until([&] { return h2.world.closed == 1; });
  EXPECT_EQ(h2.world.served, 2);
}

TEST(Http2Connection, TellsEveryRequestWhyItsConnectionIsRefused) {
  Http2World h2({}, std::make_unique<const Error>(make_error(Reason::kTooManyConnections, "too many")));
  h2.world.serve_by(echo);
  h2.client->send(http2::headers(1, http2::request()));
  EXPECT_EQ(h2.frame_of(http2::kHeaders).field(":status"), "503");
}

TEST(Http2Connection, ClosesTunnelsAndNothingElse) {
  Http2World h2;
  auto fields = http2::request("CONNECT", "/chat");
  fields.insert(fields.begin() + 4, {":protocol", "websocket"});
  auto& tunnel = h2.ask(1, fields, false);
  EXPECT_EQ(tunnel.stream.request().upgrade, "websocket");
  auto& other = h2.ask(3, http2::request());
  tunnel.stream.write_head(head_of(101));
  EXPECT_EQ(h2.frame().field(":status"), "200");
  EXPECT_EQ(tunnel.stream.status(), 101);
  h2.client->send(http2::data(1, "up", false));
  Outcome<Result<std::string>> up{read_piece(tunnel.stream)};
  h2.world.runner.until([&] { return up.is_there(); });
  EXPECT_EQ(**up, "up");
  const Outcome<Result<bool>> down{write_piece(tunnel.stream, "down")};
  EXPECT_EQ(h2.frame().payload, "down");
  h2.world.downstream.close_tunnels();
  EXPECT_EQ(h2.frame().number(), std::uint32_t{NGHTTP2_CANCEL});
  tunnel.end();
  EXPECT_FALSE(other.stream.is_gone());
  answer(other.stream, 200, "on");
  other.end();
  EXPECT_EQ(h2.frame_of(http2::kData).payload, "on");
}

TEST(Http2Connection, GoesOnWhenABodyWasNotWanted) {
  Http2World h2;
  h2.world.serve_by(ignore);
  std::uint32_t id = 1;
  for (int i = 0; i < 20; ++i, id += 2) {  // more in all than the connection's window
    h2.client->send(http2::headers(id, http2::request("POST"), false));
    for (int piece = 0; piece < 4; ++piece) h2.client->send(http2::data(id, std::string(16'000, 'x'), false));
    EXPECT_EQ(h2.frame_of(http2::kData).payload, "ignored");
    EXPECT_EQ(h2.frame_of(http2::kRstStream).number(), std::uint32_t{NGHTTP2_NO_ERROR});
  }
}

}  // namespace
}  // namespace hybridge::test
