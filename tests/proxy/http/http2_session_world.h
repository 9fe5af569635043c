// A session and the client at its other end, for tests: bytes in, events as lines, answers as frames.
#pragma once

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/http/http2_session.h"
#include "tests/support/http2_frames.h"

namespace hybridge::http::test_http2 {

namespace h2 = test::http2;
inline constexpr TimePoint kNow{std::chrono::hours(1)};

// A stream whose answer is what the test puts into `body`.
class TestStream final : public Http2SessionStream {
 public:
  explicit TestStream(std::string& output) : output_(output) {}
  std::string body;
  bool is_complete = false;

 private:
  std::size_t body_at_hand() const override { return body.size(); }
  bool is_body_complete() const override { return is_complete; }
  void send_piece(std::size_t bytes) override {
    output_ += body.substr(0, bytes);
    body.erase(0, bytes);
  }
  std::string& output_;
};

class World final : private Http2Session::User {
 public:
  explicit World(const Http2Settings& settings = {}) : session(*this, settings, kNow) {}

  // Gives it the bytes in pieces; what happened is noted as lines, and the answers as frames.
  void give(std::string_view bytes, std::size_t piece = std::string_view::npos) {
    while (!bytes.empty() && !fault) {
      const auto part = as_bytes(bytes.substr(0, piece));
      bytes.remove_prefix(part.size());
      const auto received = session.receive(part, now);
      if (!received) fault = received.error();
      note_events();
    }
    flush();
  }
  void flush() {
    session.send();
    note_events();
    reader.add(output);
    output.clear();
    for (auto& frame : reader.all()) frames.push_back(std::move(frame));
  }
  TestStream& stream(std::size_t index = 0) { return *streams.at(index); }

  // The frames of a stream since this was asked last.
  std::vector<h2::Frame> frames_of(std::uint32_t id) {
    std::vector<h2::Frame> of;
    for (const auto& frame : std::exchange(frames, {})) {
      if (frame.stream == id) of.push_back(frame);
    }
    return of;
  }
  h2::Frame goaway() {
    for (const auto& frame : frames) {
      if (frame.type == h2::kGoaway) return frame;
    }
    return {};
  }

  TimePoint now = kNow;
  bool refuses = false;
  bool takes = true;
  bool is_out_of_memory = false;
  std::string output;
  h2::FrameReader reader;
  std::vector<h2::Frame> frames;
  std::vector<std::string> events;
  std::optional<Error> fault;
  std::vector<std::unique_ptr<TestStream>> streams;
  Http2Session session;

 private:
  Http2SessionStream* on_stream() override {
    if (refuses) return nullptr;
    if (is_out_of_memory) throw std::bad_alloc();
    streams.push_back(std::make_unique<TestStream>(output));
    return streams.back().get();
  }
  void write(Bytes bytes) override {
    if (is_out_of_memory) throw std::bad_alloc();
    output += as_text(bytes);
  }
  bool takes_output() const override { return takes; }

  void note_events() {
    for (Http2Session::Event event{}; session.take_event(event);) {
      const auto id = event.stream ? std::to_string(event.stream->id()) : "";
      using Kind = Http2Session::Event::Kind;
      switch (event.kind) {
        case Kind::kRequest:
          events.push_back("request " + id + " " + std::string(event.stream->head().method_name) + " " +
                           std::string(event.stream->head().target) +
                           (event.error ? " " + std::string(code(event.error->reason)) : ""));
          break;
        case Kind::kData:
          // How the bytes were cut is not the client's affair.
          if (!events.empty() && events.back().starts_with("data " + id + " ")) {
            events.back() += as_text(event.data);
          } else {
            events.push_back("data " + id + " " + std::string(as_text(event.data)));
          }
          session.open_connection_window(event.data.size());
          session.open_stream_window(*event.stream, event.data.size());
          break;
        case Kind::kEnd:
          events.push_back("end " + id);
          break;
        case Kind::kBroken:
          events.push_back("broken " + id + " " + std::string(code(event.error->reason)));
          break;
        case Kind::kClosed:
          events.push_back("closed " + id);
          break;
        case Kind::kPong:
          events.push_back("pong");
          break;
      }
    }
  }
};

inline ResponseHead response(int status) {
  ResponseHead head;
  head.status = status;
  return head;
}

}  // namespace hybridge::http::test_http2
