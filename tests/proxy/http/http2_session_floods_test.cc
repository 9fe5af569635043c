#include "proxy/http/http2_session.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/proxy/http/http2_session_world.h"

namespace hybridge::http {
namespace {

using namespace test_http2;
using namespace std::chrono_literals;

// What ends a connection, and what must not.
struct Cut {
  std::string name;
  std::string bytes;  // of one blow
  Reason reason;
  std::uint32_t code = NGHTTP2_ENHANCE_YOUR_CALM;
  int times = 100'000;
};
class Http2SessionCuts : public testing::TestWithParam<Cut> {};
TEST_P(Http2SessionCuts, AConnectionThat) {
  World world;
  world.give(h2::greeting());
  const auto& cut = GetParam();
  int blows = 0;
  while (!world.fault && !world.session.violation() && blows < cut.times) {
    world.give(cut.bytes);
    ++blows;
  }
  const auto& fault = world.fault ? world.fault : world.session.violation();
  ASSERT_TRUE(fault) << "it bore " << blows;
  EXPECT_EQ(code(fault->reason), code(cut.reason)) << fault->detail;
  EXPECT_LE(blows, 1000);
  EXPECT_EQ(world.goaway().number(4), cut.code);
}

std::string bomb() {  // one large entry of the table, then named thousands of times
  std::string large = std::string("\x40", 1) + h2::hpack_string("x") + h2::hpack_string(std::string(4000, 'a'));
  return h2::frame(h2::kHeaders, h2::kEndHeaders | h2::kEndStream, 1, large + std::string(12'000, '\xbe'));
}
std::string continuations(std::size_t bytes) {
  std::string all = h2::frame(h2::kHeaders, 0, 1, h2::block(h2::request()));
  for (int i = 0; i < 200; ++i) all += h2::frame(h2::kContinuation, 0, 1, h2::block({{"x", std::string(bytes, 'a')}}));
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    All, Http2SessionCuts,
    testing::Values(Cut{"Pings", h2::ping(), Reason::kHttp2Frames},
                    Cut{"AnswersPingsNobodySent", h2::ping(true), Reason::kHttp2Frames},
                    Cut{"Settings", h2::settings(), Reason::kHttp2Frames},
                    Cut{"OpensWindows", h2::window_update(0, 1), Reason::kHttp2Frames},
                    Cut{"SendsPriorities", h2::frame(h2::kPriority, 0, 1, std::string(5, '\0')), Reason::kHttp2Frames},
                    Cut{"SendsUnknownFrames", h2::frame(0x77, 0, 1, "x"), Reason::kHttp2Frames},
                    Cut{"BombsItsTable", bomb(), Reason::kHttp2Headers},
                    Cut{"NeverEndsItsHead", continuations(100), Reason::kHttp2Headers},
                    Cut{"CrumblesItsHead", continuations(0), Reason::kHttp2Headers},
                    Cut{"SendsDataForNothing", h2::data(0, "x"), Reason::kHttp2Protocol, NGHTTP2_PROTOCOL_ERROR},
                    Cut{"OpensEvenStreams", h2::headers(2, h2::request()), Reason::kHttp2Protocol,
                        NGHTTP2_PROTOCOL_ERROR},
                    Cut{"SendsOversizedFrames", h2::frame(h2::kData, 0, 1, std::string(20'000, 'x')),
                        Reason::kHttp2Protocol, NGHTTP2_FRAME_SIZE_ERROR},
                    Cut{"CannotCompress", h2::frame(h2::kHeaders, h2::kEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
                        Reason::kHttp2Protocol, NGHTTP2_COMPRESSION_ERROR},
                    Cut{"OverflowsItsWindow", h2::window_update(0, 0x7fffffff), Reason::kHttp2Protocol,
                        NGHTTP2_FLOW_CONTROL_ERROR}),
    [](const auto& it) { return it.param.name; });

TEST(Http2Session, CutsAConnectionWithoutThePreface) {
  World world;
  world.give("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  ASSERT_TRUE(world.fault);
  EXPECT_EQ(world.fault->reason, Reason::kHttp2Protocol);
}

int blows_until_cut(World& world, const std::function<std::string(std::uint32_t)>& blow) {
  int blows = 0;
  for (std::uint32_t id = 1; !world.fault && blows < 100'000; id += 2, ++blows) world.give(blow(id));
  return blows;
}

TEST(Http2Session, CutsRapidResets) {
  World world;
  world.give(h2::greeting());
  const auto blows =
      blows_until_cut(world, [](std::uint32_t id) { return h2::headers(id, h2::request()) + h2::rst_stream(id); });
  EXPECT_LT(blows, 60);
  EXPECT_EQ(world.fault->reason, Reason::kHttp2Resets);
}

TEST(Http2Session, CutsWhoMakesItReset) {  // "MadeYouReset"
  const std::vector<std::function<std::string(std::uint32_t)>> ways = {
      [](std::uint32_t id) { return h2::headers(id, h2::request()) + h2::window_update(id, 0); },
      [](std::uint32_t id) { return h2::headers(id, h2::request()) + h2::data(id, "x"); },
      [](std::uint32_t id) {
        return h2::headers(id, h2::request()) + h2::window_update(id, 0x7fffffff) + h2::window_update(id, 0x7fffffff);
      },
      [](std::uint32_t id) {
        return h2::headers(id, h2::request("POST", "/", {{"content-length", "1"}}), false) + h2::data(id, "xx");
      },
  };
  // Of some of these nghttp2 makes the connection's end at once.
  const std::vector<Reason> reasons = {Reason::kHttp2Protocol, Reason::kHttp2Protocol, Reason::kHttp2Resets,
                                       Reason::kHttp2Resets};
  for (std::size_t way = 0; way < ways.size(); ++way) {
    World world;
    world.give(h2::greeting());
    EXPECT_LT(blows_until_cut(world, ways[way]), 60) << way;
    ASSERT_TRUE(world.fault) << way;
    EXPECT_EQ(world.fault->reason, reasons[way]) << way;
  }
}

TEST(Http2Session, CutsWhoGoesOnAboutAStreamThatHasEnded) {
  std::string empty;
  for (int i = 0; i < 100; ++i) empty += h2::data(1, "", false);
  for (const auto& blow : {h2::rst_stream(1), empty, h2::data(1, std::string(10'000, 'x'), false)}) {
    World world;
    world.give(h2::greeting() + h2::headers(1, h2::request(), false) + h2::rst_stream(1));
    for (int on_their_way = 0; on_their_way < 100; ++on_their_way) world.give(blow);
    EXPECT_FALSE(world.fault);
    for (int blows = 0; blows < 10'000 && !world.fault; ++blows) world.give(blow);
    ASSERT_TRUE(world.fault);
    EXPECT_EQ(world.fault->reason, Reason::kHttp2Frames);
  }
}

TEST(Http2Session, CutsEmptyAndCrumbledData) {
  for (const auto* body : {"", "x"}) {
    World world;
    world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false));
    int blows = 0;
    for (; !world.fault && blows < 100'000; ++blows) world.give(h2::data(1, body, false));
    EXPECT_LT(blows, 1100);
    EXPECT_EQ(world.fault->reason, Reason::kHttp2Frames);
  }
}

TEST(Http2Session, CutsDataThatIsPaddingOnly) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request("POST"), false));
  int blows = 0;
  const auto padding = h2::frame(h2::kData, h2::kPadded, 1, std::string("\x20", 1) + std::string(32, '\0'));
  for (; !world.fault && blows < 100'000; ++blows) world.give(padding);
  EXPECT_LT(blows, 200);
}

TEST(Http2Session, CutsWhoOpensWindowsByteByByte) {
  World world;
  world.give(std::string(h2::kPreface) + h2::settings({{4, 0}}) + h2::headers(1, h2::request()));
  world.stream().body = std::string(100'000, 'x');
  world.session.write_head(world.stream(), response(200), {}, true);
  int blows = 0;
  for (; !world.fault && blows < 100'000; ++blows) world.give(h2::window_update(1, 1));
  EXPECT_LT(blows, 1100);
  EXPECT_EQ(world.fault->reason, Reason::kHttp2Frames);
}

TEST(Http2Session, BearsADownloadWhoseWindowsAreOpenedFrameByFrame) {
  World world;
  world.give(h2::greeting() + h2::headers(1, h2::request()));
  auto& stream = world.stream();
  world.session.write_head(stream, response(200), {}, true);
  for (int i = 0; i < 10'000; ++i) {
    stream.body = std::string(2'000, 'x');
    world.session.body_grew(stream);
    world.flush();
    world.give(h2::window_update(0, 2'000) + h2::window_update(1, 2'000));
    ASSERT_FALSE(world.fault) << i;
  }
}

TEST(Http2Session, BearsABrowserThatCancelsAsMuchAsItLoads) {
  World world;
  world.give(h2::greeting());
  std::uint32_t id = 1;
  for (int i = 0; i < 2'000; ++i) {
    world.give(h2::headers(id, h2::request()));
    auto& stream = *world.streams.back();
    stream.body = std::string(2'000, 'i');
    stream.is_complete = true;
    world.session.write_head(stream, response(200), {}, true);
    world.flush();
    id += 2;
    world.give(h2::headers(id, h2::request()) + h2::rst_stream(id) + h2::window_update(0, 2'000));
    id += 2;
    world.now += 1ms;
    ASSERT_FALSE(world.fault) << i << ": " << world.fault->detail;
  }
}

TEST(Http2Session, BearsAChatOfSmallMessagesInATunnel) {
  World world;
  auto fields = h2::request("CONNECT", "/chat");
  fields.insert(fields.begin() + 4, {":protocol", "websocket"});
  world.give(h2::greeting() + h2::headers(1, fields, false));
  world.session.begin_tunnel(world.stream());
  world.session.write_head(world.stream(), response(101), {}, true);
  for (int i = 0; i < 20'000; ++i) world.give(h2::data(1, "hi", false));
  EXPECT_FALSE(world.fault);
  EXPECT_EQ(world.frames_of(1).at(0).field(":status"), "200");
}

}  // namespace
}  // namespace hybridge::http
