#include "tests/support/downstream_world.h"

#include <algorithm>
#include <utility>

#include "io/acceptor.h"
#include "proxy/http/error_page.h"

namespace hybridge::test {

http::Framing length(std::uint64_t bytes) {
  return {http::Framing::Kind::kLength, bytes};
}
http::Framing chunked() {
  return {http::Framing::Kind::kChunked, 0};
}
http::Framing until_close() {
  return {http::Framing::Kind::kUntilClose, 0};
}

http::ResponseHead head_of(int status, http::Framing framing) {
  http::ResponseHead head;
  head.status = status;
  head.framing = framing;
  return head;
}

void answer(Stream& stream, int status, std::string_view body) {
  stream.write_head(head_of(status, length(body.size())));
  const Outcome<Result<bool>> written{write_piece(stream, std::string(body))};
  EXPECT_TRUE(written.is_there());
  stream.finish();
}

Task<Result<std::string>> read_piece(Stream& stream) {
  const auto piece = co_await stream.read_body();
  if (!piece) co_return piece.error();
  co_return std::string(as_text(*piece));
}

Task<Result<std::string>> read_all(Stream& stream) {
  std::string all;
  for (;;) {
    const auto piece = co_await stream.read_body();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return all;
    all += as_text(*piece);
  }
}

Task<Result<bool>> write_piece(Stream& stream, std::string piece) {
  const auto written = co_await stream.write_body(as_bytes(piece));
  if (!written) co_return written.error();
  co_return true;
}

Task<Result<bool>> write_for_ever(Stream& stream) {
  const std::string piece(16 * 1024, 'x');
  for (;;) {
    const auto written = co_await stream.write_body(as_bytes(piece));
    if (!written) co_return written.error();
  }
}

namespace {
void answer_fault(Stream& stream, const Error& error) {
  const int status = http::status_of(error.reason);
  if (status == 0 || stream.is_gone()) {
    stream.reset(error.reason);
  } else {
    answer(stream, status, error.detail);
  }
}
}  // namespace

Task<void> echo(Stream& stream) {
  if (stream.fault()) {
    answer_fault(stream, *stream.fault());
    co_return;
  }
  const auto body = co_await read_all(stream);
  if (!body) {
    answer_fault(stream, body.error());
    co_return;
  }
  const auto& request = stream.request();
  answer(stream, 200, std::string(request.method_name) + " " + std::string(request.target) + " " + *body);
}

Task<void> ignore(Stream& stream) {
  answer(stream, 200, "ignored");
  co_return;
}

ClientLimits::Settings DownstreamWorld::limits_of(const Options& options) {
  auto settings = options.per_address;
  settings.connections = options.connections;
  return settings;
}

int DownstreamWorld::listen_somewhere() {
  return Acceptor::listen(*Address::parse("127.0.0.1", 0)).value();
}

DownstreamWorld::DownstreamWorld(Options options, std::unique_ptr<LoopRunner> its)
    : its_runner(std::move(its)),
      runner(*its_runner),
      limits(limits_of(options)),
      downstream(runner.loop(), std::move(options.settings), limits, *this),
      listener(downstream, *this, listen_somewhere(), {.tls = options.tls, .is_behind_proxy = options.is_behind_proxy}),
      address(listener.local()) {
  listener.start();
}

DownstreamWorld::~DownstreamWorld() {
  downstream.close_all();
  while (!stories_.empty()) stories_.back()->end();
  runner.turns(2);
  EXPECT_EQ(limits.current(), downstream.connections());
}

DownstreamWorld::Story& DownstreamWorld::next_story() {
  if (!runner.until([this] { return !new_stories_.empty(); })) throw std::runtime_error("no request came");
  auto& story = *new_stories_.front();
  new_stories_.pop_front();
  return story;
}

Task<void> DownstreamWorld::serve(Stream& stream) {
  ++served;
  if (serve_by_) {
    co_await serve_by_(stream);
    co_return;
  }
  Story story{stream};
  new_stories_.push_back(&story);
  stories_.push_back(&story);
  co_await story.waiter_.wait();
  std::erase(stories_, &story);
  std::erase(new_stories_, &story);
}

}  // namespace hybridge::test
