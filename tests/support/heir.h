// A process that takes over from one that the test plays: its predecessor, and the other end of their channel.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "admin/handover_channel.h"
#include "admin/handover_messages.h"
#include "admin/predecessor.h"

namespace hybridge::test {

struct Heir {
  static constexpr auto kSoon = std::chrono::seconds(10);

  Heir() {
    auto ends = HandoverChannel::make_pair().value();
    other.emplace(std::move(ends.first));
    EXPECT_TRUE(other->send(write_offer({}), {}, Clock::now() + kSoon));
    const int descriptor = ends.second.release();
    ::setenv(HandoverChannel::kVariable, std::to_string(descriptor).c_str(), 1);
    predecessor = Predecessor::from_environment().value();
  }
  void serve() {
    EXPECT_TRUE(other->send(write_message({.word = HandoverWord::kGone}), {}, Clock::now() + kSoon));
    predecessor->serving();
    EXPECT_EQ(read().word, HandoverWord::kServing);
  }
  HandoverMessage read() { return read_message(other->receive(Clock::now() + kSoon).value().text).value(); }
  void say(const HandoverMessage& message) {
    EXPECT_TRUE(other->send(write_message(message), {}, Clock::now() + kSoon));
  }

  std::optional<HandoverChannel> other;
  std::unique_ptr<Predecessor> predecessor;
};

}  // namespace hybridge::test
