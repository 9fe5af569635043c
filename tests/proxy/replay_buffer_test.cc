#include "proxy/replay_buffer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace hybridge {
namespace {

using Kind = http::Framing::Kind;

constexpr std::size_t kLimit = 64 * 1024;

class Replay : public testing::Test {
 protected:
  ReplayMemory make_memory() {
    return ReplayMemory({.charge =
                             [this](std::size_t bytes) {
                               if (charged + bytes > bound) return false;
                               charged += bytes;
                               return true;
                             },
                         .refund = [this](std::size_t bytes) { charged -= bytes; }});
  }
  void append(std::string_view text) { buffer.append(as_bytes(text)); }

  std::size_t bound = 8 * ReplayMemory::kPiece;
  std::size_t charged = 0;
  ReplayMemory memory = make_memory();
  ReplayBuffer buffer{memory};
};

TEST_F(Replay, KeepsABodyUntilItIsDropped) {
  buffer.start({Kind::kLength, 10}, kLimit);
  append("01234");
  EXPECT_FALSE(buffer.is_whole());
  append("56789");
  buffer.complete();
  ASSERT_TRUE(buffer.is_whole());
  EXPECT_EQ(as_text(buffer.bytes()), "0123456789");
  EXPECT_EQ(memory.used(), 10U);
  buffer.drop();
  EXPECT_FALSE(buffer.is_whole());
  EXPECT_EQ(memory.used(), 0U);
}

TEST_F(Replay, KeepsNothingOfABodyThatIsKnownToBeLonger) {
  buffer.start({Kind::kLength, kLimit + 1}, kLimit);
  append("x");
  buffer.complete();
  EXPECT_FALSE(buffer.is_whole());
  EXPECT_EQ(memory.used(), 0U);
  EXPECT_EQ(charged, 0U);
}

TEST_F(Replay, KeepsOneOfExactlyTheLimit) {
  buffer.start({Kind::kLength, kLimit}, kLimit);
  append(std::string(kLimit, 'x'));
  buffer.complete();
  EXPECT_TRUE(buffer.is_whole());
}

TEST_F(Replay, GivesUpAChunkedBodyWhenItTurnsOutToBeLonger) {
  buffer.start({Kind::kChunked, 0}, kLimit);
  append(std::string(kLimit, 'x'));
  EXPECT_EQ(memory.used(), kLimit);
  append("x");
  EXPECT_EQ(memory.used(), 0U);
  append("x");
  buffer.complete();
  EXPECT_FALSE(buffer.is_whole());
}

TEST_F(Replay, GrowsWithAChunkedBody) {
  buffer.start({Kind::kChunked, 0}, kLimit);
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const auto piece = std::to_string(i) + std::string(200, '.');
    append(piece);
    all += piece;
    EXPECT_GE(memory.used(), all.size());
    EXPECT_LE(memory.used(), kLimit);
  }
  buffer.complete();
  ASSERT_TRUE(buffer.is_whole());
  EXPECT_EQ(as_text(buffer.bytes()), all);
}

TEST_F(Replay, KeepsNothingWhereNothingMayBeKept) {
  buffer.start({Kind::kChunked, 0}, 0);
  append("x");
  buffer.complete();
  EXPECT_FALSE(buffer.is_whole());
}

TEST_F(Replay, KeepsNothingWhenMemoryIsShort) {
  bound = ReplayMemory::kPiece;
  std::vector<std::unique_ptr<ReplayBuffer>> others;
  for (std::size_t i = 0; i < ReplayMemory::kPiece / kLimit; ++i) {
    others.push_back(std::make_unique<ReplayBuffer>(memory));
    others.back()->start({Kind::kLength, kLimit}, kLimit);
  }
  EXPECT_EQ(memory.used(), ReplayMemory::kPiece);
  buffer.start({Kind::kLength, 1}, kLimit);
  append("x");
  buffer.complete();
  EXPECT_FALSE(buffer.is_whole());
  others.clear();
  buffer.start({Kind::kLength, 1}, kLimit);
  append("x");
  buffer.complete();
  EXPECT_TRUE(buffer.is_whole());
}

TEST_F(Replay, FetchesAndGivesBackInLargePieces) {
  std::vector<std::unique_ptr<ReplayBuffer>> buffers;
  for (int i = 0; i < 40; ++i) {
    buffers.push_back(std::make_unique<ReplayBuffer>(memory));
    buffers.back()->start({Kind::kLength, kLimit}, kLimit);
    EXPECT_EQ(charged % ReplayMemory::kPiece, 0U);
  }
  EXPECT_EQ(charged, 5 * ReplayMemory::kPiece);
  buffers.clear();
  EXPECT_EQ(memory.used(), 0U);
  EXPECT_LE(charged, 2 * ReplayMemory::kPiece) << "little stays, so that the next need not ask";
}

TEST_F(Replay, GivesEverythingBackInTheEnd) {
  {
    auto own = make_memory();
    ReplayBuffer kept(own);
    kept.start({Kind::kLength, 5}, kLimit);
    EXPECT_EQ(charged, ReplayMemory::kPiece);
  }
  EXPECT_EQ(charged, 0U);
}

}  // namespace
}  // namespace hybridge
