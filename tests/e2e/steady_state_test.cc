// A warm connection costs nothing that lasts: no allocation a request, no memory that grows.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/allocations.h"
#include "tests/support/edge_world.h"
#include "tests/support/origin.h"

namespace hybridge::test {
namespace {

const std::string kAnswer =
    ok(std::string(1'024, 'x'), "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html\r\n");
const std::string kRequest =
    get("/app/some/path?with=query",
        "User-Agent: Mozilla/5.0\r\nAccept: text/html\r\nAccept-Encoding: gzip, deflate, br\r\n"
        "Accept-Language: en\r\nCookie: sid=0123456789abcdef; user_id=someone%40example.com\r\n");

class SteadyWorld {
 public:
  SteadyWorld() : origin(kAnswer) {
    world.set_server("f1.test", {origin.address()});
    world.set_site("a.test", "f1.test");
  }
  Origin origin;
  EdgeWorld world;
};

TEST(SteadyState, AllocatesNothingForAKeptAliveRequest) {
  SteadyWorld steady;
  LoadClient client(steady.world.http, kRequest);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.get(), 200);
  const CountedAllocations allocations;
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(client.get(), 200);
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has the allocator";
  // The date of each second, and what other threads of the process do: not one a request.
  EXPECT_LE(allocations.count(), 20u);
  RecordProperty("allocations_per_1000_requests", static_cast<int>(allocations.count()));
}

TEST(SteadyState, AllocatesLittleForAKeptAliveRequestOverTls) {
  SteadyWorld steady;
  LoadClient client(steady.world.https, kRequest, true);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.get(), 200);
  const CountedAllocations allocations;
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(client.get(), 200);
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has the allocator";
  // An idle connection keeps no record buffers (SSL_MODE_RELEASE_BUFFERS): OpenSSL takes them anew each time.
  EXPECT_LE(allocations.by_others(), 8'000u);
  RecordProperty("allocations_per_1000_requests", static_cast<int>(allocations.by_others()));
}

TEST(SteadyState, KeepsItsMemoryOverManyConnections) {
  SteadyWorld steady;
  const auto visit = [&](int times) {
    for (int i = 0; i < times; ++i) {
      LoadClient client(steady.world.http, kRequest);
      ASSERT_EQ(client.get(), 200);
    }
    eventually([&] { return steady.world.edge->connections() == 0; });
  };
  visit(200);
  const auto before = bytes_in_use();
  visit(500);
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has the allocator";
  EXPECT_LE(bytes_in_use(), before + 64 * 1024);
}

}  // namespace
}  // namespace hybridge::test
