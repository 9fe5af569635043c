#include "proxy/http/http1_writer.h"

#include <gtest/gtest.h>

namespace hybridge::http {
namespace {

using Kind = Framing::Kind;

std::string written(int status, const ConnectionFacts& facts, std::string_view phrase = {}) {
  ResponseHead head;
  head.status = status;
  head.phrase = phrase;
  head.headers.add("X-A", "b");
  std::string out;
  append_response_head(out, head, facts);
  return out;
}

TEST(ResponseWriter, WritesALengthAndNoMoreThanNeeded) {
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 12}}), "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 12\r\n\r\n");
}

TEST(ResponseWriter, AppendsAndKeepsWhatIsThere) {
  ResponseHead head;
  head.status = 404;
  std::string out = "before";
  append_response_head(out, head, {});
  EXPECT_EQ(out, "beforeHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWriter, KeepsTheUpstreamsPhrase) {
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 1}}, "Fine"),
            "HTTP/1.1 200 Fine\r\nX-A: b\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(written(599, {}), "HTTP/1.1 599 \r\nX-A: b\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWriter, WritesEachFraming) {
  EXPECT_EQ(written(200, {.framing = {Kind::kChunked, 0}}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(written(200, {.framing = {}}), "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 18446744073709551615u}}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST(ResponseWriter, ClosesWhatOnlyTheCloseEnds) {
  EXPECT_EQ(written(200, {.framing = {Kind::kUntilClose, 0}, .keep_alive = true}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\n");
}

TEST(ResponseWriter, TellsTheConnectionsEnd) {
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 1}, .keep_alive = false}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 1}, .keep_alive = false, .is_http10 = true}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseWriter, TellsOldClientsThatItIsKept) {
  EXPECT_EQ(written(200, {.framing = {Kind::kLength, 1}, .keep_alive = true, .is_http10 = true}),
            "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseWriter, SwitchesProtocols) {
  EXPECT_EQ(written(101, {.framing = {Kind::kLength, 5}, .keep_alive = false, .upgrade = "websocket"}),
            "HTTP/1.1 101 Switching Protocols\r\nX-A: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ResponseWriter, SwitchesToTheProtocolThatTheUpstreamTook) {
  ResponseHead head;
  head.status = 101;
  head.headers.add("upgrade", "websocket");
  std::string out;
  append_response_head(out, head, {.upgrade = "foo, websocket"});
  EXPECT_EQ(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ResponseWriter, FramesNothingWhereNothingMayFollow) {
  const ConnectionFacts facts{.framing = {Kind::kLength, 5}};
  EXPECT_EQ(written(103, facts), "HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n");
  EXPECT_EQ(written(100, facts), "HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n");
  EXPECT_EQ(written(204, facts), "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n");
  EXPECT_EQ(written(204, {.keep_alive = false}), "HTTP/1.1 204 No Content\r\nX-A: b\r\nConnection: close\r\n\r\n");
}

TEST(ResponseWriter, SaysOfAnUnsentBodyOnlyWhatIsKnown) {
  EXPECT_EQ(written(304, {}), "HTTP/1.1 304 Not Modified\r\nX-A: b\r\n\r\n");
  EXPECT_EQ(written(304, {.framing = {Kind::kLength, 5}}),
            "HTTP/1.1 304 Not Modified\r\nX-A: b\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written(200, {.has_framing_header = false}), "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n");
}

TEST(ResponseWriter, NeverWritesASecondFraming) {
  ResponseHead head;
  head.status = 200;
  for (const auto* name : {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade"}) {
    head.headers.add(name, "7");
  }
  std::string out;
  append_response_head(out, head, {.framing = {Kind::kChunked, 0}});
  EXPECT_EQ(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(ChunkWriter, WritesSizesInHexadecimal) {
  std::string out = "x";
  append_chunk_begin(out, 1024);
  append_chunk_begin(out, 1);
  append_chunk_begin(out, 0xffffffffffffffff);
  EXPECT_EQ(out, "x400\r\n1\r\nffffffffffffffff\r\n");
}

}  // namespace
}  // namespace hybridge::http
