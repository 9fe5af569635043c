#include "proxy/http/http2_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/proxy/http/http2_session_world.h"

namespace hybridge::http {
namespace {

using namespace test_http2;

TEST(Http2Session, GreetsWithItsSettings) {
  World world;
  world.flush();
  ASSERT_FALSE(world.frames.empty());
  const auto& settings = world.frames.front();
  EXPECT_EQ(settings.type, h2::kSettings);
  EXPECT_EQ(settings.payload, h2::settings({{3, 128}, {6, 32768}, {8, 1}, {9, 1}}).substr(9));
  EXPECT_EQ(world.frames.back().type, h2::kWindowUpdate);
}

TEST(Http2Session, TellsRequestsTheSameHoweverTheirBytesAreCut) {
  const auto bytes = h2::greeting() + h2::headers(1, h2::request("GET", "/a")) +
                     h2::headers(3, h2::request("POST", "/b", {{"content-length", "6"}}), false) +
                     h2::data(3, "abc", false) + h2::data(3, "def") + h2::ping() +
                     h2::headers(5, h2::request("POST", "/c"), false) + h2::rst_stream(5);
  World whole;
  whole.give(bytes);
  EXPECT_THAT(whole.events, testing::ElementsAre("request 1 GET /a", "request 3 POST /b", "data 3 abcdef", "end 3",
                                                 "request 5 POST /c", "closed 5"));
  for (const std::size_t piece : {1u, 2u, 7u, 10u}) {
    World cut;
    cut.give(bytes, piece);
    EXPECT_EQ(cut.events, whole.events) << piece;
    EXPECT_FALSE(cut.fault);
  }
}

TEST(Http2Session, TakesPaddingOff) {
  World world;
  const std::string padded = std::string("\x05", 1) + "body" + std::string(5, '\0');
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false) +
             h2::frame(h2::kData, h2::kPadded | h2::kEndStream, 1, padded));
  EXPECT_THAT(world.events, testing::ElementsAre("request 1 POST /", "data 1 body", "end 1"));
}

TEST(Http2Session, AnswersWithHeadAndBodyInOneBreath) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  world.frames.clear();
  auto head = response(200);
  head.headers.add("Content-Type", "text/plain");
  head.headers.add("Connection", "keep-alive");
  auto& stream = world.stream();
  stream.body = "hello";
  stream.is_complete = true;
  world.session.write_head(stream, head, {Framing::Kind::kLength, 5}, true);
  world.flush();
  ASSERT_EQ(world.frames.size(), 2u);
  EXPECT_EQ(world.frames[0].fields,
            (h2::Fields{{":status", "200"}, {"content-type", "text/plain"}, {"content-length", "5"}}));
  EXPECT_FALSE(world.frames[0].ends_stream());
  EXPECT_EQ(world.frames[1].payload, "hello");
  EXPECT_TRUE(world.frames[1].ends_stream());
  EXPECT_EQ(world.events.back(), "closed 1");
  EXPECT_GT(world.session.budget().points(), Http2Budget::kInitial - Http2Budget::kSettings);
}

TEST(Http2Session, AnswersWithoutABody) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  world.session.write_head(world.stream(), response(204), {}, false);
  world.flush();
  const auto frames = world.frames_of(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_TRUE(frames[0].ends_stream());
}

TEST(Http2Session, SendsALargeHeadAndResetsAStreamWhoseHeadIsTooLarge) {
  for (const auto& [bytes, is_sent] : {std::pair(300'000u, true), std::pair(3'000'000u, false)}) {
    World world;
    world.give(h2::greeting() + h2::headers(1, h2::request()));
    world.frames.clear();
    const std::string value(bytes, 'v');
    auto head = response(200);
    head.headers.add("x-large", value);
    world.session.write_head(world.stream(), head, {}, false);
    world.flush();
    const auto frames = world.frames_of(1);
    ASSERT_FALSE(frames.empty());
    EXPECT_EQ(frames.back().type, is_sent ? h2::kContinuation : h2::kRstStream);
    EXPECT_EQ(world.events.back(), "closed 1");
  }
}

// nghttp2 is C and knows no exceptions: they go round it.
TEST(Http2Session, ThrowsOnWhatWasThrownWhileNghttp2Called) {
  World reads;
  reads.is_out_of_memory = true;
  EXPECT_THROW(reads.give(h2::greeting() + h2::headers(1, h2::request())), std::bad_alloc);

  World writes;
  writes.give(h2::greeting() + h2::headers(1, h2::request()));
  auto& stream = writes.stream();
  stream.body = "hello";
  stream.is_complete = true;
  writes.session.write_head(stream, response(200), {}, true);
  writes.is_out_of_memory = true;
  EXPECT_THROW(writes.flush(), std::bad_alloc);
}

TEST(Http2Session, SendsABodyAsItGrows) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  auto& stream = world.stream();
  world.session.write_head(stream, response(200), {}, true);
  world.flush();
  ASSERT_EQ(world.frames_of(1).size(), 1u);
  stream.body = "one";
  world.session.body_grew(stream);
  world.flush();
  EXPECT_EQ(world.frames_of(1).at(0).payload, "one");
  stream.is_complete = true;
  world.session.body_grew(stream);
  world.flush();
  const auto last = world.frames_of(1).at(0);
  EXPECT_EQ(last.payload, "");
  EXPECT_TRUE(last.ends_stream());
}

TEST(Http2Session, KeepsToTheClientsWindow) {
  World world;
  world.give(std::string(h2::kPreface) + h2::settings({{4, 10}}) + h2::headers(1, h2::request()));
  auto& stream = world.stream();
  stream.body = std::string(25, 'x');
  stream.is_complete = true;
  world.session.write_head(stream, response(200), {}, true);
  world.flush();
  EXPECT_EQ(world.frames_of(1).at(1).payload.size(), 10u);
  world.give(h2::window_update(1, 10));
  EXPECT_EQ(world.frames_of(1).at(0).payload.size(), 10u);
  world.give(h2::window_update(1, 10));
  EXPECT_TRUE(world.frames_of(1).at(0).ends_stream());
}

TEST(Http2Session, StopsWhenItsUserTakesNoMore) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  world.frames.clear();
  world.takes = false;
  world.session.write_head(world.stream(), response(204), {}, false);
  world.flush();
  EXPECT_TRUE(world.frames.empty());
  world.takes = true;
  world.flush();
  EXPECT_EQ(world.frames.size(), 1u);
}

TEST(Http2Session, SendsTheUrgentFirst) {
  World world;
  // All of the connection's window is used up, so that what follows has to wait.
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  auto& first = world.stream();
  first.body = std::string(65535, 'x');
  world.session.write_head(first, response(200), {}, true);
  world.flush();
  world.give(h2::headers(3, h2::request("GET", "/lazy", {{"priority", "u=7"}})) +
             h2::headers(5, h2::request("GET", "/usual")) +
             h2::headers(7, h2::request("GET", "/urgent", {{"priority", "u=0"}})) +
             h2::headers(9, h2::request("GET", "/later")) +
             h2::frame(h2::kPriorityUpdate, 0, 0, h2::big_endian(9, 4) + "u=1"));
  for (std::size_t i = 1; i < 5; ++i) {
    world.stream(i).body = "body";
    world.stream(i).is_complete = true;
    world.session.write_head(world.stream(i), response(200), {}, true);
  }
  world.flush();
  world.frames.clear();
  world.give(h2::window_update(0, 1000));
  std::vector<std::uint32_t> order;
  for (const auto& frame : world.frames) {
    if (frame.type == h2::kData) order.push_back(frame.stream);
  }
  EXPECT_THAT(order, testing::ElementsAre(7, 9, 5, 3));
}

TEST(Http2Session, SharesAmongIncrementalStreams) {
  World world;
  world.give(std::string(h2::kPreface) + h2::settings({{4, 1 << 20}}) + h2::window_update(0, 1 << 20) +
             h2::headers(1, h2::request("GET", "/", {{"priority", "i"}})) +
             h2::headers(3, h2::request("GET", "/", {{"priority", "i"}})));
  for (std::size_t i = 0; i < 2; ++i) {
    world.stream(i).body = std::string(50'000, 'x');
    world.stream(i).is_complete = true;
    world.session.write_head(world.stream(i), response(200), {}, true);
  }
  world.flush();
  std::vector<std::uint32_t> order;
  for (const auto& frame : world.frames) {
    if (frame.type == h2::kData) order.push_back(frame.stream);
  }
  EXPECT_THAT(order, testing::ElementsAre(1, 3, 1, 3, 1, 3, 1, 3));
}

TEST(Http2Session, OpensWindowsOnlyAsItIsTold) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false));
  world.frames.clear();
  for (int i = 0; i < 3; ++i) world.give(h2::data(1, std::string(16'000, 'x'), false));
  // World opens both windows for all that has come: half of 64 KiB is worth a frame.
  const auto frames = world.frames_of(1);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].type, h2::kWindowUpdate);
  EXPECT_EQ(frames[0].number(), 48'000u);
}

TEST(Http2Session, WidensAWindow) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false));
  world.frames.clear();
  world.session.widen_window(world.stream(), 512 * 1024);
  world.flush();
  EXPECT_EQ(world.frames_of(1).at(0).number(), 512u * 1024 - 65'535);
}

// ---- What ends a stream ----

TEST(Http2Session, EndsAMalformedRequestsAnswerWithAnError) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("GET", "/", {{"connection", "close"}})));
  EXPECT_THAT(world.events, testing::ElementsAre("request 1 GET / bad_header"));
  world.frames.clear();
  auto& stream = world.stream();
  stream.body = "why";
  stream.is_complete = true;
  world.session.write_head(stream, response(400), {Framing::Kind::kLength, 3}, true);
  world.flush();
  const auto frames = world.frames_of(1);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[1].payload, "why");
  EXPECT_FALSE(frames[1].ends_stream());
  EXPECT_EQ(frames[2].type, h2::kRstStream);
  EXPECT_EQ(frames[2].number(), std::uint32_t{NGHTTP2_PROTOCOL_ERROR});
}

TEST(Http2Session, EndsAMalformedRequestWithoutABodyToo) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("HEAD", "/", {{"X", "y"}})));
  world.frames.clear();
  world.session.write_head(world.stream(), response(400), {}, false);
  world.flush();
  const auto frames = world.frames_of(1);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_FALSE(frames[0].ends_stream());
  EXPECT_EQ(frames[1].number(), std::uint32_t{NGHTTP2_PROTOCOL_ERROR});
}

TEST(Http2Session, StopsAnUploadWhoseAnswerIsWhole) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false));
  world.frames.clear();
  world.session.write_head(world.stream(), response(204), {}, false);
  world.flush();
  auto frames = world.frames_of(1);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(frames[0].ends_stream());
  EXPECT_EQ(frames[1].type, h2::kRstStream);
  EXPECT_EQ(frames[1].number(), std::uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(world.events.back(), "closed 1");
  world.give(h2::data(1, "too late"));
  EXPECT_EQ(world.events.back(), "closed 1");
  EXPECT_FALSE(world.fault);
}

TEST(Http2Session, ResetsWithTheReasonsCode) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  world.frames.clear();
  world.session.reset(world.stream(), Reason::kUpstreamTruncated);
  world.flush();
  EXPECT_EQ(world.frames_of(1).at(0).number(), std::uint32_t{NGHTTP2_INTERNAL_ERROR});
  EXPECT_EQ(world.events.back(), "closed 1");
}

struct Broken {
  std::string name;
  std::string bytes;
};
class Http2SessionBreaks : public testing::TestWithParam<Broken> {};
TEST_P(Http2SessionBreaks, AStreamThatDoesNotKeepItsWord) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST", "/", {{"content-length", "5"}}), false));
  world.frames.clear();
  world.give(GetParam().bytes);
  EXPECT_THAT(world.events, testing::Contains(testing::StartsWith("broken 1 bad_")));
  EXPECT_THAT(world.events, testing::Not(testing::Contains("end 1")));
  const auto frames = world.frames_of(1);
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().number(), std::uint32_t{NGHTTP2_PROTOCOL_ERROR});
  EXPECT_EQ(world.events.back(), "closed 1");
}
INSTANTIATE_TEST_SUITE_P(
    All, Http2SessionBreaks,
    testing::Values(Broken{"TooLong", h2::data(1, "123456", false)}, Broken{"TooLongAtTheEnd", h2::data(1, "123456")},
                    Broken{"TooShort", h2::data(1, "1234")},
                    Broken{"TooShortBeforeTrailers", h2::data(1, "1234", false) + h2::headers(1, {{"x", "y"}})},
                    Broken{"NothingAtAll", h2::data(1, "")},
                    Broken{"TrailersThatDoNotEnd", h2::headers(1, {{"x", "y"}}, false)},
                    Broken{"PseudoInTrailers", h2::headers(1, {{":path", "/"}})}),
    [](const auto& it) { return it.param.name; });

TEST(Http2Session, PassesOverWhatComesForAStreamThatItHasEnded) {
  World world;
  world.give(h2::greeting());
  std::uint32_t id = 1;
  for (int i = 0; i < 40; ++i, id += 2) {  // more than it remembers
    world.give(h2::headers(id, h2::request("POST"), false));
    world.session.write_head(*world.streams.back(), response(204), {}, false);
    world.flush();
    world.give(h2::data(id, "late", false) + h2::headers(id, {{"x", "trailer"}}));
    world.give(h2::headers(1, {{"x", "trailer"}}));
    ASSERT_FALSE(world.fault) << i << ": " << world.fault->detail;
  }
}

TEST(Http2Session, EndsWhenAStreamBeginsAgainOrBelowAnother) {
  for (const auto& [id, error] : {std::pair(3u, NGHTTP2_STREAM_CLOSED), std::pair(1u, NGHTTP2_PROTOCOL_ERROR)}) {
    World world;
    world.give(h2::greeting() + h2::headers(3, h2::request()) + h2::rst_stream(3));
    world.give(h2::headers(id, h2::request()));
    ASSERT_TRUE(world.fault);
    EXPECT_EQ(world.fault->reason, Reason::kHttp2Protocol);
    EXPECT_EQ(world.goaway().number(4), std::uint32_t{error});
  }
}

TEST(Http2Session, DropsTrailers) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false) + h2::data(1, "b", false) +
             h2::headers(1, {{"x-trailer", "y"}}));
  EXPECT_THAT(world.events, testing::ElementsAre("request 1 POST /", "data 1 b", "end 1"));
  EXPECT_EQ(world.stream().head().headers.size(), 0u);
}

TEST(Http2Session, RefusesStreamsThatItsUserDoesNotWant) {
  World world;
  world.refuses = true;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false) + h2::data(1, "ignored"));
  EXPECT_TRUE(world.events.empty());
  EXPECT_EQ(world.frames_of(1).at(0).number(), std::uint32_t{NGHTTP2_REFUSED_STREAM});
}

TEST(Http2Session, EndsGracefullyInTwoSteps) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  world.frames.clear();
  world.session.announce_end();
  world.give(h2::headers(3, h2::request()));  // it was on its way
  EXPECT_EQ(world.goaway().number(), 0x7fffffffu);
  EXPECT_EQ(world.events.back(), "request 3 GET /");
  world.give(h2::frame(h2::kPing, h2::kAck, 0, std::string(8, '\0')));
  EXPECT_EQ(world.events.back(), "pong");
  world.frames.clear();
  world.session.end_gracefully();
  world.flush();
  EXPECT_EQ(world.goaway().number(), 3u);
  world.give(h2::headers(5, h2::request()));
  EXPECT_EQ(world.events.back(), "pong");
  EXPECT_FALSE(world.session.is_over());
  for (std::size_t i = 0; i < 2; ++i) world.session.write_head(world.stream(i), response(204), {}, false);
  world.flush();
  EXPECT_TRUE(world.session.is_over());
}

TEST(Http2Session, KnowsWhetherAHeadIsOnItsWay) {
  World world;
  world.give(h2::greeting());
  EXPECT_FALSE(world.session.is_in_header_block());
  const auto block = h2::block(h2::request());
  world.give(h2::frame(h2::kHeaders, h2::kEndStream, 1, block.substr(0, 10)));
  EXPECT_TRUE(world.session.is_in_header_block());
  world.give(h2::frame(h2::kContinuation, h2::kEndHeaders, 1, block.substr(10)));
  EXPECT_FALSE(world.session.is_in_header_block());
  EXPECT_EQ(world.events.back(), "request 1 GET /");
}

}  // namespace
}  // namespace hybridge::http
