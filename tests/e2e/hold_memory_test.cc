// What a request that waits while its site is held takes of memory, its connection in clear text included: the promise
// is less than 4 KiB.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/allocations.h"
#include "tests/support/hold_world.h"

namespace hybridge::test {
namespace {

#if defined(__OPTIMIZE__)
constexpr bool kIsOptimised = true;
#else
constexpr bool kIsOptimised = false;
#endif

TEST(HoldMemory, IsLessThanFourKibibytesForARequestThatWaits) {
  if (!kCountsAllocations) GTEST_SKIP() << "a sanitizer has the allocator";
  if (!kIsOptimised) GTEST_SKIP() << "frames of coroutines are larger where nothing is optimised";
  constexpr std::size_t kFirst = 20;
  constexpr std::size_t kMeasured = 300;
  const auto request = get("/app", "User-Agent: bench\r\nAccept: */*\r\n");
  PeerServer upstream;
  HoldWorld world;
  world.edge_world.serve(upstream);
  world.hold();
  // A client takes nothing of the heap once there is room for it: what grows is the edge's.
  std::vector<Peer> clients;
  clients.reserve(kFirst + kMeasured);
  const auto wait_in_all = [&](std::size_t requests) {
    while (clients.size() < requests) {
      clients.push_back(world.edge_world.connect());
      clients.back().send(request);
    }
    world.await_waiting(requests);
  };
  wait_in_all(kFirst);
  const auto before = bytes_in_use();
  wait_in_all(kFirst + kMeasured);
  const auto each = (bytes_in_use() - before) / kMeasured;
  RecordProperty("bytes_for_a_request_that_waits", static_cast<int>(each));
  EXPECT_LT(each, 4096u);
  EXPECT_GT(each, 1024u) << "it cannot be so little: this does not measure what it should";
  clients.clear();
  world.await_waiting(0);
}

}  // namespace
}  // namespace hybridge::test
