// A kept-alive request must cost no allocation once the worker is warm: counted on the loop's thread, for the
// resolver's threads have nothing to do here.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>

#include "tests/support/allocations.h"
#include "tests/support/upstream_story.h"
#include "tests/support/upstream_world.h"

namespace hybridge {
namespace {

using test::CountedAllocations;
using test::kCountsAllocations;
using test::ScriptedServer;
using test::UpstreamWorld;

Task<void> run_requests(UpstreamServer& server, http::Method method, int count, int& done) {
  for (int i = 0; i < count; ++i) {
    LeaseRequest request;
    request.site = "a-site-with-a-name-that-is-too-long-for-a-short-string.example.com";
    request.is_safe = http::is_safe(method);
    auto lease = co_await server.lease(request);
    if (!lease.has_value()) co_return;
    auto& connection = **lease;
    const bool has_body = !request.is_safe;
    connection.begin(method, {has_body ? http::Framing::Kind::kChunked : http::Framing::Kind::kNone, 0});
    connection.write_head("GET /api/method/ping HTTP/1.1\r\nHost: a.test\r\n\r\n");
    if (has_body) {
      const auto written = co_await connection.write_body(as_bytes("a body of some bytes"));
      if (!written.has_value()) co_return;
    }
    connection.finish_body();
    const auto head = co_await connection.read_head();
    if (!head.has_value()) co_return;
    for (;;) {
      const auto piece = co_await connection.read_body();
      if (!piece.has_value()) co_return;
      if (piece->empty()) break;
    }
    ++done;
  }
}

void answer_requests(UpstreamWorld& world, const test::ScriptedConnection& peer, const int& done, int until) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: 14\r\n"
      "Connection: keep-alive\r\n\r\n{\"message\":\"p\"";
  char buffer[4096];
  for (int turn = 0; done < until && turn < 100'000; ++turn) {
    if (::recv(peer.descriptor(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
      ::send(peer.descriptor(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
    }
    world.runner.loop().turn(0);
  }
}

std::uint64_t own(const CountedAllocations& allocations) {
  return allocations.count() - allocations.by_others();
}

void expect_no_allocations(http::Method method) {
  UpstreamWorld world;
  ScriptedServer listener(world.runner);
  auto& server = world.upstreams.find(UpstreamWorld::make_server({UpstreamWorld::endpoint(listener)}));
  int done = 0;
  spawn(run_requests(server, method, 220, done));
  const auto peer = listener.accept();
  answer_requests(world, *peer, done, 20);
  ASSERT_EQ(done, 20);
  const CountedAllocations allocations;
  answer_requests(world, *peer, done, 120);
  EXPECT_EQ(done, 120);
  if (kCountsAllocations) {
    EXPECT_EQ(own(allocations), 0U) << "in 100 requests";
  }
  answer_requests(world, *peer, done, 220);
  EXPECT_EQ(done, 220);
}

TEST(UpstreamAllocations, AKeptAliveRequestCostsNone) {
  expect_no_allocations(http::Method::kGet);
}

TEST(UpstreamAllocations, ARequestWithABodyCostsNone) {
  expect_no_allocations(http::Method::kPost);
}

TEST(UpstreamAllocations, TheCountCounts) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has the allocator";
  const CountedAllocations allocations;
  const auto number = std::make_unique<int>(1);
  EXPECT_GE(own(allocations), 1U) << *number;
}

}  // namespace
}  // namespace hybridge
