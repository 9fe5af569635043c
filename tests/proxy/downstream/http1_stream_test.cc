#include "proxy/downstream/http1_stream.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/downstream_world.h"

namespace hybridge::test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kHttp10 = "GET /a HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n";

// What a client reads of an answer with this head and these pieces of body; the client half-closes, so that the
// connection ends whether or not it is kept alive.
std::string response_to(std::string_view request, const http::ResponseHead& head, std::vector<std::string> pieces) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(request);
  client->shutdown();
  auto& story = world.next_story();
  story.stream.write_head(head);
  for (auto& piece : pieces) {
    const Outcome<Result<bool>> written{write_piece(story.stream, piece)};
    EXPECT_TRUE(written.is_there());
  }
  story.stream.finish();
  story.end();
  return client->receive_to_end();
}

// ---- The framing of responses ----

TEST(Http1Stream, FramesAKnownLengthByIt) {
  EXPECT_EQ(response_to(kGet, head_of(200, length(5)), {"he", "llo"}),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

TEST(Http1Stream, FramesAnUnknownLengthByChunks) {
  const std::string expected = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  EXPECT_EQ(response_to(kGet, head_of(200, chunked()), {"he", "llo"}), expected);
  EXPECT_EQ(response_to(kGet, head_of(200, until_close()), {"he", "", "llo"}), expected);
}

TEST(Http1Stream, FramesAnUnknownLengthByTheCloseForHttp10) {
  EXPECT_EQ(response_to(kHttp10, head_of(200, chunked()), {"he", "llo"}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
}

TEST(Http1Stream, SaysThatThereIsNoBody) {
  EXPECT_EQ(response_to(kGet, head_of(200), {}), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(Http1Stream, SendsNoBodyToAHead) {
  constexpr std::string_view kHead = "HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
  EXPECT_EQ(response_to(kHead, head_of(200, length(5)), {"hello"}), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(response_to(kHead, head_of(200, length(5)), {}), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(response_to(kHead, head_of(200, chunked()), {"hello"}), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(response_to(kHead, head_of(200), {}), "HTTP/1.1 200 OK\r\n\r\n");
}

TEST(Http1Stream, SendsNoBodyWith204And304) {
  EXPECT_EQ(response_to(kGet, head_of(204), {}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(response_to(kGet, head_of(204, length(5)), {"hello"}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(response_to(kGet, head_of(304), {}), "HTTP/1.1 304 Not Modified\r\n\r\n");
  EXPECT_EQ(response_to(kGet, head_of(304, length(5)), {"hello"}),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
}

TEST(Http1Stream, GoesOnAfterAnswersWithoutBody) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n" + std::string(kGet));
  for (const int status : {200, 304, 204}) {
    auto& story = world.next_story();
    story.stream.write_head(head_of(status, length(status == 204 ? 0 : 9)));
    story.stream.finish();
    story.end();
  }
  EXPECT_EQ(client->receive_until("204 No Content\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(Http1Stream, BreaksAnAnswerThatIsShorterThanItSaid) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.write_head(head_of(200, length(10)));
  const Outcome<Result<bool>> written{write_piece(story.stream, "short")};
  story.stream.finish();
  story.end();
  client->receive_to_end();
  EXPECT_TRUE(client->was_reset());
}

TEST(Http1Stream, ShowsAResetAnswerAsBroken) {
  for (const auto& framing : {length(100), chunked(), until_close()}) {
    for (const auto request : {kGet, kHttp10}) {
      DownstreamWorld world({});
      const auto client = world.connect();
      client->send(request);
      auto& story = world.next_story();
      story.stream.write_head(head_of(200, framing));
      const Outcome<Result<bool>> written{write_piece(story.stream, "half")};
      EXPECT_EQ(client->receive_until("half").substr(0, 9), "HTTP/1.1 ");
      story.stream.reset(Reason::kUpstreamTruncated);
      EXPECT_TRUE(story.stream.is_gone());
      story.end();
      EXPECT_EQ(client->receive_to_end().find("0\r\n\r\n"), std::string::npos);
      EXPECT_TRUE(client->was_reset());
      world.runner.until([&] { return world.downstream.connections() == 0; });
    }
  }
}

TEST(Http1Stream, ClosesWithoutAWordWhenResetBeforeItsHead) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kGet);
  auto& story = world.next_story();
  story.stream.reset(Reason::kInternal);
  story.end();
  EXPECT_EQ(client->receive_to_end(), "");
  EXPECT_EQ(world.downstream.connections(), 0u);
}

TEST(Http1Stream, CountsTheBytesOfBodiesWithoutTheirFraming) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  auto& story = world.next_story();
  const Outcome<Result<std::string>> body{read_all(story.stream)};
  ASSERT_TRUE(body.is_there());
  EXPECT_TRUE(story.stream.is_body_read());
  story.stream.write_head(head_of(200, chunked()));
  const Outcome<Result<bool>> written{write_piece(story.stream, "hello")};
  story.stream.finish();
  EXPECT_EQ(story.stream.bytes_in(), 3u);
  EXPECT_EQ(story.stream.bytes_out(), 5u);
  EXPECT_EQ(story.stream.status(), 200);
  story.end();
}

// ---- Bodies of requests ----

TEST(Http1Stream, TakesChunksInOddPieces) {
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\na\r\n0000a;n=v;q=\"x\"\r\nbcdefghijk\r\n2\r\nlm\r\n0\r\nX-Trailer: dropped\r\n\r\n";
  for (std::size_t piece = 1; piece < 20; ++piece) {
    DownstreamWorld world({});
    world.serve_by(echo);
    const auto client = world.connect();
    for (std::size_t at = 0; at < request.size(); at += piece) {
      client->send(std::string_view(request).substr(at, piece));
      world.runner.turns(1);
    }
    EXPECT_EQ(client->receive_until("klm"), "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\nPOST /a abcdefghijklm");
  }
}

TEST(Http1Stream, RefusesAMalformedChunkAndClosesBehindIt) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n" +
               std::string(kGet));
  EXPECT_TRUE(client->receive_to_end().starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"));
  EXPECT_EQ(world.served, 1);
}

TEST(Http1Stream, EndsTheReadWhenTheClientClosesInsideTheBody) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  client->shutdown();
  auto& story = world.next_story();
  Outcome<Result<std::string>> body{read_all(story.stream)};
  world.runner.until([&] { return body.is_there(); });
  EXPECT_EQ(body->error().reason, Reason::kClientGone);
  story.stream.reset(Reason::kClientGone);
  story.end();
}

TEST(Http1Stream, HoldsAnUploaderBackWhileNobodyReads) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->limit_buffers(16 * 1024);
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
  auto& story = world.next_story();
  // What the kernel takes on both sides is all the client can send: nothing of it is gathered here.
  const std::string piece(256 * 1024, 'u');
  std::size_t sent = 0;
  int stuck = 0;
  while (sent < 100'000'000 && stuck < 5) {
    const auto count = ::send(client->descriptor(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    stuck = count > 0 ? 0 : stuck + 1;
    if (count > 0) sent += static_cast<std::size_t>(count);
    world.runner.turns(3);
  }
  EXPECT_LT(sent, 20'000'000u);
  EXPECT_EQ(story.stream.bytes_in(), 0u);
  // Reading lets more come.
  Outcome<Result<std::string>> first{read_piece(story.stream)};
  world.runner.until([&] { return first.is_there(); });
  ASSERT_TRUE(first->has_value());
  EXPECT_FALSE(first->value().empty());
  world.runner.until([&] {
    return ::send(client->descriptor(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0 || [&] {
      Outcome<Result<std::string>> next{read_piece(story.stream)};
      world.runner.until([&] { return next.is_there(); });
      return false;
    }();
  });
  story.stream.reset(Reason::kClientGone);
  story.end();
}

TEST(Http1Stream, ReadsOnWithoutLosingWhatCameWhileNobodyRead) {
  DownstreamWorld world({});
  const auto client = world.connect();
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i) + ' ';
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  auto& story = world.next_story();
  std::string got;
  std::size_t sent = 0;
  while (got.size() < body.size() && !::testing::Test::HasFailure()) {
    if (sent < body.size()) {
      const auto count = ::send(client->descriptor(), body.data() + sent,
                                std::min<std::size_t>(100'000, body.size() - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count > 0) sent += static_cast<std::size_t>(count);
    }
    world.runner.turns(2);
    Outcome<Result<std::string>> piece{read_piece(story.stream)};
    world.runner.until([&] { return piece.is_there(); });
    ASSERT_TRUE(piece->has_value());
    got += piece->value();
  }
  EXPECT_TRUE(got == body);
  answer(story.stream, 200, "ok");
  story.end();
  EXPECT_EQ(client->receive_until("ok"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

TEST(Http1Stream, RefusesABodyThatIsTooLargeByItsLength) {
  DownstreamWorld world({.settings = {.body_bytes = 1'000}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\n\r\n");
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("limits.body_bytes (1000 bytes)"), std::string::npos) << refusal;
}

TEST(Http1Stream, RefusesABodyThatIsTooLargeByItsChunks) {
  DownstreamWorld world({.settings = {.body_bytes = 1'000}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "c8\r\n" + std::string(200, 'x') + "\r\n";
  for (int i = 0; i < 6; ++i) client->send(chunk);
  const auto refusal = client->receive_to_end();
  EXPECT_TRUE(refusal.starts_with("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n")) << refusal;
  EXPECT_NE(refusal.find("limits.body_bytes (1000 bytes)"), std::string::npos) << refusal;
}

TEST(Http1Stream, TakesABodyAsLargeAsTheLimit) {
  DownstreamWorld world({.settings = {.body_bytes = 1'000}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n" + std::string(1'000, 'x'));
  EXPECT_TRUE(client->receive_until("xxx").starts_with("HTTP/1.1 200 OK\r\nContent-Length: 1008\r\n\r\n"));
  client->receive(997);
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
               std::string(1'000, 'y') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(client->receive_until("yyy").starts_with("HTTP/1.1 200 OK\r\nContent-Length: 1008\r\n\r\n"));
}

// ---- Limits of the head ----

TEST(Http1Stream, NamesTheLimitThatAHeadIsOver) {
  const DownstreamSettings settings{.head = {.target_bytes = 100, .head_bytes = 1'000, .headers = 5}};
  const std::string begin = "GET /a HTTP/1.1\r\nHost: a.test\r\n";
  const struct {
    std::string request;
    std::string_view status;
    std::string_view limit;
  } cases[] = {
      {"GET /" + std::string(100, 'a') + " HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 414 URI Too Long", "100 bytes"},
      {"GET /" + std::string(300, 'a'), "HTTP/1.1 414 URI Too Long", "100 bytes"},
      {begin + "X: " + std::string(1'000, 'b') + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large",
       "1000 bytes"},
      {begin + "X: " + std::string(2'000, 'b'), "HTTP/1.1 431 Request Header Fields Too Large", "1000 bytes"},
      {begin + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large",
       "limits.headers (5)"},
  };
  for (const auto& [request, status, limit] : cases) {
    DownstreamWorld world({.settings = settings});
    world.serve_by(echo);
    const auto client = world.connect();
    client->send(request);
    const auto refusal = client->receive_to_end();
    EXPECT_TRUE(refusal.starts_with(std::string(status) + "\r\nConnection: close\r\n")) << refusal;
    EXPECT_NE(refusal.find(limit), std::string::npos) << refusal;
  }
}

TEST(Http1Stream, TakesAHeadAsLargeAsItsLimits) {
  DownstreamWorld world({.settings = {.head = {.target_bytes = 10, .head_bytes = 100, .headers = 3}}});
  world.serve_by(echo);
  const auto client = world.connect();
  std::string request = "GET /123456789 HTTP/1.1\r\nHost: a.test\r\nA: 1\r\nB: ";
  request += std::string(100 - request.size() - 4, 'b') + "\r\n\r\n";
  client->send(request);
  EXPECT_EQ(client->receive_until("9 "), "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nGET /123456789 ");
}

// ---- Expect: 100-continue ----

constexpr std::string_view kExpecting =
    "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";

TEST(Http1Stream, SaysContinueWhenTheBodyIsRead) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kExpecting);
  auto& story = world.next_story();
  world.runner.turns(5);
  EXPECT_FALSE(client->has_input());
  Outcome<Result<std::string>> body{read_all(story.stream)};
  EXPECT_EQ(client->receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client->send("abc");
  world.runner.until([&] { return body.is_there(); });
  answer(story.stream, 200, "done");
  story.end();
  EXPECT_EQ(client->receive_until("done"), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
}

TEST(Http1Stream, DoesNotSayContinueToAClientThatDidNotWait) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(std::string(kExpecting) + "abc");
  EXPECT_EQ(client->receive_until("abc"), "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nPOST /a abc");
}

TEST(Http1Stream, DoesNotSayContinueWhenItRefuses) {
  DownstreamWorld world({.settings = {.body_bytes = 2}});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send(kExpecting);
  EXPECT_TRUE(client->receive_to_end().starts_with("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"));
}

TEST(Http1Stream, DoesNotSayContinueAfterTheAnswer) {
  DownstreamWorld world({});
  world.serve_by(ignore);
  const auto client = world.connect();
  client->send(kExpecting);
  // Whether the body still comes cannot be known: the connection ends here.
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nignored");
}

TEST(Http1Stream, SaysContinueOnceWhoeverSaysItFirst) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send(kExpecting);
  auto& story = world.next_story();
  story.stream.write_informational(head_of(100));
  story.stream.write_informational(head_of(100));
  Outcome<Result<std::string>> body{read_all(story.stream)};
  world.runner.turns(3);
  client->send("abc");
  world.runner.until([&] { return body.is_there(); });
  answer(story.stream, 200, "done");
  story.end();
  EXPECT_EQ(client->receive_until("done"),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
}

TEST(Http1Stream, IgnoresTheExpectationOfHttp10) {
  DownstreamWorld world({});
  world.serve_by(echo);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.0\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  world.runner.turns(5);
  client->send("abc");
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\nPOST /a abc");
}

TEST(Http1Stream, PassesEarlyHintsToClientsThatKnowThem) {
  auto hints = head_of(103);
  hints.headers.add("Link", "</a.css>; rel=preload");
  for (const bool is_http10 : {false, true}) {
    DownstreamWorld world({});
    const auto client = world.connect();
    client->send(is_http10 ? kHttp10 : kGet);
    auto& story = world.next_story();
    story.stream.write_informational(hints);
    world.runner.turns(2);
    EXPECT_EQ(client->has_input(), !is_http10);  // at once, not with the answer
    answer(story.stream, 200, "done");
    story.stream.write_informational(hints);  // too late: not sent
    story.end();
    EXPECT_EQ(client->receive_until("done"),
              is_http10 ? "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\ndone"
                        : "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
  }
}

// ---- Early answers ----

TEST(Http1Stream, DeliversAnEarlyAnswerWhileTheUploadComes) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8000000\r\n\r\n" + std::string(100'000, 'u'));
  auto& story = world.next_story();
  Outcome<Result<std::string>> first{read_piece(story.stream)};
  world.runner.until([&] { return first.is_there(); });
  answer(story.stream, 403, "no");
  story.stream.abandon_body();
  Outcome<Result<std::string>> rest{read_piece(story.stream)};
  ASSERT_TRUE(rest.is_there());
  EXPECT_TRUE(rest->has_error());
  story.end();
  client->send(std::string(5'000'000, 'u'));
  client->shutdown();
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_FALSE(client->was_reset());
}

TEST(Http1Stream, EndsAPendingReadOfABodyThatIsAbandoned) {
  DownstreamWorld world({});
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  auto& story = world.next_story();
  Outcome<Result<std::string>> body{read_all(story.stream)};
  world.runner.turns(3);
  ASSERT_FALSE(body.is_there());
  story.stream.abandon_body();
  ASSERT_TRUE(body.is_there());
  EXPECT_TRUE(body->has_error());
  answer(story.stream, 200, "done");
  story.end();
  EXPECT_EQ(client->receive_until("done"), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone");
}

TEST(Http1Stream, KeepsTheConnectionWhenASmallUnreadBodyIsHere) {
  DownstreamWorld world({});
  world.serve_by(ignore);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
  const std::string ignored = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nignored";
  EXPECT_EQ(client->receive(ignored.size()), ignored);
  client->send(kGet);
  EXPECT_EQ(client->receive(ignored.size()), ignored);
  EXPECT_EQ(world.served, 2);
}

TEST(Http1Stream, NeverTakesAnUnreadBodyForTheNextRequest) {
  DownstreamWorld world({});
  world.serve_by(ignore);
  const auto client = world.connect();
  client->send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 33\r\n\r\n");
  world.runner.until([&] { return world.served == 1; });
  client->send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client->receive_to_end(), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\n\r\nignored");
  EXPECT_EQ(world.served, 1);
}

// ---- Tunnels ----

class Tunnel {
 public:
  explicit Tunnel(std::string_view early = {}) : world({}), client(world.connect()) {
    client->send("GET /socket.io HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" +
                 std::string(early));
    story = &world.next_story();
    story->stream.write_head(head_of(101));
    EXPECT_EQ(client->receive_until("\r\n\r\n"),
              "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  }
  std::string read() {
    Outcome<Result<std::string>> piece{read_piece(story->stream)};
    world.runner.until([&] { return piece.is_there(); });
    return piece->has_value() ? piece->value() : "error: " + std::string(code(piece->error().reason));
  }
  void write(std::string bytes) {
    const Outcome<Result<bool>> written{write_piece(story->stream, std::move(bytes))};
    EXPECT_TRUE(written.is_there());
  }

  DownstreamWorld world;
  std::unique_ptr<ScriptedConnection> client;
  DownstreamWorld::Story* story = nullptr;
};

TEST(Http1Stream, CarriesRawBytesBothWaysAfterA101) {
  Tunnel tunnel;
  tunnel.client->send("\x81\x05hello\r\n\r\n");
  EXPECT_EQ(tunnel.read(), "\x81\x05hello\r\n\r\n");
  tunnel.write("0\r\n\r\nraw");
  EXPECT_EQ(tunnel.client->receive(8), "0\r\n\r\nraw");
  EXPECT_EQ(tunnel.story->stream.bytes_in(), 11u);
  EXPECT_EQ(tunnel.story->stream.bytes_out(), 8u);
  EXPECT_EQ(tunnel.world.served, 1);
}

TEST(Http1Stream, CarriesTheBytesBehindTheHeadOfAnUpgrade) {
  Tunnel tunnel("early bytes");
  EXPECT_EQ(tunnel.read(), "early bytes");
}

TEST(Http1Stream, PassesTheClientsHalfCloseOfATunnelOn) {
  Tunnel tunnel;
  tunnel.client->send("last");
  tunnel.client->shutdown();
  EXPECT_EQ(tunnel.read(), "last");
  EXPECT_EQ(tunnel.read(), "");
  tunnel.write("still answering");
  EXPECT_EQ(tunnel.client->receive_until("answering"), "still answering");
  tunnel.story->stream.finish();
  tunnel.story->end();
  EXPECT_EQ(tunnel.client->receive_to_end(), "");
  EXPECT_FALSE(tunnel.client->was_reset());
  tunnel.world.runner.until([&] { return tunnel.world.downstream.connections() == 0; });
}

TEST(Http1Stream, HalfClosesATunnelThatIsFinished) {
  Tunnel tunnel;
  tunnel.write("bye");
  tunnel.story->stream.finish();
  EXPECT_EQ(tunnel.client->receive_to_end(), "bye");
  tunnel.client->send("but listen");
  EXPECT_EQ(tunnel.read(), "but listen");
  tunnel.client->shutdown();
  EXPECT_EQ(tunnel.read(), "");
  tunnel.story->end();
  tunnel.world.runner.until([&] { return tunnel.world.downstream.connections() == 0; });
}

TEST(Http1Stream, EndsATunnelWhoseClientResets) {
  Tunnel tunnel;
  Outcome<Result<std::string>> piece{read_piece(tunnel.story->stream)};
  tunnel.client->reset();
  tunnel.world.runner.until([&] { return piece.is_there(); });
  EXPECT_EQ(piece->error().reason, Reason::kClientGone);
  tunnel.story->end();
}

TEST(Http1Stream, GivesATunnelNoDeadlineOfARequest) {
  DownstreamWorld world({.settings = {.request_head = 100ms, .keep_alive = 100ms, .body_idle = 100ms}});
  const auto client = world.connect();
  client->send("GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  auto& story = world.next_story();
  story.stream.write_head(head_of(101));
  Outcome<Result<std::string>> piece{read_piece(story.stream)};
  world.runner.for_at_least(500ms);
  EXPECT_FALSE(piece.is_there());
  client->receive_until("\r\n\r\n");
  client->send("alive");
  world.runner.until([&] { return piece.is_there(); });
  EXPECT_EQ(piece->value(), "alive");
  story.end();
}

}  // namespace
}  // namespace hybridge::test
