// Any bytes as an HTTP/2 connection. What must hold: what happened does not depend on how the bytes were cut; every
// stream that begins is told to end, or the connection is; what is told of a body fits its request's framing; an
// accepted request means the same in the HTTP/1.1 that is made of it; and what is answered can be read by a client.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/http2_session.h"
#include "tests/fuzz/demands.h"

namespace hybridge::http {
namespace {

constexpr HeadLimits kLimits{.target_bytes = 512, .head_bytes = 2048, .headers = 24};
constexpr std::string_view kGreeting("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x4\0\0\0\0\0", 33);

class FuzzStream final : public Http2SessionStream {
 public:
  explicit FuzzStream(std::string& output) : output_(output) {}
  std::string body = "an answer";
  std::uint64_t received = 0;
  bool is_told = false;
  bool is_over = false;

 private:
  std::size_t body_at_hand() const override { return body.size(); }
  bool is_body_complete() const override { return true; }
  void send_piece(std::size_t bytes) override {
    demand(bytes <= body.size(), "no more is sent than there is");
    output_ += body.substr(0, bytes);
    body.erase(0, bytes);
  }
  std::string& output_;
};

class Connection final : private Http2Session::User {
 public:
  // Without answers, so that what happens is the client's doing alone, or with.
  Connection(std::string_view bytes, std::size_t piece, bool answers)
      : answers_(answers), session_(*this, {.head = kLimits, .streams = 8}, TimePoint{}) {
    for (; !bytes.empty() && !is_cut; bytes.remove_prefix(std::min(piece, bytes.size()))) {
      is_cut = !session_.receive(as_bytes(bytes.substr(0, piece)), TimePoint{});
      if (!is_cut) take_events();
      if (answers_) pump();
    }
    pump();
    is_cut = is_cut || session_.violation();
  }

  std::string output;
  bool is_cut = false;

 private:
  Http2SessionStream* on_stream() override {
    streams_.push_back(std::make_unique<FuzzStream>(output));
    return streams_.back().get();
  }
  void write(Bytes bytes) override { output += as_text(bytes); }
  bool takes_output() const override { return output.size() < (1 << 20); }

  void pump() {
    session_.send();
    take_events();
  }

  void take_events() {
    using Kind = Http2Session::Event::Kind;
    for (Http2Session::Event event{}; session_.take_event(event);) {
      auto* stream = static_cast<FuzzStream*>(event.stream);
      demand(!stream || !stream->is_over, "nothing is told of a stream that is over");
      switch (event.kind) {
        case Kind::kRequest:
          demand(!stream->is_told, "a request is told once");
          stream->is_told = true;
          if (!event.error) check_forwarded(stream->head());
          if (answers_ && !stream->is_closed()) answer(*stream);
          break;
        case Kind::kData:
          stream->received += event.data.size();
          demand(stream->head().framing.kind != Framing::Kind::kLength ||
                     stream->received <= stream->head().framing.length,
                 "no more of a body than its length");
          session_.open_connection_window(event.data.size());
          session_.open_stream_window(*stream, event.data.size());
          break;
        case Kind::kEnd:
          demand(stream->head().framing.kind != Framing::Kind::kLength ||
                     stream->received == stream->head().framing.length,
                 "a body has its length");
          break;
        case Kind::kBroken:
          break;
        case Kind::kClosed:
          stream->is_over = true;
          break;
        case Kind::kPong:
          break;
      }
    }
  }

  void answer(FuzzStream& stream) {
    ResponseHead head;
    head.status = 200;
    head.headers.add("Content-Type", "text/plain");
    const bool has_body = stream.head().method != Method::kHead;
    session_.write_head(stream, head, {Framing::Kind::kLength, stream.body.size()}, has_body);
  }

  const bool answers_;
  std::vector<std::unique_ptr<FuzzStream>> streams_;
  Http2Session session_;
};

// A client that has asked nothing takes what a server may say to it: frames as such are well-formed.
void check_readable(std::string_view output) {
  while (output.size() >= 9) {
    const auto byte = [&](std::size_t at) { return std::size_t(std::uint8_t(output[at])); };
    const auto size = byte(0) << 16 | byte(1) << 8 | byte(2);
    demand(size <= 16'384, "no frame is larger than a client takes");
    demand(output.size() >= 9 + size, "frames are whole");
    demand(byte(3) <= 9, "no frame of a type that the client has not said it knows");
    output.remove_prefix(9 + size);
  }
  demand(output.empty(), "nothing stands behind the last frame");
}

}  // namespace
}  // namespace hybridge::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hybridge::http;
  if (size < 2) return 0;
  // The last byte says how the rest is cut, the one before it whether the greeting is the input's affair.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size - 2);
  const std::size_t piece = data[size - 1] % 32 + 1;
  const std::string input = (data[size - 2] % 4 == 0 ? std::string() : std::string(kGreeting)).append(bytes);
  // Each keeps its own promises. They may differ: what begins and is reset in one batch is never told.
  const Connection whole(input, input.size() + 1, false);
  const Connection cut(input, piece, false);
  const Connection answered(input, piece, true);
  check_readable(answered.output);
  return 0;
}
