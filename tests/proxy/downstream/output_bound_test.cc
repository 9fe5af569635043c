#include "proxy/downstream/output_bound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string_view>
#include <vector>

#include "tests/support/http2_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";

TEST(OutputBound, EndsWhoRestsOnItsAnswerWhenTooMuchWaits) {
  DownstreamWorld world({.settings = {.waiting_output = 1, .crowded_rest = 300ms}});
  const auto begin = [&] {
    auto client = world.connect();
    client->limit_buffers(16 * 1024);
    client->send(kGet);
    return client;
  };
  const auto resting = begin();
  auto& its = world.next_story();
  const auto reading = begin();
  auto& other = world.next_story();
  its.stream.write_head(head_of(200, chunked()));
  other.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(its.stream)};
  const Outcome<Result<bool>> read{write_for_ever(other.stream)};
  world.runner.until([&] {
    if (reading->has_input()) reading->receive(8 * 1024);
    return written.is_there();
  });
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  EXPECT_THAT(written->error().detail, testing::HasSubstr("limits.waiting_output"));
  EXPECT_FALSE(other.stream.is_gone());
  its.end();
  resting->receive_to_end();
  EXPECT_TRUE(resting->was_reset());
  other.stream.reset(Reason::kInternal);
  other.end();
}

TEST(OutputBound, LetsAClientRestWhileThereIsRoom) {
  DownstreamWorld world({.settings = {.crowded_rest = 1ms}});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, chunked()));
  const Outcome<Result<bool>> written{write_for_ever(story.stream)};
  world.runner.for_at_least(1200ms);  // two looks
  EXPECT_FALSE(story.stream.is_gone());
  story.stream.reset(Reason::kInternal);
  story.end();
}

TEST(OutputBound, EndsTheStreamThatRestsWhenTooMuchWaits) {
  Http2World h2({.waiting_output = 1, .crowded_rest = 300ms});
  h2.client->send(http2::settings({{4, 0}}));
  auto& resting = h2.ask(1, http2::request());
  auto& taken = h2.ask(3, http2::request());
  h2.client->send(http2::window_update(3, 5000) + http2::window_update(0, 1 << 30));
  resting.stream.write_head(head_of(200, chunked()));
  taken.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(resting.stream)};
  const Outcome<Result<bool>> others{write_for_ever(taken.stream)};
  auto frame = h2.frame();
  for (; frame.type != http2::kRstStream && !h2.client->is_at_end(); frame = h2.frame()) {
    if (frame.type == http2::kData) {
      h2.client->send(http2::window_update(3, static_cast<std::uint32_t>(frame.payload.size())));
    }
  }
  EXPECT_EQ(frame.stream, 1u);
  ASSERT_TRUE(written.is_there());
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  EXPECT_THAT(written->error().detail, testing::HasSubstr("limits.waiting_output"));
  EXPECT_FALSE(taken.stream.is_gone());
  resting.end();
  taken.stream.reset(Reason::kInternal);
  taken.end();
}

TEST(OutputBound, EndsStreamsBehindAWindowThatIsShutForAllWhenTooMuchWaits) {
  Http2World h2({.waiting_output = 1, .crowded_rest = 300ms});
  h2.client->send(http2::settings({{4, 1 << 30}}));  // of each stream, but not of the connection
  auto& story = h2.ask(1, http2::request());
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  EXPECT_EQ(h2.frame_of(http2::kRstStream).stream, 1u);
  ASSERT_TRUE(written.is_there());
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  story.end();
}

TEST(OutputBound, EndsStreamsAlsoWhereNewOnesAreBegunAllTheTime) {
  Http2World h2({.waiting_output = 1, .crowded_rest = 300ms});
  h2.client->send(http2::settings({{4, 1 << 30}}));
  auto& story = h2.ask(1, http2::request());
  story.stream.write_head(head_of(200, chunked()));
  Outcome<Result<bool>> written{write_for_ever(story.stream)};
  std::vector<DownstreamWorld::Story*> others;
  while (!written.is_there() && others.size() < 100) {
    auto& other = h2.ask(static_cast<std::uint32_t>(3 + 2 * others.size()), http2::request());
    other.stream.write_head(head_of(200, chunked()));
    const Outcome<Result<bool>> piece{write_piece(other.stream, "x")};
    others.push_back(&other);
    h2.world.runner.for_at_least(50ms);
  }
  ASSERT_TRUE(written.is_there());
  EXPECT_EQ(written->error().reason, Reason::kClientTooSlow);
  story.end();
  for (auto* other : others) {
    other->stream.reset(Reason::kInternal);
    other->end();
  }
}

}  // namespace
}  // namespace hybridge::test
