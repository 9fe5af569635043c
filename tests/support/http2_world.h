// An HTTP/2 connection between a client that the test plays, frame by frame, and stories that it tells.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "proxy/downstream/http2_connection.h"
#include "tests/support/downstream_world.h"
#include "tests/support/http2_frames.h"

namespace hybridge::test {

// A client's connection, in clear text: TLS and ALPN are Arrival's affair.
class Http2World final : private Transport::User {
 public:
  explicit Http2World(DownstreamSettings settings = {}, std::unique_ptr<const Error> refusal = nullptr)
      : world({.settings = std::move(settings)}) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK) | ::fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    client = std::make_unique<ScriptedConnection>(world.runner, ends[1]);
    auto transport = std::make_unique<Transport>(world.runner.loop(), static_cast<Transport::User&>(*this));
    transport->open(ends[0]);
    ClientFacts facts;
    facts.peer = facts.direct_peer = *Address::parse("127.0.0.1", 1);
    facts.place = world.limits.enter(facts.direct_peer, false, ends[0]).place;
    auto made = std::make_unique<Http2Connection>(world.downstream, world.service(), std::move(transport),
                                                  std::move(facts), std::move(refusal));
    auto& connection = *made;
    world.downstream.add(std::move(made));
    connection.start();
    client->send(http2::greeting());
  }

  // The next frame but SETTINGS, their acknowledgements and the connection's WINDOW_UPDATE.
  http2::Frame frame() {
    http2::Frame frame;
    world.runner.until([&] {
      while (!reader.next(frame)) {
        if (!client->has_input()) return client->is_at_end();
        reader.add(client->receive(1));
      }
      if (frame.type != http2::kSettings && !(frame.type == http2::kWindowUpdate && frame.stream == 0)) return true;
      frame = {};
      return false;
    });
    return frame;
  }
  http2::Frame frame_of(std::uint8_t type) {
    for (;;) {
      auto next = frame();
      if (next.type == type || (next.type == 0 && next.stream == 0)) return next;
    }
  }
  DownstreamWorld::Story& ask(std::uint32_t id, const http2::Fields& fields, bool ends = true) {
    client->send(http2::headers(id, fields, ends));
    return world.next_story();
  }

  DownstreamWorld world;
  std::unique_ptr<ScriptedConnection> client;
  http2::FrameReader reader;

 private:
  void on_connected() override {}
  void on_input() override {}
  void on_writable() override {}
  void on_blocked() override {}
  void on_shut_down() override {}
  void on_failed(const Error&) override {}
};

}  // namespace hybridge::test
