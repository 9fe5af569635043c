// A client of HTTP/2 over TLS against an edge on threads of its own: writes frames as a test wants them, and keeps
// apart what has come of each stream. Gives no window back by itself.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/edge_world.h"
#include "tests/support/http2_frames.h"

namespace hybridge::test {

class Http2Peer {
 public:
  struct Answer {
    http2::Fields head;
    std::string body;
    http2::Fields trailers;
    bool is_whole = false;
    std::optional<std::uint32_t> reset;  // its code
    std::uint32_t window_opened = 0;     // bytes, beyond what HTTP/2 begins with

    int status() const {
      return http2::field_of(head, ":status").empty() ? 0 : std::stoi(http2::field_of(head, ":status"));
    }
    bool is_over() const { return is_whole || reset; }
  };

  explicit Http2Peer(EdgeWorld& world) : peer_(Peer::connect_to(world.https)) {
    EXPECT_TRUE(peer_.start_tls("a.test", nullptr, "\x02h2"));
    send(http2::greeting());
  }

  void send(std::string_view bytes) { peer_.send(bytes); }
  Peer& peer() { return peer_; }

  // The next frame; what is of a stream is noted, too. Of type 0 and no stream: the connection has ended.
  http2::Frame frame() {
    http2::Frame frame;
    while (!reader_.next(frame)) {
      const auto byte = peer_.receive(1);
      if (byte.empty()) return {};
      reader_.add(byte);
    }
    note(frame);
    return frame;
  }
  http2::Frame frame_of(std::uint8_t type) {
    for (;;) {
      auto next = frame();
      if (next.type == type || (next.type == 0 && next.stream == 0)) return next;
    }
  }
  // The answer, when it is over; at the connection's end what has come of it.
  const Answer& answer(std::uint32_t stream) {
    while (!answers_[stream].is_over()) {
      const auto next = frame();
      if (next.type == 0 && next.stream == 0) break;
    }
    return answers_[stream];
  }
  // What has come of it now, after so many bytes of its body.
  const Answer& answer_so_far(std::uint32_t stream, std::size_t bytes = 0) {
    while (answers_[stream].body.size() < bytes && !answers_[stream].is_over()) frame();
    return answers_[stream];
  }
  // All that the edge had to say before it read what was sent so far has been noted.
  void catch_up() {
    send(http2::ping());
    for (auto next = frame_of(http2::kPing); next.type == http2::kPing && (next.flags & http2::kAck) == 0;) {
      next = frame_of(http2::kPing);
    }
  }

 private:
  void note(const http2::Frame& frame) {
    if (frame.stream == 0) return;
    auto& answer = answers_[frame.stream];
    switch (frame.type) {
      case http2::kHeaders:
        (answer.head.empty() ? answer.head : answer.trailers) = frame.fields;
        break;
      case http2::kData:
        answer.body += frame.payload;
        break;
      case http2::kRstStream:
        answer.reset = frame.number();
        break;
      case http2::kWindowUpdate:
        answer.window_opened += frame.number();
        break;
      default:
        break;
    }
    answer.is_whole = answer.is_whole || frame.ends_stream();
  }

  Peer peer_;
  http2::FrameReader reader_;
  std::map<std::uint32_t, Answer> answers_;
};

}  // namespace hybridge::test
