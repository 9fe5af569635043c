#include "proxy/downstream/downstream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/downstream_world.h"

namespace hybridge::test {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kGotA = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nGET /a ";

// ---- Draining ----

TEST(Downstream, ClosesIdleConnectionsWhenDrained) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_FALSE(client->was_reset());
  client->close();
  world.runner.until([&] { return gone == 1; });
  EXPECT_EQ(world.downstream.connections(), 0u);
}

TEST(Downstream, LetsAnIdleConnectionBringOneMoreRequestWhenItRetires) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  int gone = 0;
  world.downstream.retire([&] { ++gone; });
  world.runner.turns(5);
  client->send(kGet);
  EXPECT_THAT(client->receive_to_end(), testing::HasSubstr("Connection: close\r\n"));
  client->close();
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, GoesOnAsBeforeWhenItResumes) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  int gone = 0;
  world.downstream.retire([&] { ++gone; });
  world.downstream.resume();
  for (int i = 0; i < 3; ++i) {
    client->send(kGet);
    EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  }
  client->close();
  world.runner.until([&] { return world.downstream.connections() == 0; });
  EXPECT_EQ(gone, 0);
}

TEST(Downstream, TellsBusyConnectionsToCloseWhenDrained) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  world.runner.turns(5);
  EXPECT_EQ(gone, 0);
  answer(story.stream, 200, "last");
  story.end();
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast");
  client->close();
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, ClosesBehindAnAnswerThatHadBegunBeforeItWasDrained) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, length(4)));  // has promised to stay
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  const Outcome<Result<bool>> written{write_piece(story.stream, "last")};
  story.stream.finish();
  story.end();
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast");
  client->close();
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, AnswersWhatWasThereWhenItWasDrained) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kGet);
  EXPECT_EQ(client->receive(kGotA.size()), kGotA);
  client->send("GET /a HTTP/1.1\r\nHost: a.te");  // a head has begun
  world.runner.turns(3);
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  client->send("st\r\n\r\n");
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGET /a ");
  client->close();
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, ServesWhoConnectedBeforeTheListenerStopped) {
  DownstreamWorld world({});
  world.serve_by(echo);
  world.runner.turns(1);
  const auto client = world.connect();  // in the kernel's queue
  client->send(kGet);
  world.listener.stop();
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nGET /a ");
  client->close();
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, SaysThatAllAreGoneWhenNobodyWasThere) {
  DownstreamWorld world({});
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  world.runner.until([&] { return gone == 1; });
}

TEST(Downstream, ClosesTunnelsAlone) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  auto& tunnel = world.next_story();
  tunnel.stream.write_head(head_of(101));
  client->receive_until("\r\n\r\n");
  const auto other = world.connect();
  other->send(kGet);
  auto& request = world.next_story();
  Outcome<Result<std::string>> piece{read_piece(tunnel.stream)};

  world.downstream.close_tunnels();
  ASSERT_TRUE(piece.is_there());
  EXPECT_EQ(piece->error().reason, Reason::kShuttingDown);
  EXPECT_FALSE(request.stream.is_gone());
  tunnel.end();
  EXPECT_EQ(client->receive_to_end(), "");
  answer(request.stream, 200, "still here");
  request.end();
  EXPECT_EQ(other->receive_until("here"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nstill here");
}

TEST(Downstream, ClosesAllAtOnce) {
  DownstreamWorld world({});
  const auto idle = world.connect();
  const auto half = world.connect();
  half->send("GET /a HT");
  const auto busy = world.connect();
  busy->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, until_close()));
  Outcome<Result<std::string>> unread{read_piece(story.stream)};
  world.runner.turns(3);
  int gone = 0;
  world.downstream.drain([&] { ++gone; });
  world.downstream.close_all();
  EXPECT_TRUE(story.stream.is_gone());
  EXPECT_EQ(idle->receive_to_end(), "");
  EXPECT_EQ(half->receive_to_end(), "");
  EXPECT_EQ(gone, 0);
  story.end();
  world.runner.turns(2);
  EXPECT_EQ(gone, 1);
  EXPECT_EQ(world.downstream.connections(), 0u);
}

TEST(Downstream, BreaksAnUnfinishedAnswerVisiblyWhenItClosesAll) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("GET /a HTTP/1.0\r\nHost: a.test\r\n\r\n");
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, until_close()));
  const Outcome<Result<bool>> written{write_piece(story.stream, "half")};
  client->receive_until("half");
  world.downstream.close_all();
  story.end();
  client->receive_to_end();
  EXPECT_TRUE(client->was_reset());
}

// A story that ends, when its client is cut, by ending another one: as requests that wait for each other's connection
// upstream do.
TEST(Downstream, ClosesAllThoughOneEndsTheOther) {
  DownstreamWorld world({});
  const auto first = world.connect();
  first->send(kGet);
  auto& one = world.next_story();
  const auto second = world.connect();
  second->send(kGet);
  auto& two = world.next_story();
  struct Ends final : Stream::GoneListener {
    explicit Ends(DownstreamWorld::Story& its) : story(its) {}
    void on_client_gone() override {
      if (std::exchange(is_over, true)) return;
      story.stream.reset(Reason::kInternal);
      story.end();
    }
    DownstreamWorld::Story& story;
    bool is_over = false;
  };
  Ends ends_two{two};
  one.stream.set_gone_listener(&ends_two);
  world.downstream.close_all();
  EXPECT_TRUE(ends_two.is_over);
  one.end();
  world.runner.turns(2);
  EXPECT_EQ(world.downstream.connections(), 0u);
}

}  // namespace
}  // namespace hybridge::test
